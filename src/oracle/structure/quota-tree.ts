import { readU64 } from '../../base/bytes.ts';
import type { ExtentLedger } from './extent-ledger.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { QGROUP_LEVEL_SHIFT, showKey, TREE, TYPE } from './layout.ts';
import type { QuotaUse } from './quota-use.ts';
import { hex, type Superblock } from './superblock.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

const STATUS_SIZE = 32;
/** With the generation in which quotas were enabled, as simple quotas keep it. */
const STATUS_SIZE_SIMPLE = 40;
const RECORD_SIZE = 40;
const STATUS_VERSION = 1;
const STATUS = { ON: 1, RESCAN: 2, INCONSISTENT: 4 } as const;
/** Simple quotas, flag 8, go with a feature that is not judged. */
const STATUS_KNOWN = 0x7;
const LIMITS_KNOWN = 0x3f;

interface QuotaStatus {
  readonly flags: number;
  readonly generation: number;
  readonly place: FaultPlace;
}

interface QuotaCounts {
  readonly referenced: number;
  readonly exclusive: number;
  readonly place: FaultPlace;
}

/** Quota groups: which there are, how they hang together, and what they count. */
export class QuotaTreeVisitor implements ItemVisitor {
  readonly #sup: Superblock;
  readonly #faults: FaultCollector;
  #status: QuotaStatus | null = null;
  readonly #counts = new Map<number, QuotaCounts>();
  readonly #limits = new Map<number, FaultPlace>();
  /** Each relation is kept twice, under either of its ends. */
  readonly #relations = new Map<string, { readonly from: number; readonly to: number; readonly place: FaultPlace }>();

  constructor(sup: Superblock, faults: FaultCollector) {
    this.#sup = sup;
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    const place = { tree: TREE.QUOTA, block: block.logical, slot };
    switch (type) {
      case TYPE.QGROUP_STATUS:
        if (objectid !== 0 || offset !== 0) this.#unexpected(block, slot, objectid, type, offset);
        else this.#readStatus(block, slot, at, size, place);
        break;
      case TYPE.QGROUP_INFO:
        if (objectid !== 0) this.#unexpected(block, slot, objectid, type, offset);
        else this.#readCounts(block, slot, offset, at, size, place);
        break;
      case TYPE.QGROUP_LIMIT:
        if (objectid !== 0) this.#unexpected(block, slot, objectid, type, offset);
        else this.#readLimit(block, slot, offset, at, size, place);
        break;
      case TYPE.QGROUP_RELATION:
        if (size !== 0) this.#faults.item(block, slot, 'item-size', 'a relation of quota groups has no data', size, 0);
        this.#relations.set(`${objectid} ${offset}`, { from: objectid, to: offset, place });
        break;
      default:
        this.#unexpected(block, slot, objectid, type, offset);
    }
  }

  #unexpected(block: TreeBlock, slot: number, objectid: number, type: number, offset: number): void {
    this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
  }

  #readStatus(block: TreeBlock, slot: number, at: number, size: number, place: FaultPlace): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== STATUS_SIZE && size !== STATUS_SIZE_SIMPLE) {
      faults.item(block, slot, 'item-size', 'size of the quota status is wrong', size, STATUS_SIZE);
      return;
    }
    const version = readU64(view, at);
    if (version !== STATUS_VERSION) {
      faults.item(block, slot, 'qgroup-status', 'version of the quota status is unknown', version, STATUS_VERSION);
    }
    const flags = readU64(view, at + 16);
    if (flags < 0 || flags > STATUS_KNOWN) {
      faults.item(block, slot, 'qgroup-status', 'flags of the quota status are unknown', hex(flags));
    } else if ((flags & STATUS.ON) === 0) {
      // Linux removes the tree when quotas are turned off.
      faults.item(
        block,
        slot,
        'qgroup-status',
        'a quota tree that is not in use',
        hex(flags),
        `with ${hex(STATUS.ON)}`,
      );
    }
    this.#status = { flags: view.getUint32(at + 16, true), generation: readU64(view, at + 8), place };
  }

  #readCounts(block: TreeBlock, slot: number, id: number, at: number, size: number, place: FaultPlace): void {
    const { view } = block;
    const faults = this.#faults;
    if (size !== RECORD_SIZE) {
      faults.item(block, slot, 'item-size', 'size of the counts of a quota group is wrong', size, RECORD_SIZE);
      return;
    }
    const generation = readU64(view, at);
    if (generation < 0 || generation > block.written) {
      const what = 'the counts of a quota group are from the future';
      faults.item(block, slot, 'qgroup-generation', what, generation, `≤ ${block.written}`);
    }
    const [referenced, compressed] = [readU64(view, at + 8), readU64(view, at + 16)];
    const [exclusive, exclusiveCompressed] = [readU64(view, at + 24), readU64(view, at + 32)];
    if (referenced !== compressed || exclusive !== exclusiveCompressed) {
      // Linux has one number for both.
      const what = 'the compressed counts of a quota group differ from its counts';
      faults.warnItem(
        block,
        slot,
        'qgroup-count',
        what,
        `${compressed} ${exclusiveCompressed}`,
        `${referenced} ${exclusive}`,
      );
    }
    this.#counts.set(id, { referenced, exclusive, place });
  }

  #readLimit(block: TreeBlock, slot: number, id: number, at: number, size: number, place: FaultPlace): void {
    const faults = this.#faults;
    if (size !== RECORD_SIZE) {
      faults.item(block, slot, 'item-size', 'size of the limits of a quota group is wrong', size, RECORD_SIZE);
      return;
    }
    const flags = readU64(block.view, at);
    if (flags < 0 || flags > LIMITS_KNOWN) {
      faults.item(block, slot, 'qgroup-limit-flags', 'flags of the limits of a quota group are unknown', hex(flags));
    }
    this.#limits.set(id, place);
  }

  /** To be called when the whole tree was read. `use`: what subvolumes refer to; null where it is not known in full. */
  check(use: QuotaUse | null, ledger: ExtentLedger): void {
    const faults = this.#faults;
    const status = this.#status;
    if (status === null) {
      faults.error('tree', { tree: TREE.QUOTA }, 'qgroup-status-missing', 'a quota tree without its status');
    } else if (
      (status.flags & (STATUS.ON | STATUS.INCONSISTENT)) === STATUS.ON &&
      status.generation !== this.#sup.generation
    ) {
      // Linux then counts anew.
      const what = 'the quota status is of another generation than the file system';
      faults.error('leaf', status.place, 'qgroup-generation', what, status.generation, this.#sup.generation);
    }
    for (const [id, { place }] of this.#counts) {
      if (this.#limits.has(id)) continue;
      faults.error('leaf', place, 'qgroup-limit-missing', 'a quota group has counts and no limits', showGroup(id));
    }
    for (const [id, place] of this.#limits) {
      if (this.#counts.has(id)) continue;
      faults.error('leaf', place, 'qgroup-info-missing', 'a quota group has limits and no counts', showGroup(id));
    }
    this.#checkRelations();
    if (status === null || status.flags !== STATUS.ON || use === null) return;
    this.#compareCounts(use, ledger);
  }

  #checkRelations(): void {
    const wrong = (place: FaultPlace, what: string, have: string) =>
      this.#faults.error('leaf', place, 'qgroup-relation', what, have);
    for (const { from, to, place } of this.#relations.values()) {
      const have = `${showGroup(from)} ${showGroup(to)}`;
      const isUnknown = [from, to].some((id) => !this.#counts.has(id));
      if (isUnknown) wrong(place, 'a relation with a quota group that does not exist', have);
      if (!this.#relations.has(`${to} ${from}`)) wrong(place, 'a relation of quota groups is kept only once', have);
      if (levelOf(from) === levelOf(to)) wrong(place, 'a relation of two quota groups of one level', have);
    }
  }

  #compareCounts(use: QuotaUse, ledger: ExtentLedger): void {
    const sums = use.sums((id) => this.#groupsAbove(id), ledger);
    for (const [id, { referenced, exclusive, place }] of this.#counts) {
      // That of a deleted subvolume may stay.
      if (levelOf(id) === 0 && !use.subvolumes.has(id)) continue;
      const sum = sums.get(id) ?? { referenced: 0, exclusive: 0 };
      if (sum.referenced === referenced && sum.exclusive === exclusive) continue;
      const what = `quota group ${showGroup(id)} counts other bytes as referenced and exclusive than there are`;
      const expect = `${sum.referenced} ${sum.exclusive}`;
      this.#faults.error('leaf', place, 'qgroup-count', what, `${referenced} ${exclusive}`, expect);
    }
  }

  /** The group itself and all that it belongs to. */
  #groupsAbove(id: number): readonly number[] {
    const found = [id];
    for (const member of found) {
      for (const { from, to } of this.#relations.values()) {
        if (from === member && levelOf(to) > levelOf(from) && !found.includes(to)) found.push(to);
      }
    }
    return found;
  }
}

function levelOf(id: number): number {
  return Math.floor(id / 2 ** QGROUP_LEVEL_SHIFT);
}

/** `1/5` */
function showGroup(id: number): string {
  return `${levelOf(id)}/${id - levelOf(id) * 2 ** QGROUP_LEVEL_SHIFT}`;
}
