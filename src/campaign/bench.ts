import { SECTOR_SIZE } from '../base/units.ts';
import { FsError } from '../fs/errors.ts';
import { type MountedFilesystem, type MountOptions, mountFilesystem, unmountFilesystem } from '../fs/filesystem.ts';
import type { FixSet } from '../fs/fixes.ts';
import { LOCK_ORDER } from '../fs/lock-order.ts';
import { SimulatedWorld } from '../inject/simulated-world.ts';
import type { Strategy } from '../inject/strategy.ts';
import type { Law, LawContext, LawSession, Violation, WatchedIo } from '../oracle/law.ts';
import { LAWS } from '../oracle/laws.ts';
import type { BlockTable } from '../record/block-table.ts';
import type { DiskImage } from '../record/image.ts';
import type { OperationRecord, RunRecord, Step } from '../record/run-record.ts';
import type { Observation } from '../task/observation.ts';
import { resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { TaskHandle } from '../task/world.ts';
import type { Workload } from '../workload/model.ts';
import { rulesOf } from './fault-rules.ts';
import {
  closeLeftHandles,
  type ExecutionState,
  listOperations,
  type OperationList,
  runOperations,
} from './operations.ts';
import { mountOptionsOf, prepareDisks, SetupFailed } from './prepare.ts';

export { SetupFailed } from './prepare.ts';

export interface ExecutionOptions {
  /** Where the strategy is asked: before every effect, or only at these points. */
  readonly decideAt: 'everything' | ReadonlySet<string>;
  readonly keepEvents: boolean;
  /** Of the draws of fault rules, where the strategy has no stream of its own. */
  readonly seed: string;
}

export interface Execution {
  readonly record: RunRecord;
  readonly violations: readonly Violation[];
  /** What followed was explored already: there is nothing to judge. */
  readonly isPruned: boolean;
}

const NO_TAPE: readonly number[] = [];

/**
 * Executes one workload under one setting of the switches, as often as asked, each time from the same disks: mount,
 * all tasks at once, unmount, judgement. Depends on its arguments only.
 */
export class Bench {
  /** The disks from which every execution starts. */
  readonly base: readonly BlockTable[];
  private readonly workload: Workload;
  private readonly options: MountOptions;
  private readonly laws: readonly Law[];
  private readonly lists: readonly OperationList[];
  private readonly before: readonly DiskImage[];
  private world: SimulatedWorld | null = null;
  private worldFor: { readonly strategy: Strategy; readonly options: ExecutionOptions } | null = null;
  private run: Run | null = null;
  private isUnderWay = false;
  private readonly main = (): Task<void> => this.run!.main();
  private readonly sessions: LawSession[] = [];
  private readonly observers: LawSession[] = [];
  private readonly ioWatchers: LawSession[] = [];
  private readonly context: LawContext = {
    sectorSize: SECTOR_SIZE,
    disks: () => (this.isUnderWay ? this.world!.devices.map((device) => device.visible()) : this.before),
  };

  /** Throws `SetupFailed` when the workload cannot be set up. */
  constructor(
    workload: Workload,
    fixes: FixSet,
    laws: readonly Law[] = LAWS,
    mutations: ReadonlySet<string> = new Set(),
  ) {
    this.workload = workload;
    this.options = mountOptionsOf(workload.filesystem, fixes, mutations);
    this.laws = laws;
    this.lists = workload.tasks.map((task) => listOperations(task.name, task.repeat, task.operations));
    this.base = prepareDisks(workload, fixes);
    this.before = this.base.map((disk) => disk.snapshot());
  }

  /** What the world had chosen when the last execution ended, also by an error. */
  get lastTape(): readonly number[] {
    return this.world?.report().tape ?? NO_TAPE;
  }

  /**
   * One execution as the strategy decides; null when the strategy has nothing left. Throws faults of the bench:
   * assertions, and whatever else the file system did not say by an errno.
   */
  execute(strategy: Strategy, options: ExecutionOptions): Execution | null {
    const world = this.worldOf(strategy, options);
    const run = new Run(world, this.lists, this.options);
    this.run = run;
    this.isUnderWay = false;
    this.beginJudging();
    this.isUnderWay = true;
    if (!world.execute(this.main)) return null;
    const report = world.report();

    const record: RunRecord = {
      operations: run.operations,
      events: report.events,
      locks: report.locks,
      rules: report.rules,
      before: this.before,
      after: world.devices.map((device) => device.durable()),
      unmounted: run.isUnmounted,
      ...(this.options.readOnly === true ? { mountedReadOnly: true } : {}),
      aborted: run.aborted,
      tape: report.tape,
      eventHash: report.eventHash,
      steps: report.steps,
      decisions: report.decisions,
      switches: report.switches,
    };
    return { record, violations: report.pruned ? [] : this.judge(record), isPruned: report.pruned };
  }

  private worldOf(strategy: Strategy, options: ExecutionOptions): SimulatedWorld {
    const known = this.worldFor;
    if (this.world !== null && known !== null && known.strategy === strategy && sameOptions(known.options, options)) {
      return this.world;
    }
    this.world = new SimulatedWorld({
      strategy,
      rules: rulesOf(
        this.workload.inject,
        this.workload.tasks.map((task) => task.name),
      ),
      devices: this.base,
      lockOrder: LOCK_ORDER,
      decideAt: options.decideAt,
      keepEvents: options.keepEvents,
      seed: options.seed,
      observer: (observation, step) => this.observe(observation, step),
      ioWatcher: (device, request, step) => this.watchIo({ device, request }, step),
    });
    this.worldFor = { strategy, options };
    return this.world;
  }

  private beginJudging(): void {
    this.sessions.length = 0;
    this.observers.length = 0;
    this.ioWatchers.length = 0;
    for (const law of this.laws) {
      const session = law.begin(this.context);
      this.sessions.push(session);
      if (session.observe !== undefined) this.observers.push(session);
      if (session.io !== undefined) this.ioWatchers.push(session);
    }
  }

  private observe(observation: Observation, step: Step): void {
    for (const session of this.observers) session.observe!(observation, step);
  }

  private watchIo(io: WatchedIo, step: Step): void {
    for (const session of this.ioWatchers) session.io!(io, step);
  }

  private judge(record: RunRecord): Violation[] {
    const violations: Violation[] = [];
    for (const session of this.sessions) {
      for (const violation of session.judge(record)) violations.push(violation);
    }
    return violations;
  }
}

function sameOptions(a: ExecutionOptions, b: ExecutionOptions): boolean {
  return a.keepEvents === b.keepEvents && a.seed === b.seed && a.decideAt === b.decideAt;
}

/** One execution under way. */
class Run implements ExecutionState {
  readonly operations: OperationRecord[] = [];
  readonly handles: number[] = [];
  isUnmounted = false;
  private readonly world: SimulatedWorld;
  private readonly lists: readonly OperationList[];
  private readonly options: MountOptions;
  private mounted: MountedFilesystem | null = null;

  constructor(world: SimulatedWorld, lists: readonly OperationList[], options: MountOptions) {
    this.world = world;
    this.lists = lists;
    this.options = options;
  }

  get fs(): MountedFilesystem {
    return this.mounted!;
  }

  get aborted(): RunRecord['aborted'] {
    return this.mounted?.info.aborted ?? null;
  }

  /** Which operations had ended when another started decides what may be read: so the two do not commute. */
  stepOfStart(task: string): Step {
    for (let index = 0; index < this.lists.length; index++) {
      if (this.lists[index]!.task !== task) this.world.touch(resource('operation-history', index), 'read');
    }
    return this.world.countMoment();
  }

  stepOfEnd(task: string): Step {
    for (let index = 0; index < this.lists.length; index++) {
      if (this.lists[index]!.task === task) this.world.touch(resource('operation-history', index), 'write');
    }
    return this.world.countMoment();
  }

  /** The main task: only what lies between the two marks is explored, and only there rules apply. */
  *main(): Task<void> {
    try {
      this.mounted = yield* mountFilesystem(this.world, this.options);
    } catch (error) {
      // Nothing was disturbed yet: the disks that setup left cannot be mounted in this way.
      if (error instanceof FsError) throw new SetupFailed(`mount: ${error.message}`);
      throw error;
    }
    const tasks: TaskHandle<void>[] = [];
    this.world.beginExploration();
    for (const list of this.lists) tasks.push(this.world.spawn(list.task, runOperations(this, list)));
    for (const task of tasks) yield* task.join();
    this.world.endExploration();
    yield* closeLeftHandles(this);
    try {
      yield* unmountFilesystem(this.mounted);
      this.isUnmounted = true;
    } catch (error) {
      // What the engine could not write out any more: the record says that it was not unmounted cleanly.
      if (!(error instanceof FsError)) throw error;
    }
  }
}
