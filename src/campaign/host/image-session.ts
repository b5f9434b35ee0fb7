import { FsError } from '../../fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../../fs/filesystem.ts';
import { allFixes } from '../../fs/fixes.ts';
import { SimulatedWorld } from '../../inject/simulated-world.ts';
import type { BlockTable } from '../../record/block-table.ts';
import type { Task } from '../../task/task.ts';

/** How an image is mounted for one piece of work. */
export interface SessionOptions {
  readonly readOnly: boolean;
  /** Although devices are missing. */
  readonly degraded: boolean;
}

/** The file system on an image cannot be used; the message says why. */
export class ImageUnusable extends Error {
  /** It is damaged, or full; else what was asked for is not in it, or of a kind that the engine does not mount. */
  readonly isFault: boolean;

  constructor(message: string, isFault: boolean) {
    super(message);
    this.name = 'ImageUnusable';
    this.isFault = isFault;
  }
}

/** Else the caller asked for what is not there, or cannot be. */
export function isFaultOfImage({ code }: FsError): boolean {
  return ['EIO', 'EUCLEAN', 'ENOSPC', 'EROFS'].includes(code);
}

/** Nobody disturbs this world, and its clock is that of the host, stopped at the start. */
class HostWorld extends SimulatedWorld {
  private readonly start = Date.now() * 1_000_000;

  override now(): number {
    return this.start + super.now();
  }
}

/**
 * Mounts the disks, does the work, unmounts, and returns the disks as they are then; those given stay as they were.
 * Throws `ImageUnusable` when they cannot be mounted, and what the work throws.
 */
export function workOnDisks(
  disks: readonly BlockTable[],
  options: SessionOptions,
  work: (fs: MountedFilesystem) => Task<void>,
): BlockTable[] {
  const world = new HostWorld({ devices: disks, stepLimit: Number.MAX_SAFE_INTEGER });
  const session = new Session(world, options, work);
  world.execute(() => session.main());
  if (!session.isDone) throw new Error(`the work on the image never ended: ${JSON.stringify(world.report().locks)}`);
  return world.devices.map((device) => device.durable());
}

class Session {
  isDone = false;
  private readonly world: SimulatedWorld;
  private readonly options: SessionOptions;
  private readonly work: (fs: MountedFilesystem) => Task<void>;

  constructor(world: SimulatedWorld, options: SessionOptions, work: (fs: MountedFilesystem) => Task<void>) {
    this.world = world;
    this.options = options;
    this.work = work;
  }

  *main(): Task<void> {
    const fs = yield* this.mount();
    yield* this.work(fs);
    yield* unmountFilesystem(fs);
    this.isDone = true;
  }

  private *mount(): Task<MountedFilesystem> {
    try {
      return yield* mountFilesystem(this.world, { fixes: allFixes(), ...this.options });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      throw new ImageUnusable(error.where, isFaultOfImage(error));
    }
  }
}
