import { nearestWord, suggest } from '../base/nearest.ts';
import type { ByteCount } from '../base/units.ts';
import { checkDevices } from './check-devices.ts';
import { checkExpect, defaultExpectation } from './check-expect.ts';
import { checkExplore, checkSchedule } from './check-explore.ts';
import { checkFilesystem } from './check-filesystem.ts';
import { allOn, checkFixes } from './check-fixes.ts';
import { checkSetupNames, checkTaskNames } from './check-namespace.ts';
import { checkOperations, type OperationList } from './check-operations.ts';
import { checkRules, type KnownNames } from './check-rules.ts';
import { Checker, headOf, MERGE_HINT } from './checker.ts';
import type { Located } from './located.ts';
import { describeValue } from './located.ts';
import type { FilesystemSettings, FixSetting, TaskScript, Workload } from './model.ts';
import type { Problem } from './problem.ts';
import { readYaml } from './read-yaml.ts';
import { NAME_PATTERN } from './scalars.ts';
import { REPEATED_TASK, TOP, WORKLOAD_KEYS } from './schema.ts';
import { SourceText } from './source-text.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface ParseContext {
  /** Shown in problems; its base name is the workload's default name. */
  readonly file: string;
  readonly vocabulary: Vocabulary;
}

/** A checked workload, or every problem of the text in order of position. Never throws, whatever the text. */
export type ParseResult =
  | { readonly workload: Workload; readonly problems?: never }
  | { readonly problems: readonly Problem[]; readonly workload?: never };

/** The name under which operations of setup are recorded. */
const SETUP_TASK = 'setup';
const TASKS_MAX = 64;
const OPERATIONS_MAX = 100_000;

/**
 * Text of a workload file to a workload that can be run. Every reference is resolved against the vocabulary and all
 * that cannot work is found here, before anything runs: the problems come all at once (of hopeless files, 200 of them).
 */
export function parseWorkload(text: string, context: ParseContext): ParseResult {
  const source = new SourceText(text, context.file);
  const checker = new Checker(source);
  const yaml = readYaml(source);
  for (const problem of yaml.problems) checker.add(problem);
  const workload = yaml.root === null ? null : checkWorkload(checker, yaml.root, context);
  if (workload !== null && !checker.hasProblems) return { workload };
  return { problems: checker.sorted() };
}

function checkWorkload(checker: Checker, root: Located, context: ParseContext): Workload | null {
  const { vocabulary } = context;
  checkTopKeys(checker, root);
  const top = checkTop(checker, root, context.file);
  const part = (key: string) => root.entries.get(key)?.node ?? null;
  const filesystem = checkFilesystem(checker, part('filesystem'), vocabulary);
  const fixes = checkFixes(checker, part('fixes'), { base: allOn(vocabulary.fixes), fixes: vocabulary.fixes });
  const capacity = filesystem.isSound ? capacityOf(filesystem.settings) : null;
  const setup = checkSetup(checker, part('setup'), capacity);
  const tasks = checkTasks(checker, root, { capacity, vocabulary });
  checkMarks(checker, tasks, vocabulary);
  if (filesystem.isSound) {
    const lists = [{ list: setup, repeat: 1 }, ...tasks.map(({ list, script }) => ({ list, repeat: script.repeat }))];
    checkDevices(checker, {
      settings: filesystem.settings,
      filesystem: part('filesystem'),
      operations: lists.flatMap(({ list, repeat }) =>
        (list?.operations ?? []).map((placed) => ({ ...placed, repeat })),
      ),
      isComplete: lists.every(({ list }) => list === null || list.isComplete),
    });
  }
  checkNames(checker, setup, tasks);
  const known = knownNames(vocabulary, root, tasks);
  const ruleList = listAt(checker, root, 'inject', 'rules');
  const inject =
    ruleList === null
      ? []
      : checkRules(checker, ruleList, { known, filesystem: filesystem.isSound ? filesystem.settings : null });
  const stepList = listAt(checker, root, 'schedule', '"task: point" steps');
  const schedule = stepList === null ? [] : checkSchedule(checker, stepList, known);
  if (stepList !== null && stepList.items.length === 0)
    checker.report('schedule', 'the schedule is empty', headOf(stepList), 'remove it, or add steps');
  const stages = checkExplore(checker, root, { known, hasSchedule: root.entries.has('schedule') });
  const expectNode = part('expect');
  const expect =
    expectNode === null || expectNode.isReported
      ? null
      : checkExpect(checker, expectNode, { vocabulary, base: fixes, stages });
  if (checker.hasProblems || fixes === null) return null;
  return {
    ...top,
    file: context.file,
    filesystem: filesystem.settings,
    fixes,
    setup: setup?.operations.map((placed) => placed.operation) ?? [],
    tasks: tasks.map((task) => task.script),
    inject,
    explore: stages.stages,
    schedule,
    expect: expect ?? [defaultExpectation(fixes as FixSetting, stages)],
  };
}

/** All that the devices can hold, once the spares are in. */
function capacityOf({ devices, spares }: FilesystemSettings): ByteCount {
  return [...devices, ...spares].reduce((sum, size) => sum + size, 0);
}

function checkTopKeys(checker: Checker, root: Located): void {
  for (const key of root.entries.keys()) {
    if (WORKLOAD_KEYS.includes(key)) continue;
    checker.reportKey(
      root,
      key,
      'unknown-key',
      `a workload has no key ${describeValue(key)}`,
      suggest(key, WORKLOAD_KEYS),
    );
  }
}

function checkTop(checker: Checker, root: Located, file: string): Pick<Workload, 'name' | 'title' | 'description'> {
  const read = (key: 'name' | 'title' | 'description') => {
    const entry = root.entries.get(key);
    return entry === undefined ? null : (checker.read(TOP[key], entry.node, `"${key}"`)?.data ?? null);
  };
  return { name: read('name') ?? nameOfFile(file), title: read('title') ?? '', description: read('description') ?? '' };
}

function nameOfFile(file: string): string {
  const base = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  return base.replace(/\.(ya?ml)$/i, '') || 'workload';
}

/** The list under a key of the top; null when there is none, or something else. */
function listAt(checker: Checker, root: Located, key: string, of: string): Located | null {
  const entry = root.entries.get(key);
  if (entry === undefined || entry.node.isReported) return null;
  if (entry.node.kind === 'list') return entry.node;
  const place = entry.node.start === entry.node.end ? { start: entry.keyStart, end: entry.keyEnd } : headOf(entry.node);
  const hint = entry.node.kind === 'mapping' ? 'begin each item with "- "' : null;
  checker.report('value', `"${key}" is a list of ${of}, found ${describeValue(entry.node.value)}`, place, hint);
  return null;
}

function checkSetup(checker: Checker, node: Located | null, capacity: number | null): OperationList | null {
  if (node === null || node.isReported) return null;
  if (node.kind !== 'list') {
    // An empty "setup:" is as good as none.
    if (node.value !== null)
      checker.report(
        'value',
        `"setup" is a list of operations, found ${describeValue(node.value)}`,
        headOf(node),
        'begin each item with "- "',
      );
    return { operations: [], isComplete: node.value === null };
  }
  return checkOperations(checker, node, { isSetup: true, capacity, isRepeated: false });
}

interface CheckedTask {
  readonly script: TaskScript;
  readonly list: OperationList;
}

function checkTasks(
  checker: Checker,
  root: Located,
  context: { readonly capacity: number | null; readonly vocabulary: Vocabulary },
): readonly CheckedTask[] {
  const { capacity, vocabulary } = context;
  const reserved = [SETUP_TASK, ...(vocabulary.engineTasks ?? [])];
  const entry = root.entries.get('tasks');
  if (entry === undefined) {
    const isMisspelled = [...root.entries.keys()].some(
      (key) => !WORKLOAD_KEYS.includes(key) && suggest(key, WORKLOAD_KEYS)?.includes('"tasks"') === true,
    );
    if (!isMisspelled)
      checker.report(
        'missing-key',
        'a workload needs the key "tasks"',
        headOf(root),
        'what runs at the same time: "tasks: { writer: [ … ] }"',
      );
    return [];
  }
  const { node } = entry;
  if (node.isReported) return [];
  if (node.kind !== 'mapping') {
    const place = node.start === node.end ? { start: entry.keyStart, end: entry.keyEnd } : headOf(node);
    checker.report(
      'value',
      `"tasks" is a mapping from names to lists, found ${describeValue(node.value)}`,
      place,
      'give each task a name: "writer: [ … ]"',
    );
    return [];
  }
  if (node.entries.size === 0)
    checker.report(
      'value',
      '"tasks" is empty',
      { start: entry.keyStart, end: entry.keyEnd },
      'at least one task is needed',
    );
  if (node.entries.size > TASKS_MAX)
    checker.report('number', `at most ${TASKS_MAX} tasks, found ${node.entries.size}`, {
      start: entry.keyStart,
      end: entry.keyEnd,
    });
  const tasks = [...node.entries].map(([name, task]) => {
    if (!NAME_PATTERN.test(name)) {
      checker.reportKey(
        node,
        name,
        'value',
        `${describeValue(name)} is no name for a task`,
        'names are letters, digits and dashes, beginning with a letter',
      );
    }
    if (reserved.includes(name)) {
      checker.reportKey(
        node,
        name,
        'contradiction',
        `tasks of the bench itself are called ${name}`,
        'choose another name',
      );
    }
    return checkTask(checker, { name, node: task.node, capacity, key: { start: task.keyStart, end: task.keyEnd } });
  });
  const total = tasks.reduce((sum, task) => sum + task.script.operations.length * task.script.repeat, 0);
  if (total > OPERATIONS_MAX) {
    checker.report(
      'number',
      `one execution would do ${total} operations, at most ${OPERATIONS_MAX} are sensible`,
      { start: entry.keyStart, end: entry.keyEnd },
      'lower "repeat"',
    );
  }
  return tasks;
}

function checkTask(
  checker: Checker,
  task: {
    readonly name: string;
    readonly node: Located;
    readonly capacity: number | null;
    readonly key: { readonly start: number; readonly end: number };
  },
): CheckedTask {
  const { name, node, capacity, key } = task;
  const nothing: CheckedTask = {
    script: { name, repeat: 1, operations: [] },
    list: { operations: [], isComplete: false },
  };
  if (node.isReported) return nothing;
  let repeat = 1;
  let list = node;
  if (node.kind === 'mapping') {
    const inner = node.entries.get('do')?.node;
    // The list itself is read below, item by item: only the keys around it matter here.
    repeat = checkTaskKeys(checker, node, `task "${name}"`);
    if (inner === undefined) return nothing;
    list = inner;
  }
  if (list.isReported) return nothing;
  if (list.kind !== 'list') {
    const place = list.start === list.end ? key : headOf(list);
    const message =
      list.value === null
        ? `task "${name}" is empty`
        : `task "${name}" is a list of operations, found ${describeValue(list.value)}`;
    checker.report('value', message, place, 'begin each operation with "- "');
    return nothing;
  }
  if (list.items.length === 0) {
    checker.report('value', `task "${name}" is empty`, key, 'a task does at least one operation');
    return nothing;
  }
  const operations = checkOperations(checker, list, { isSetup: false, capacity, isRepeated: repeat > 1 });
  return {
    script: { name, repeat, operations: operations.operations.map((placed) => placed.operation) },
    list: operations,
  };
}

const TASK_KEYS = Object.keys(REPEATED_TASK.shape);

function checkTaskKeys(checker: Checker, node: Located, what: string): number {
  for (const name of node.entries.keys()) {
    if (!TASK_KEYS.includes(name))
      checker.reportKey(node, name, 'unknown-key', `${what} has no key ${describeValue(name)}`, suggestTaskKey(name));
  }
  const isMisspelled = [...node.entries.keys()].some(
    (name) => !TASK_KEYS.includes(name) && nearestWord(name, ['do']) !== null,
  );
  if (!node.entries.has('do') && !isMisspelled)
    checker.reportAt(node, [], 'missing-key', `${what} needs the key "do"`, 'its list of operations');
  const entry = node.entries.get('repeat');
  return entry === undefined ? 1 : (checker.read(REPEATED_TASK.shape.repeat, entry.node, '"repeat"')?.data ?? 1);
}

function suggestTaskKey(name: string): string {
  if (name === '<<') return MERGE_HINT;
  const hint = suggest(name, TASK_KEYS);
  return hint ?? 'a task is a list of operations, or "repeat" and "do"';
}

/** A mark must not pass for a point of the engine. */
function checkMarks(checker: Checker, tasks: readonly CheckedTask[], vocabulary: Vocabulary): void {
  for (const { operation, node } of tasks.flatMap((task) => task.list.operations)) {
    if (operation.kind !== 'mark' || !vocabulary.points.includes(operation.point)) continue;
    const message = `a point of the engine is called ${operation.point}`;
    checker.reportAt(node, ['mark'], 'contradiction', message, 'choose another name');
  }
}

function checkNames(checker: Checker, setup: OperationList | null, tasks: readonly CheckedTask[]): void {
  const before = checkSetupNames(checker, setup ?? { operations: [], isComplete: true });
  checkTaskNames(
    checker,
    before,
    tasks.map((task) => task.list),
  );
}

function knownNames(vocabulary: Vocabulary, root: Located, tasks: readonly CheckedTask[]): KnownNames {
  const marks = new Map<string, string[]>();
  for (const { script } of tasks) {
    for (const operation of script.operations) {
      if (operation.kind !== 'mark') continue;
      const makers = marks.get(operation.point) ?? [];
      if (!makers.includes(script.name)) makers.push(script.name);
      marks.set(operation.point, makers);
    }
  }
  return {
    vocabulary,
    tasks: [...(root.entries.get('tasks')?.node.entries.keys() ?? [])],
    points: [...vocabulary.points, ...[...marks.keys()].filter((mark) => !vocabulary.points.includes(mark))],
    marks,
  };
}
