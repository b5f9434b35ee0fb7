import { MIB } from '../../src/base/units.ts';
import { FsError } from '../../src/fs/errors.ts';
import {
  type MountedFilesystem,
  type MountOptions,
  mountFilesystem,
  unmountFilesystem,
} from '../../src/fs/filesystem.ts';
import { allFixes, type FixSet } from '../../src/fs/fixes.ts';
import { LOCK_ORDER } from '../../src/fs/lock-order.ts';
import { makeFilesystem } from '../../src/fs/mkfs.ts';
import type { FaultRule } from '../../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import type { Strategy } from '../../src/inject/strategy.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { Task } from '../../src/task/task.ts';

/** Work on a mounted file system: one of several tasks, or all there is. */
export type Work = (fs: MountedFilesystem) => Task<unknown>;

/** Disks after mkfs. */
export function blankDisks(size = 16 * MIB): BlockTable[] {
  const disk = new BlockTable(size);
  for (const { offset, bytes } of makeFilesystem({ devices: [size] })) disk.write(offset, bytes);
  return [disk];
}

/** Disks after the work of one undisturbed task and an unmount. */
export function disksAfter(work: Work, disks: readonly BlockTable[] = blankDisks()): BlockTable[] {
  const world = new SimulatedWorld({ devices: disks });
  world.execute(() => runAlone(world, work));
  return world.devices.map((device) => device.durable());
}

function* runAlone(world: SimulatedWorld, work: Work): Task<void> {
  const fs = yield* mountFilesystem(world, { fixes: allFixes() });
  yield* work(fs);
  yield* unmountFilesystem(fs);
}

export interface RaceOptions {
  readonly disks: readonly BlockTable[];
  readonly tasks: readonly Work[];
  readonly strategy: Strategy;
  readonly fixes?: FixSet;
  readonly mutations?: ReadonlySet<string>;
  readonly decideAt?: ReadonlySet<string>;
  readonly rules?: readonly FaultRule[];
  /** Of the mount, besides fixes and mutations. */
  readonly mount?: Omit<MountOptions, 'fixes' | 'mutations'>;
  /** Runs alone after the tasks, before the unmount. */
  readonly afterwards?: Work;
}

/** Tasks that race on a freshly mounted file system, execution after execution. */
export class Race {
  readonly world: SimulatedWorld;
  /** Of each task in the last execution: the value, or the errno as text. */
  outcomes: unknown[] = [];
  private readonly options: RaceOptions;

  constructor(options: RaceOptions) {
    this.options = options;
    this.world = new SimulatedWorld({
      devices: options.disks,
      strategy: options.strategy,
      lockOrder: LOCK_ORDER,
      ...(options.decideAt === undefined ? {} : { decideAt: options.decideAt }),
      ...(options.rules === undefined ? {} : { rules: options.rules }),
    });
  }

  /** False when the strategy has nothing left. */
  execute(): boolean {
    this.outcomes = [];
    return this.world.execute(() => this.run());
  }

  private *run(): Task<void> {
    const { world, options } = this;
    const { fixes = allFixes(), mutations = new Set<string>() } = options;
    const fs = yield* mountFilesystem(world, { ...options.mount, fixes, mutations });
    world.beginExploration();
    const handles = options.tasks.map((work, index) => world.spawn(`t${index + 1}`, this.runTask(fs, work, index)));
    for (const handle of handles) yield* handle.join();
    world.endExploration();
    if (options.afterwards !== undefined) yield* options.afterwards(fs);
    yield* unmountFilesystem(fs);
  }

  private *runTask(fs: MountedFilesystem, work: Work, index: number): Task<void> {
    try {
      this.outcomes[index] = yield* work(fs);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      this.outcomes[index] = error.code;
    }
  }
}
