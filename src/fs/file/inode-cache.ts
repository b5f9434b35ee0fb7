import { assert } from '../../base/assert.ts';
import type { InodeNumber, TreeId } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Tree } from '../tree/tree.ts';
import { type Inode, inodeId } from './inode.ts';
import type { PendingItems } from './pending-items.ts';

/** Shared by all inodes: below the numbers that files have. */
const NUMBERS = resource('inode', 0);
const DOOMED = resource('inode', 1);

/** With more than this in memory, those that nobody holds and that are on disk as they are may go, the idlest first. */
const INODES_MAX = 32_768;
/** At each inode that comes then, so many are looked at. */
const LOOKED_AT = 4;

/** The inodes in memory, by subvolume and number. */
export class InodeCache {
  private readonly subvolumes = new Map<TreeId, Map<InodeNumber, Inode>>();
  private readonly world: World;
  private readonly pending: PendingItems;
  /** Without links and without holders: their items are to be removed. */
  private readonly doomed: Inode[] = [];
  /** How far `makeRoom` has come, by subvolume. */
  private readonly hands = new Map<TreeId, Iterator<Inode, undefined>>();
  /** By subvolume. */
  private readonly nextFree = new Map<TreeId, InodeNumber>();

  constructor(world: World, pending: PendingItems) {
    this.world = world;
    this.pending = pending;
  }

  /**
   * Holds the inode for the caller, if it is in memory. Throws ENOENT for one that is being deleted: its name was found
   * just before that went.
   */
  find(tree: Tree, number: InodeNumber): Inode | null {
    const inode = this.inodesOf(tree).get(number);
    this.world.touch(inode?.id ?? resource('inode', inodeId(tree, number)), 'update');
    if (inode === undefined) return null;
    if (inode.isDoomed) throw new FsError('ENOENT', `inode ${number} is being deleted`);
    inode.references++;
    inode.wasUsed = true;
    return inode;
  }

  isHeld(inode: Inode): boolean {
    this.world.touch(inode.id, 'read');
    return inode.references > 0;
  }

  /** One hold more on an inode that is held. */
  hold(inode: Inode): Inode {
    this.world.touch(inode.id, 'update');
    inode.references++;
    return inode;
  }

  /** Holds the new inode for the caller. */
  add(inode: Inode): void {
    this.world.touch(inode.id, 'write');
    this.inodesOf(inode.tree).set(inode.number, inode);
    inode.references++;
    inode.joinPending(this.pending);
    if (this.inodesOf(inode.tree).size > INODES_MAX) this.makeRoom(inode.tree);
  }

  /** Ends a hold. The last one on an inode without links dooms it. */
  put(inode: Inode): void {
    this.world.touch(inode.id, 'update');
    inode.references--;
    if (!inode.isOrphan) return;
    this.world.touch(inode.id, 'write');
    if (inode.references > 0) return;
    inode.isDoomed = true;
    this.world.touch(DOOMED, 'write');
    this.doomed.push(inode);
  }

  takeDoomed(): Inode | null {
    this.world.touch(DOOMED, this.doomed.length > 0 ? 'write' : 'read');
    return this.doomed.pop() ?? null;
  }

  /** The number for a new inode of the subvolume. */
  takeNumber(tree: Tree): InodeNumber {
    this.world.touch(NUMBERS, 'write');
    const number = this.nextFree.get(tree.id);
    assert(number !== undefined, 'a subvolume that can be changed knows its free inode numbers', { tree: tree.id });
    this.nextFree.set(tree.id, number + 1);
    return number;
  }

  /** False until somebody has looked for the free ones of the subvolume. */
  knowsFreeNumbers(tree: Tree): boolean {
    this.world.touch(NUMBERS, 'read');
    return this.nextFree.has(tree.id);
  }

  /** Numbers of the subvolume from here on are free. */
  setFirstFreeNumber(tree: Tree, number: InodeNumber): void {
    this.world.touch(NUMBERS, 'write');
    this.nextFree.set(tree.id, number);
  }

  remove(inode: Inode): void {
    this.world.touch(inode.id, 'write');
    this.inodesOf(inode.tree).delete(inode.number);
    inode.leavePending();
  }

  /** The inode leaves memory, and its extent maps with it. */
  forget(inode: Inode): void {
    inode.changeMaps().clear();
    this.remove(inode);
    if (!this.world.observed) return;
    this.world.observe({ kind: 'inode-evicted', tree: inode.tree.id, inode: inode.number });
  }

  /** Goes round the inodes, and forgets those that nobody has used since it passed them last. */
  private makeRoom(tree: Tree): void {
    const inodes = this.inodesOf(tree);
    for (let looked = 0; looked < LOOKED_AT; looked++) {
      let step = this.hands.get(tree.id)?.next();
      if (step === undefined || step.done === true) {
        const hand = inodes.values();
        this.hands.set(tree.id, hand);
        step = hand.next();
      }
      if (step.done === true) return;
      const inode = step.value;
      if (!inode.wasUsed && inode.references === 0 && inode.isAtRest) this.forget(inode);
      else inode.wasUsed = false;
    }
  }

  /** All in memory, by subvolume and number, those that are being deleted too; not held. */
  all(): Inode[] {
    const inodes = this.sorted();
    for (const inode of inodes) this.world.touch(inode.id, 'read');
    return inodes;
  }

  /** All that are not being deleted, by subvolume and number, each held for the caller. */
  holdAll(): Inode[] {
    const inodes = this.sorted().filter((inode) => !inode.isDoomed);
    for (const inode of inodes) {
      this.world.touch(inode.id, 'read');
      inode.references++;
    }
    return inodes;
  }

  /** Those with something that is not on disk yet, those that are being deleted too; not held. */
  unwritten(): Inode[] {
    return this.pending.unwritten();
  }

  /** Those of `unwritten` that are not being deleted, each held for the caller. */
  holdUnwritten(): Inode[] {
    const inodes = this.unwritten().filter((inode) => !inode.isDoomed);
    for (const inode of inodes) this.hold(inode);
    return inodes;
  }

  private inodesOf(tree: Tree): Map<InodeNumber, Inode> {
    let inodes = this.subvolumes.get(tree.id);
    if (inodes === undefined) {
      inodes = new Map();
      this.subvolumes.set(tree.id, inodes);
    }
    return inodes;
  }

  private sorted(): Inode[] {
    const inodes = [...this.subvolumes.values()].flatMap((each) => [...each.values()]);
    return inodes.sort((a, b) => a.tree.id - b.tree.id || a.number - b.number);
  }
}
