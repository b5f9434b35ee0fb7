import { readU64 } from '../../base/bytes.ts';
import type { ExtentLedger } from './extent-ledger.ts';
import { FILE_EXTENT_INLINE, FILE_EXTENT_SIZE, TYPE } from './layout.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

export interface QuotaSum {
  referenced: number;
  exclusive: number;
}

/** Which extents, of data and of tree blocks, each subvolume refers to: what quota groups count. */
export class QuotaUse {
  readonly subvolumes = new Set<number>();
  readonly #users = new Map<number, number[]>();

  /** Sees the items of a subvolume's tree and hands them on. */
  watch(subvolume: number, visitor: ItemVisitor): ItemVisitor {
    this.subvolumes.add(subvolume);
    return {
      item: (block: TreeBlock, slot, objectid, type, offset, at, size) => {
        visitor.item(block, slot, objectid, type, offset, at, size);
        if (type !== TYPE.EXTENT_DATA || size !== FILE_EXTENT_SIZE) return;
        if (block.view.getUint8(at + 20) === FILE_EXTENT_INLINE) return;
        const start = readU64(block.view, at + 21);
        if (start > 0) this.add(subvolume, start);
      },
      gap: () => visitor.gap?.(),
    };
  }

  add(subvolume: number, extent: number): void {
    const users = this.#users.get(extent);
    if (users === undefined) this.#users.set(extent, [subvolume]);
    else if (users.at(-1) !== subvolume) users.push(subvolume);
  }

  /** `groupsOf`: the quota groups that count what a subvolume refers to. Exclusive is what nobody outside refers to. */
  sums(groupsOf: (subvolume: number) => readonly number[], ledger: ExtentLedger): ReadonlyMap<number, QuotaSum> {
    const groups = new Map([...this.subvolumes].map((id) => [id, groupsOf(id)]));
    const sums = new Map<number, QuotaSum>();
    for (const [start, users] of this.#users) {
      const length = ledger.find(start)?.length ?? 0;
      const inside = new Map<number, number>();
      for (const user of users) for (const id of groups.get(user)!) inside.set(id, (inside.get(id) ?? 0) + 1);
      for (const [id, count] of inside) {
        const sum = sums.get(id) ?? { referenced: 0, exclusive: 0 };
        sum.referenced += length;
        if (count === users.length) sum.exclusive += length;
        sums.set(id, sum);
      }
    }
    return sums;
  }
}
