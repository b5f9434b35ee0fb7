import type { Task } from '../task/task.ts';
import type { World } from '../task/world.ts';
import { FsError } from './errors.ts';
import type { FixSet } from './fixes.ts';

export interface MountOptions {
  readonly fixes: FixSet;
  /** Ids of `MUTATIONS`. */
  readonly mutations?: ReadonlySet<string>;
}

/** A mounted file system with its open files. */
export class MountedFilesystem {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }
}

/** Mounts the file system on the world's devices. Throws FsError: EINVAL (no btrfs, damaged superblock), EIO … */
export function* mountFilesystem(_world: World, _options: MountOptions): Task<MountedFilesystem> {
  throw new FsError('EOPNOTSUPP', 'not there yet');
}

/** Writes everything out, commits and lets go of the devices. Open handles: EBUSY. */
export function* unmountFilesystem(_fs: MountedFilesystem): Task<void> {
  throw new FsError('EOPNOTSUPP', 'not there yet');
}
