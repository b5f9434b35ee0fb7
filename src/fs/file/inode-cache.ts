import { assert } from '../../base/assert.ts';
import type { InodeNumber } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Inode } from './inode.ts';

/** Shared by all inodes: below the numbers that files have. */
const NUMBERS = resource('inode', 0);
const DOOMED = resource('inode', 1);

/** The inodes in memory, by number. */
export class InodeCache {
  private readonly inodes = new Map<InodeNumber, Inode>();
  private readonly world: World;
  /** Without links and without holders: their items are to be removed. */
  private readonly doomed: Inode[] = [];
  private nextFree: InodeNumber = 0;

  constructor(world: World) {
    this.world = world;
  }

  /**
   * Holds the inode for the caller, if it is in memory. Throws ENOENT for one that is being deleted: its name was found
   * just before that went.
   */
  find(number: InodeNumber): Inode | null {
    this.world.touch(resource('inode', number), 'update');
    const inode = this.inodes.get(number);
    if (inode === undefined) return null;
    if (inode.isDoomed) throw new FsError('ENOENT', `inode ${number} is being deleted`);
    inode.references++;
    return inode;
  }

  isHeld(inode: Inode): boolean {
    this.world.touch(resource('inode', inode.number), 'read');
    return inode.references > 0;
  }

  /** One hold more on an inode that is held. */
  hold(inode: Inode): Inode {
    this.world.touch(resource('inode', inode.number), 'update');
    inode.references++;
    return inode;
  }

  /** Holds the new inode for the caller. */
  add(inode: Inode): void {
    this.world.touch(resource('inode', inode.number), 'write');
    this.inodes.set(inode.number, inode);
    inode.references++;
  }

  /** Ends a hold. The last one on an inode without links dooms it. */
  put(inode: Inode): void {
    this.world.touch(resource('inode', inode.number), 'update');
    inode.references--;
    if (!inode.isOrphan) return;
    this.world.touch(resource('inode', inode.number), 'write');
    if (inode.references > 0) return;
    inode.isDoomed = true;
    this.world.touch(DOOMED, 'write');
    this.doomed.push(inode);
  }

  takeDoomed(): Inode | null {
    this.world.touch(DOOMED, this.doomed.length > 0 ? 'write' : 'read');
    return this.doomed.pop() ?? null;
  }

  /** The number for a new inode. */
  takeNumber(): InodeNumber {
    this.world.touch(NUMBERS, 'write');
    assert(this.nextFree > 0, 'a file system that can be changed knows its free inode numbers', {});
    return this.nextFree++;
  }

  /** False after a read-only mount, which does not look for free ones. */
  get knowsFreeNumbers(): boolean {
    this.world.touch(NUMBERS, 'read');
    return this.nextFree > 0;
  }

  /** Numbers from here on are free. */
  setFirstFreeNumber(number: InodeNumber): void {
    this.world.touch(NUMBERS, 'write');
    this.nextFree = number;
  }

  remove(inode: Inode): void {
    this.world.touch(resource('inode', inode.number), 'write');
    this.inodes.delete(inode.number);
  }

  /** All in memory, by number, those that are being deleted too; not held. */
  all(): Inode[] {
    const inodes = [...this.inodes.values()].sort((a, b) => a.number - b.number);
    for (const inode of inodes) this.world.touch(resource('inode', inode.number), 'read');
    return inodes;
  }

  /** All that are not being deleted, by number, each held for the caller. */
  holdAll(): Inode[] {
    const inodes = [...this.inodes.values()].filter((inode) => !inode.isDoomed).sort((a, b) => a.number - b.number);
    for (const inode of inodes) {
      this.world.touch(resource('inode', inode.number), 'read');
      inode.references++;
    }
    return inodes;
  }
}
