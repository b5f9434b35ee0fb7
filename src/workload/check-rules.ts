import type { z } from 'zod';
import { suggest } from '../base/nearest.ts';
import { showSize } from './check-filesystem.ts';
import type { Checker, Part } from './checker.ts';
import type { Located } from './located.ts';
import type { FaultEffect, FaultMatch, FaultRule, FilesystemSettings, IoOperationName, Occurrence } from './model.ts';
import { checkName, itemPath, listOf } from './names.ts';
import { TREE_IDS } from './scalars.ts';
import { RULE } from './schema.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Names that rules, stages and schedules may use. */
export interface KnownNames {
  readonly vocabulary: Vocabulary;
  /** Of the file, whatever is wrong inside them. */
  readonly tasks: readonly string[];
  /** Points of the engine and marks of the workload. */
  readonly points: readonly string[];
  /** Marks by the tasks that make them. */
  readonly marks: ReadonlyMap<string, readonly string[]>;
}

type RuleForm = z.output<typeof RULE>;
type WhenForm = RuleForm['when'];

const IO_KEYS = ['operation', 'device', 'physical', 'logical', 'purpose', 'tree'] as const;
const TARGET_KEYS = { lock: 'lock', point: 'point', site: 'site' } as const;
const TREE_LOG = TREE_IDS['log']!;

/** What a block device can answer, by what it was asked. */
export const IO_ERRNOS: Readonly<Record<IoOperationName, readonly string[]>> = {
  read: ['EIO', 'ENODATA', 'ENODEV', 'ENOMEM', 'ETIMEDOUT'],
  write: ['EIO', 'ENODEV', 'ENOMEM', 'ENOSPC', 'EROFS', 'ETIMEDOUT'],
  flush: ['EIO', 'ENODEV', 'ENOMEM', 'ENOSPC', 'EROFS', 'ETIMEDOUT'],
  discard: ['EIO', 'ENODEV', 'ENOMEM', 'EOPNOTSUPP', 'EROFS', 'ETIMEDOUT'],
};

export function checkRules(
  checker: Checker,
  list: Located,
  context: { readonly known: KnownNames; readonly filesystem: FilesystemSettings | null },
): readonly FaultRule[] {
  const lines = new Map<string, number>();
  return list.items.flatMap((node, index): FaultRule[] => {
    const part = checker.read(RULE, node, `rule ${index + 1}`);
    if (part === null) return [];
    const at = checker.source.positionOf(node.start);
    const name = part.data.name ?? `rule ${index + 1}`;
    const first = lines.get(name);
    if (first !== undefined)
      checker.reportAt(
        node,
        ['name'],
        'contradiction',
        `a rule named ${JSON.stringify(name)} is already on line ${first}`,
        'give it another name',
      );
    else lines.set(name, at.line);
    const reader = new RuleReader(checker, part, context);
    const when = reader.match();
    const then = reader.effect(when);
    return when === null || then === null ? [] : [{ name, when, then, at }];
  });
}

class RuleReader {
  private readonly checker: Checker;
  private readonly part: Part<RuleForm>;
  private readonly known: KnownNames;
  private readonly filesystem: FilesystemSettings | null;

  constructor(
    checker: Checker,
    part: Part<RuleForm>,
    context: { readonly known: KnownNames; readonly filesystem: FilesystemSettings | null },
  ) {
    this.checker = checker;
    this.part = part;
    this.known = context.known;
    this.filesystem = context.filesystem;
  }

  match(): FaultMatch | null {
    const { when } = this.part.data;
    const target = this.target(when);
    if (target === null) return null;
    this.checkNames(when);
    this.checkDevice(when);
    this.checkPurpose(when);
    const operations = listOf<IoOperationName>(when.operation);
    return {
      target,
      task: when.task ?? null,
      operations: operations.length === 0 ? null : operations,
      device: when.device ?? null,
      physical: this.range('physical', when.physical),
      logical: this.range('logical', when.logical),
      purpose: when.purpose ?? (when.tree === undefined ? null : when.tree === TREE_LOG ? 'log' : 'tree-block'),
      tree: when.tree ?? null,
      lock: when.lock ?? null,
      point: when.point ?? null,
      site: when.site ?? null,
      occurrence: this.occurrence(when.occurrence),
      probability: when.probability ?? null,
    };
  }

  effect(when: FaultMatch | null): FaultEffect | null {
    const { part, checker } = this;
    const { then } = part.data;
    const kinds = (['delay', 'fail', 'reorder'] as const).filter((kind) => then[kind] !== undefined);
    const place = part.node.entries.get('then')!.node;
    if (kinds.length > 1) {
      checker.reportKey(
        place,
        kinds[1]!,
        'contradiction',
        `a rule does one thing, this does ${kinds.join(' and ')}`,
        'make it two rules',
      );
      return null;
    }
    if (kinds.length === 0) {
      if (!part.isPartial)
        checker.reportKey(part.node, 'then', 'missing-key', 'the rule does nothing', 'one of: delay, fail, reorder');
      return null;
    }
    this.checkEffectFits(kinds[0]!, when);
    if (then.fail !== undefined) {
      if (when !== null) this.checkErrno(then.fail, when);
      return { kind: 'fail', errno: then.fail };
    }
    if (then.reorder !== undefined) {
      if (then.reorder === 'last-first') return { kind: 'reorder-last-first' };
      if (then.reorder === 'shuffle') return { kind: 'reorder-shuffle' };
      return { kind: 'reorder-hold', hold: then.reorder.hold };
    }
    return this.delay(then.delay!);
  }

  private delay(delay: NonNullable<RuleForm['then']['delay']>): FaultEffect {
    if (typeof delay === 'number') return { kind: 'delay', duration: delay };
    if ('events' in delay) return { kind: 'delay-events', events: delay.events };
    const { task, passes } = delay.until;
    const { node } = this.part;
    const isTask = checkTask(this.checker, this.known, { task, node, path: ['then', 'delay', 'until', 'task'] });
    const isPoint = checkName(this.checker, passes, {
      kind: 'point',
      known: this.known.points,
      node,
      path: ['then', 'delay', 'until', 'passes'],
    });
    if (isTask && isPoint)
      checkMark(this.checker, this.known, { task, point: passes, node, path: ['then', 'delay', 'until', 'passes'] });
    if (this.part.data.when.task === task) {
      this.checker.reportAt(
        node,
        ['then', 'delay', 'until', 'task'],
        'rule',
        `${task} would wait for itself for ever`,
        'name another task',
      );
    }
    return { kind: 'delay-until', task, point: passes };
  }

  /** A rule is about device I/O, a lock, a point or a failure site; never about two of them. */
  private target(when: WhenForm): FaultMatch['target'] | null {
    const { part, checker } = this;
    const place = part.node.entries.get('when')!.node;
    const io = IO_KEYS.filter((key) => when[key] !== undefined);
    const targets: (readonly [FaultMatch['target'], string])[] = io.length > 0 ? [['io', io[0]!]] : [];
    for (const key of Object.values(TARGET_KEYS)) if (when[key] !== undefined) targets.push([key, key]);
    const [first, second] = targets;
    if (first === undefined) {
      if (part.isPartial) return null;
      const hint = 'add operation, purpose, lock, point or site';
      checker.reportKey(part.node, 'when', 'rule', 'the rule does not say what it is about', hint);
      return null;
    }
    if (second !== undefined) {
      const what = `"${first[1]}" and "${second[1]}"`;
      checker.reportKey(
        place,
        second[1],
        'contradiction',
        `nothing is ${what} at once: this never matches`,
        'make it two rules',
      );
      return null;
    }
    return first[0];
  }

  private checkNames(when: WhenForm): void {
    const { vocabulary } = this.known;
    const { node } = this.part;
    if (when.task !== undefined) checkTask(this.checker, this.known, { task: when.task, node, path: ['when', 'task'] });
    if (when.lock !== undefined)
      checkName(this.checker, when.lock, { kind: 'lock class', known: vocabulary.locks, node, path: ['when', 'lock'] });
    if (when.site !== undefined) {
      checkName(this.checker, when.site, {
        kind: 'failure site',
        known: vocabulary.sites.map((site) => site.name),
        node,
        path: ['when', 'site'],
      });
    }
    if (when.point === undefined) return;
    const path = ['when', 'point'];
    if (!checkName(this.checker, when.point, { kind: 'point', known: this.known.points, node, path })) return;
    if (when.task !== undefined)
      checkMark(this.checker, this.known, { task: when.task, point: when.point, node, path });
  }

  private checkDevice(when: WhenForm): void {
    if (this.filesystem === null) return;
    const devices = [...this.filesystem.devices, ...this.filesystem.spares];
    if (when.device !== undefined && when.device >= devices.length) {
      const last = devices.length === 1 ? 'the only device is 0' : `devices are 0 to ${devices.length - 1}`;
      this.checker.reportAt(this.part.node, ['when', 'device'], 'range', `there is no device ${when.device}`, last);
      return;
    }
    if (when.physical === undefined) return;
    const size = when.device === undefined ? Math.max(...devices) : devices[when.device]!;
    const [from] = when.physical;
    if (from >= size) {
      this.checker.reportAt(
        this.part.node,
        ['when', 'physical', 0],
        'range',
        `the range begins at ${showSize(from)}, past the end of the device (${showSize(size)})`,
      );
    }
  }

  private checkPurpose(when: WhenForm): void {
    const { node } = this.part;
    if (when.tree !== undefined && when.purpose !== undefined) {
      const fits = when.purpose === 'tree-block' || (when.purpose === 'log' && when.tree === TREE_LOG);
      if (!fits)
        this.checker.reportAt(
          node,
          ['when', 'tree'],
          'contradiction',
          `${when.purpose} I/O has no tree: this never matches`,
          'remove one of "tree" and "purpose"',
        );
    }
    const operations = listOf<IoOperationName>(when.operation);
    for (const [index, operation] of operations.entries()) {
      const path = ['when', ...itemPath(node.entries.get('when')!.node, 'operation', index)];
      if (operations.indexOf(operation) !== index)
        this.checker.reportAt(node, path, 'contradiction', `${operation} is already in this list`, 'remove it');
    }
    if (operations.length !== 1 || operations[0] !== 'flush') return;
    for (const key of ['physical', 'logical', 'tree'] as const) {
      if (when[key] !== undefined)
        this.checker.reportAt(
          node,
          ['when', key],
          'contradiction',
          `a flush has no ${key === 'tree' ? 'tree' : 'range'}: this never matches`,
          `remove "${key}"`,
        );
    }
  }

  private range(
    key: 'physical' | 'logical',
    form: readonly [number, number] | undefined,
  ): { readonly start: number; readonly length: number } | null {
    if (form === undefined) return null;
    const [from, to] = form;
    if (from < to) return { start: from, length: to - from };
    const message = `the range from ${showSize(from)} to before ${showSize(to)} is empty`;
    this.checker.reportAt(
      this.part.node,
      ['when', key],
      'range',
      message,
      from === to ? 'its end is not included' : 'did you swap its ends?',
    );
    return null;
  }

  private occurrence(form: WhenForm['occurrence']): Occurrence | null {
    if (form === undefined) return null;
    if (typeof form === 'number') return { kind: 'nth', nth: form };
    if ('every' in form) return { kind: 'every', every: form.every };
    const { from, to = null } = form;
    if (to !== null && from > to) {
      this.checker.reportAt(
        this.part.node,
        ['when', 'occurrence', 'from'],
        'range',
        `occurrences from ${from} to ${to} are none`,
        'did you swap "from" and "to"?',
      );
    }
    return { kind: 'range', from, to };
  }

  private checkEffectFits(kind: 'delay' | 'fail' | 'reorder', when: FaultMatch | null): void {
    if (when === null || EFFECTS[when.target].includes(kind)) return;
    const place = this.part.node.entries.get('then')!.node;
    const about = when.target === 'site' ? 'a failure site' : `a ${when.target}`;
    const possible = EFFECTS[when.target].join(' or ');
    this.checker.reportKey(place, kind, 'rule', `${kind} makes no sense for ${about}`, `possible: ${possible}`);
  }

  private checkErrno(errno: string, when: FaultMatch): void {
    const possible = this.errnosFor(when);
    if (possible === null || possible.includes(errno)) return;
    const about =
      when.target === 'site'
        ? `the site ${when.site}`
        : when.operations === null
          ? 'device I/O'
          : `a ${when.operations.join(' or ')}`;
    const hint = possible.length === 0 ? null : suggestErrno(errno, possible);
    this.checker.reportAt(this.part.node, ['then', 'fail'], 'errno', `${errno} makes no sense for ${about}`, hint);
  }

  /** What may come out; null when that cannot be said. */
  private errnosFor(when: FaultMatch): readonly string[] | null {
    if (when.target === 'site')
      return this.known.vocabulary.sites.find((site) => site.name === when.site)?.errnos ?? null;
    if (when.target !== 'io') return null;
    const kinds = when.operations ?? (['read', 'write', 'flush', 'discard'] as const);
    const [first, ...others] = kinds.map((kind) => IO_ERRNOS[kind]);
    // Of several kinds, an errno must make sense for each; when none is named, for one at least.
    if (when.operations === null) return [...new Set(Object.values(IO_ERRNOS).flat())].sort();
    return first!.filter((errno) => others.every((list) => list.includes(errno)));
  }
}

/** What a rule can do, by what it is about. */
const EFFECTS: Readonly<Record<FaultMatch['target'], readonly string[]>> = {
  io: ['delay', 'fail', 'reorder'],
  lock: ['delay'],
  point: ['delay'],
  site: ['fail'],
};

function suggestErrno(errno: string, possible: readonly string[]): string {
  const hint = suggest(errno, possible);
  return hint?.startsWith('did you mean') === true && possible.length > 4
    ? `${hint} possible: ${possible.join(', ')}`
    : `possible: ${possible.join(', ')}`;
}

interface NameUse {
  readonly task: string;
  readonly node: Located;
  readonly path: readonly (string | number)[];
}

/** A task of the file, or one of the engine's own, named by its first word. */
export function checkTask(checker: Checker, known: KnownNames, use: NameUse): boolean {
  const { task, node, path } = use;
  const [firstWord = ''] = task.split(' ');
  if (known.vocabulary.engineTasks?.includes(firstWord) === true) return true;
  return checkName(checker, task, {
    kind: 'task',
    known: [...known.tasks, ...(known.vocabulary.engineTasks ?? [])],
    node,
    path,
  });
}

/** A mark is passed by the tasks that make it and by no other. */
export function checkMark(checker: Checker, known: KnownNames, use: NameUse & { readonly point: string }): void {
  const makers = known.marks.get(use.point);
  if (makers === undefined || makers.includes(use.task) || known.vocabulary.points.includes(use.point)) return;
  checker.reportAt(
    use.node,
    use.path,
    'schedule',
    `${use.task} never passes the mark "${use.point}"`,
    `${makers.join(' and ')} does`,
  );
}
