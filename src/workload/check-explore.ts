import { suggest } from '../base/nearest.ts';
import { checkMark, checkTask, type KnownNames } from './check-rules.ts';
import type { Checker } from './checker.ts';
import { describeValue, type Located } from './located.ts';
import type { ExploreStage, ScheduleStep } from './model.ts';
import { checkName, itemPath, listOf } from './names.ts';
import { STAGE_SHAPES, STEP } from './schema.ts';

type Strategy = keyof typeof STAGE_SHAPES;
const STRATEGIES = Object.keys(STAGE_SHAPES) as Strategy[];

const DEFAULT_RUNS = 100;

/** What is explored when the file does not say: the schedule, if there is one, and a few random interleavings. */
export function defaultStages(hasSchedule: boolean): readonly ExploreStage[] {
  const random = { strategy: 'random', name: 'random', points: null, runs: DEFAULT_RUNS, seed: '1' } as const;
  return hasSchedule ? [{ strategy: 'script', name: 'script' }, random] : [random];
}

export interface Stages {
  readonly stages: readonly ExploreStage[];
  /** False when a stage is missing because it has problems. */
  readonly isComplete: boolean;
}

export function checkExplore(
  checker: Checker,
  root: Located,
  context: { readonly known: KnownNames; readonly hasSchedule: boolean },
): Stages {
  const entry = root.entries.get('explore');
  if (entry === undefined) return { stages: defaultStages(context.hasSchedule), isComplete: true };
  const { node } = entry;
  if (node.isReported) return { stages: [], isComplete: false };
  if (node.kind === 'scalar' || (node.kind === 'list' && node.items.length === 0)) {
    checker.report(
      'value',
      '"explore" is a stage or a list of them',
      node.kind === 'scalar' ? node : { start: node.start, end: node.start + 1 },
      'such as { strategy: random, runs: 100 }',
    );
    return { stages: [], isComplete: false };
  }
  const items = node.kind === 'list' ? node.items : [node];
  const stages = items.map((item) => readStage(checker, item, context.known));
  const present = stages.filter((stage) => stage !== null);
  checkStageNames(checker, stages, items);
  const script = stages.findIndex((stage) => stage?.strategy === 'script');
  if (script >= 0 && !context.hasSchedule) {
    checker.reportAt(
      items[script]!,
      ['strategy'],
      'schedule',
      'the strategy script needs a schedule',
      'add "schedule:" to the file',
    );
  }
  const isComplete = present.length === stages.length;
  if (isComplete && script < 0 && context.hasSchedule) {
    checker.reportKey(
      root,
      'schedule',
      'schedule',
      'the schedule is never used',
      'add { strategy: script } to "explore"',
    );
  }
  return { stages: present, isComplete };
}

function readStage(checker: Checker, node: Located, known: KnownNames): ExploreStage | null {
  if (node.isReported) return null;
  if (node.kind !== 'mapping') {
    const isStrategy = (STRATEGIES as readonly unknown[]).includes(node.value);
    checker.report(
      'value',
      'a stage is a mapping with a "strategy"',
      node.kind === 'list' ? { start: node.start, end: node.start + 1 } : node,
      isStrategy ? `write { strategy: ${String(node.value)} }` : null,
    );
    return null;
  }
  const strategy = node.entries.get('strategy');
  if (strategy === undefined) {
    const misspelled = [...node.entries].find(([key]) => suggest(key, ['strategy'])?.startsWith('did you') === true);
    if (misspelled === undefined)
      checker.reportAt(node, [], 'missing-key', 'a stage needs the key "strategy"', `one of: ${STRATEGIES.join(', ')}`);
    else
      checker.reportKey(
        node,
        misspelled[0],
        'unknown-key',
        `a stage has no key "${misspelled[0]}"`,
        'did you mean "strategy"?',
      );
    return null;
  }
  const name = STRATEGIES.find((known) => known === strategy.node.value);
  if (name === undefined) {
    checker.reportAt(
      node,
      ['strategy'],
      'unknown-name',
      `there is no strategy ${describeValue(strategy.node.value)}`,
      suggest(strategy.node.source, STRATEGIES),
    );
    return null;
  }
  switch (name) {
    case 'script': {
      const part = checker.read(STAGE_SHAPES.script, node, 'a script stage');
      return part && { strategy: 'script', name: part.data.name ?? 'script' };
    }
    case 'exhaustive': {
      const part = checker.read(STAGE_SHAPES.exhaustive, node, 'an exhaustive stage');
      if (part === null) return null;
      const points = readPoints(checker, node, part.data.points, known);
      return {
        strategy: 'exhaustive',
        name: part.data.name ?? 'exhaustive',
        points,
        prune: part.data.prune,
        bound: part.data.bound,
      };
    }
    case 'random':
    case 'priorities': {
      const part = checker.read(STAGE_SHAPES[name], node, `a stage of strategy ${name}`);
      if (part === null) return null;
      const points = readPoints(checker, node, part.data.points, known);
      return {
        strategy: name,
        name: part.data.name ?? name,
        points,
        runs: part.data.runs,
        seed: part.data.seed,
      };
    }
  }
}

function readPoints(
  checker: Checker,
  node: Located,
  form: string | readonly string[] | undefined,
  known: KnownNames,
): readonly string[] | null {
  if (form === undefined) return null;
  const points = listOf<string>(form);
  for (const [index, point] of points.entries()) {
    const path = itemPath(node, 'points', index);
    if (points.indexOf(point) !== index)
      checker.reportAt(node, path, 'contradiction', `${point} is already in this list`, 'remove it');
    else checkName(checker, point, { kind: 'point', known: known.points, node, path });
  }
  return points;
}

function checkStageNames(checker: Checker, stages: readonly (ExploreStage | null)[], items: readonly Located[]): void {
  const seen = new Set<string>();
  for (const [index, stage] of stages.entries()) {
    if (stage === null) continue;
    const node = items[index]!;
    if (seen.has(stage.name)) {
      const path = node.entries.has('name') ? ['name'] : ['strategy'];
      checker.reportAt(node, path, 'contradiction', `two stages are called ${stage.name}`, 'add a "name" of its own');
    }
    seen.add(stage.name);
  }
}

export function checkSchedule(checker: Checker, list: Located, known: KnownNames): readonly ScheduleStep[] {
  return list.items.flatMap((node): ScheduleStep[] => {
    const part = checker.read(STEP, node, 'a step of the schedule');
    if (part === null) return [];
    const keys = [...node.entries.keys()];
    const [task] = keys;
    if (task === undefined) {
      checker.reportAt(node, [], 'schedule', 'a step is "task: point"');
      return [];
    }
    if (keys.length > 1) {
      checker.reportKey(
        node,
        keys[1]!,
        'schedule',
        `a step is one task and one point, here are ${keys.join(' and ')}`,
        'begin a new item with "- "',
      );
      return [];
    }
    const point = part.data[task];
    if (point === undefined) return [];
    const entry = node.entries.get(task)!;
    const isTask = checkTaskKey(checker, known, task, entry);
    const isPoint = checkName(checker, point, { kind: 'point', known: known.points, node, path: [task] });
    if (isTask && isPoint) checkMark(checker, known, { task, point, node, path: [task] });
    return [{ task, point, at: checker.source.positionOf(entry.keyStart) }];
  });
}

function checkTaskKey(
  checker: Checker,
  known: KnownNames,
  task: string,
  entry: { readonly keyStart: number; readonly keyEnd: number },
): boolean {
  const key: Located = {
    value: task,
    kind: 'scalar',
    start: entry.keyStart,
    end: entry.keyEnd,
    source: task,
    entries: new Map(),
    items: [],
    isReported: false,
  };
  return checkTask(checker, known, { task, node: key, path: [] });
}
