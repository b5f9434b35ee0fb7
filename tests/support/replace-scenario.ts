import { MIB } from '../../src/base/units.ts';
import { FsError } from '../../src/fs/errors.ts';
import {
  type MountedFilesystem,
  type MountOptions,
  mountFilesystem,
  unmountFilesystem,
} from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import type { ReplaceOptions } from '../../src/fs/ioctls.ts';
import { LOCK_ORDER } from '../../src/fs/lock-order.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, read, stat, sync, write } from '../../src/fs/syscalls.ts';
import type { FaultRule } from '../../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { Observation } from '../../src/task/observation.ts';
import type { Task } from '../../src/task/task.ts';

export const REPLACE: ReplaceOptions = { devid: 1, target: 1, background: false, avoidSource: false };

/** Disks after mkfs: members first, then spares, which stay blank. */
export function membersAndSpares(
  make: MakeFilesystemOptions,
  spares: readonly number[] = [make.devices[0]!],
): BlockTable[] {
  const disks = [...make.devices, ...spares].map((size) => new BlockTable(size));
  for (const { device, offset, bytes } of makeFilesystem(make)) disks[device]!.write(offset, bytes);
  return disks;
}

export interface Outcome<T> {
  readonly value: T;
  /** What reads of the disks see at the end. */
  readonly disks: BlockTable[];
  readonly observations: Observation[];
  readonly world: SimulatedWorld;
}

export interface RunOptions {
  readonly mount?: Partial<MountOptions>;
  readonly rules?: readonly FaultRule[];
  /** Left mounted: as a power cut at the end, all that was written being durable. */
  readonly staysMounted?: boolean;
  /** Called after each write that took effect. */
  readonly afterWrite?: (world: SimulatedWorld) => void;
  /** Called with the index of the device for each read of a scrub or of the copy of a replace. */
  readonly onScrubRead?: (device: number) => void;
}

/** One undisturbed task in a world with these disks: mounts, works, unmounts. Throws what the work throws. */
export function runOn<T>(
  disks: readonly BlockTable[],
  work: (fs: MountedFilesystem, world: SimulatedWorld) => Task<T>,
  options: RunOptions = {},
): Outcome<T> {
  const observations: Observation[] = [];
  const world = new SimulatedWorld({
    devices: disks,
    lockOrder: LOCK_ORDER,
    ioWatcher: (device, { operation }) => (operation === 'read' ? options.onScrubRead?.(device) : undefined),
    observer: (observation) => observations.push(observation),
    ...(options.rules === undefined ? {} : { rules: options.rules }),
  });
  if (options.afterWrite !== undefined) watchWrites(world, options.afterWrite);
  let result: { value: T } | { error: unknown } | null = null;
  function* main(): Task<void> {
    try {
      const fs = yield* mountFilesystem(world, { fixes: allFixes(), ...options.mount });
      world.beginExploration();
      const value = yield* work(fs, world);
      if (options.staysMounted !== true) yield* unmountFilesystem(fs);
      result = { value };
    } catch (error) {
      result = { error };
    }
  }
  world.execute(main);
  const ended = result as { value: T } | { error: unknown } | null;
  if (ended === null) throw new Error(`the run did not end: ${JSON.stringify(world.report().locks)}`);
  if ('error' in ended) throw ended.error;
  const { locks } = world.report();
  if (locks.length > 0 && options.staysMounted !== true) throw new Error(JSON.stringify(locks));
  return { value: ended.value, disks: world.devices.map((device) => device.visible()), observations, world };
}

function watchWrites(world: SimulatedWorld, afterWrite: (world: SimulatedWorld) => void): void {
  for (const device of world.devices) {
    const complete = device.complete.bind(device);
    device.complete = (io) => {
      complete(io);
      if (io.request.operation === 'write') afterWrite(world);
    };
  }
}

/** The errno and the words that the task fails with, or `ok`. */
export function* outcomeOf(task: Task<unknown>): Task<string> {
  try {
    yield* task;
    return 'ok';
  } catch (error) {
    if (error instanceof FsError) return error.message;
    throw error;
  }
}

const FILE_COUNT = 6;

/** Files of different lengths, with known content, on disk. */
export function* fillWithFiles(fs: MountedFilesystem): Task<void> {
  for (let index = 0; index < FILE_COUNT; index++) {
    const path = `/file-${index}`;
    yield* create(fs, path);
    yield* write(fs, path, 0, contentOf(index), { direct: index % 2 === 0 });
  }
  yield* sync(fs);
}

export function contentOf(index: number): Uint8Array {
  const bytes = new Uint8Array((1 + index * 7) * 4096 * (index === 5 ? 8 : 1));
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 12) * 7 + index * 101) & 0xff;
  return bytes;
}

/** Names of files whose content is not what was written. */
export function* wrongFiles(fs: MountedFilesystem): Task<string[]> {
  const wrong: string[] = [];
  for (let index = 0; index < FILE_COUNT; index++) {
    const path = `/file-${index}`;
    const expected = contentOf(index);
    const { size } = yield* stat(fs, path);
    const bytes = size === expected.length ? yield* read(fs, path, 0, size) : new Uint8Array(0);
    if (Buffer.compare(bytes, expected) !== 0) wrong.push(path);
  }
  return wrong;
}

export const SIZE = 64 * MIB;
