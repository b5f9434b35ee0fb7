import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import type { FixSet } from '../fixes.ts';
import type { BlockGroup } from './block-group.ts';

/** Beside the totals, which are number 0. */
const UNUSED_GROUPS = resource('space', 1);

/** Who holds block groups, and the list of those that the cleaner is to delete. All of it is plain. */
export class BlockGroupLists {
  private readonly world: World;
  private readonly fixes: FixSet;
  private readonly unused: BlockGroup[] = [];
  /** All that were not freed, removed ones too; one that was freed twice comes back. */
  private readonly live = new Set<BlockGroup>();

  constructor(world: World, fixes: FixSet) {
    this.world = world;
    this.fixes = fixes;
  }

  register(group: BlockGroup): void {
    this.live.add(group);
  }

  get(group: BlockGroup): void {
    this.world.touch(group.resource, 'update');
    group.references++;
  }

  /** Gives a reference back; nobody checks that there was one, as little as in the kernel. */
  put(group: BlockGroup): void {
    this.world.touch(group.resource, 'update');
    group.references--;
    if (group.references === 0) this.live.delete(group);
    else if (group.references < 0) this.live.add(group);
  }

  /** The group has just lost its last extent: the cleaner may delete it. One that is on a list already stays there. */
  markUnused(group: BlockGroup): void {
    this.world.touch(UNUSED_GROUPS, 'write');
    this.world.touch(group.resource, 'write');
    if (group.list === null) {
      this.get(group);
      group.list = 'unused';
      this.unused.push(group);
    } else if (group.list === 'new' && !this.fixes.isOn('mark-new-block-group')) {
      // Taken for a group on some list of the cleaner's, which would hold a reference already.
      group.list = 'unused';
      this.unused.push(group);
    }
  }

  get hasUnused(): boolean {
    this.world.touch(UNUSED_GROUPS, 'read');
    return this.unused.length > 0;
  }

  /** Takes the first group off the list of unused ones; the list's reference is the caller's now. */
  takeUnused(): BlockGroup | null {
    this.world.touch(UNUSED_GROUPS, 'write');
    const group = this.unused.shift() ?? null;
    if (group !== null) group.list = null;
    return group;
  }

  /** Takes the group off the list it is on, whichever that is. The list's reference, if it has one, stays. */
  takeOff(group: BlockGroup): void {
    this.world.touch(UNUSED_GROUPS, 'write');
    const index = this.unused.indexOf(group);
    if (index >= 0) this.unused.splice(index, 1);
    group.list = null;
  }

  /** By address: for those who judge. */
  allLive(): BlockGroup[] {
    return [...this.live].sort((a, b) => a.start - b.start);
  }
}
