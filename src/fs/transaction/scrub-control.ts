import type { World } from '../../task/world.ts';
import type { FsInfo } from './fs-info.ts';
import type { Task } from '../../task/task.ts';

/** Running scrubs, and who wants them to pause or to stop. */
export class ScrubControl {
  readonly world: World;
  constructor(world: World) {
    this.world = world;
  }
}

/** Waits until every running scrub stands still; they go on with `continueScrubs`. */
export declare function pauseScrubs(fs: FsInfo): Task<void>;
export declare function continueScrubs(fs: FsInfo): void;
