import type { FaultCollector } from './fault-report.ts';
import { showName } from './fault-report.ts';

const HAS_ITEM = 1;
const HAS_INDEX = 2;
const HAS_REFERENCE = 4;
const COMPLETE = HAS_ITEM | HAS_INDEX | HAS_REFERENCE;

/** One name in one directory, as the three items that must agree on it describe it. */
class NameLink {
  readonly directory: number;
  readonly name: string;
  has = 0;
  itemChild = 0;
  itemType = 0;
  /** The entry leads to a subvolume: no inode reference exists for it in this tree. */
  isSubvolume = false;
  isIndexOfSubvolume = false;
  indexChild = 0;
  indexType = 0;
  index = 0;
  referenceChild = 0;
  referenceIndex = 0;
  inodeType = 0;

  constructor(directory: number, name: string) {
    this.directory = directory;
    this.name = name;
  }
}

/** An entry that leads to another subvolume. */
export interface SubvolumeEntry {
  readonly tree: number;
  readonly directory: number;
  readonly index: number;
  readonly name: string;
  readonly child: number;
}

/** Matches DIR_ITEM, DIR_INDEX and INODE_REF of each name; forgets a name as soon as all three agree. */
export class NameLinks {
  readonly subvolumes: SubvolumeEntry[] = [];
  readonly #links = new Map<string, NameLink>();
  readonly #tree: number;
  readonly #faults: FaultCollector;

  constructor(tree: number, faults: FaultCollector) {
    this.#tree = tree;
    this.#faults = faults;
  }

  addItem(directory: number, name: string, child: number, type: number, isSubvolume: boolean): void {
    const link = this.#link(directory, name, HAS_ITEM);
    link.itemChild = child;
    link.itemType = type;
    link.isSubvolume = isSubvolume;
    this.#settle(link);
  }

  addIndex(directory: number, name: string, index: number, child: number, type: number, isSubvolume: boolean): void {
    const link = this.#link(directory, name, HAS_INDEX);
    link.isIndexOfSubvolume = isSubvolume;
    link.indexChild = child;
    link.indexType = type;
    link.index = index;
    this.#settle(link);
  }

  addReference(directory: number, name: string, index: number, child: number, inodeType: number): void {
    const link = this.#link(directory, name, HAS_REFERENCE);
    link.referenceChild = child;
    link.referenceIndex = index;
    link.inodeType = inodeType;
    this.#settle(link);
  }

  /** Complains about every name that lacks one of its items. */
  finish(): void {
    for (const link of this.#links.values()) {
      if (link.isSubvolume && link.has === (HAS_ITEM | HAS_INDEX)) {
        this.#compare(link);
        const { directory, name, index, itemChild } = link;
        this.subvolumes.push({ tree: this.#tree, directory, index, name, child: itemChild });
        continue;
      }
      if ((link.has & HAS_ITEM) === 0) this.#complain(link, 'dir-item-missing', 'no DIR_ITEM');
      if ((link.has & HAS_INDEX) === 0) this.#complain(link, 'dir-index-missing', 'no DIR_INDEX');
      if ((link.has & HAS_REFERENCE) === 0 && !link.isSubvolume) {
        const child = link.has & HAS_ITEM ? link.itemChild : link.indexChild;
        this.#complain(link, 'inode-ref-missing', `inode ${child} has no INODE_REF for it`);
      }
      this.#compare(link);
    }
    this.#links.clear();
  }

  #link(directory: number, name: string, part: number): NameLink {
    const key = `${directory}/${name}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new NameLink(directory, name);
      this.#links.set(key, link);
    }
    if (link.has & part) {
      const what = part === HAS_REFERENCE ? 'two inodes claim it' : 'the directory has it twice';
      this.#complain(link, 'name-twice', what);
    }
    link.has |= part;
    return link;
  }

  #settle(link: NameLink): void {
    if (link.has !== COMPLETE) return;
    this.#compare(link);
    this.#links.delete(`${link.directory}/${link.name}`);
  }

  #compare(link: NameLink): void {
    const { has } = link;
    const both = (parts: number) => (has & parts) === parts;
    if (both(HAS_ITEM | HAS_INDEX)) {
      if (link.itemChild !== link.indexChild) {
        const what = 'DIR_ITEM and DIR_INDEX lead to different inodes';
        this.#complain(link, 'dir-item-location', what, link.itemChild, link.indexChild);
      }
      if (link.isSubvolume !== link.isIndexOfSubvolume) {
        const what = 'only one of DIR_ITEM and DIR_INDEX leads to a subvolume';
        this.#complain(link, 'dir-item-location', what);
      }
      if (link.itemType !== link.indexType) {
        const what = 'DIR_ITEM and DIR_INDEX differ in type';
        this.#complain(link, 'dir-item-type', what, link.itemType, link.indexType);
      }
    }
    if (both(HAS_ITEM | HAS_REFERENCE)) {
      if (link.itemChild !== link.referenceChild) {
        const what = 'DIR_ITEM leads to an inode that does not claim the name';
        this.#complain(link, 'dir-item-location', what, link.itemChild, link.referenceChild);
      }
      if (link.itemType !== link.inodeType) {
        const what = 'type in DIR_ITEM is not that of the inode';
        this.#complain(link, 'dir-item-type', what, link.itemType, link.inodeType);
      }
    }
    if (both(HAS_INDEX | HAS_REFERENCE)) {
      if (link.index !== link.referenceIndex) {
        const what = 'INODE_REF has another index than DIR_INDEX';
        this.#complain(link, 'inode-ref-index', what, link.referenceIndex, link.index);
      }
      if (link.indexChild !== link.referenceChild) {
        const what = 'DIR_INDEX leads to an inode that does not claim the name';
        this.#complain(link, 'dir-item-location', what, link.indexChild, link.referenceChild);
      }
      if (link.indexType !== link.inodeType) {
        const what = 'type in DIR_INDEX is not that of the inode';
        this.#complain(link, 'dir-item-type', what, link.indexType, link.inodeType);
      }
    }
  }

  #complain(link: NameLink, fault: string, what: string, have?: unknown, expect?: unknown): void {
    const place = { tree: this.#tree, directory: link.directory, name: showName(link.name) };
    this.#faults.error('name', place, fault, what, have, expect);
  }
}
