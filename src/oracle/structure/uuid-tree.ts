import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { HEADER_SIZE, ITEM_SIZE, showKey, TREE, TYPE } from './layout.ts';
import { isZero } from './raw-fields.ts';
import type { RootItem } from './root-tree.ts';
import type { ItemVisitor, TreeBlock } from './tree-block.ts';

/** uuid → subvolumes, as hexadecimal text of the key's halves. */
export class UuidTreeVisitor implements ItemVisitor {
  readonly #entries = new Map<string, { readonly subvolumes: number[]; readonly place: FaultPlace }>();
  readonly #faults: FaultCollector;

  constructor(faults: FaultCollector) {
    this.#faults = faults;
  }

  item(block: TreeBlock, slot: number, objectid: number, type: number, offset: number, at: number, size: number): void {
    if (type !== TYPE.UUID_SUBVOL && type !== TYPE.UUID_RECEIVED_SUBVOL) {
      // A running scan of all subvolumes keeps its position in a persistent item.
      if (type === TYPE.PERSISTENT_ITEM || type === TYPE.TEMPORARY_ITEM) return;
      this.#faults.item(block, slot, 'unexpected-item', `${showKey(objectid, type, offset)} does not belong here`);
      return;
    }
    if (size === 0 || size % 8 !== 0) {
      this.#faults.item(block, slot, 'item-size', 'size of a uuid item is not a number of ids', size);
      return;
    }
    const subvolumes: number[] = [];
    for (let i = 0; i < size; i += 8) subvolumes.push(readU64(block.view, at + i));
    const keyAt = HEADER_SIZE + slot * ITEM_SIZE;
    const uuid = uuidText(block.view, keyAt, keyAt + 9);
    const place = { tree: TREE.UUID, block: block.logical, slot };
    this.#entries.set(`${type}/${uuid}`, { subvolumes, place });
  }

  /** Every subvolume's uuid leads to it, and every entry to a subvolume that has it. */
  check(roots: ReadonlyMap<number, RootItem>, faults: FaultCollector): void {
    for (const root of roots.values()) {
      if (root.isLegacy || root.refs === 0 || (root.id !== TREE.FS && root.id < 256)) continue;
      for (const [type, field] of [[TYPE.UUID_SUBVOL, 247] as const, [TYPE.UUID_RECEIVED_SUBVOL, 279] as const]) {
        if (isZero(root.view, root.at + field, 16)) continue;
        const key = `${type}/${uuidText(root.view, root.at + field, root.at + field + 8)}`;
        if (this.#entries.get(key)?.subvolumes.includes(root.id)) continue;
        // The top level's uuid has an entry only where a tool wrote one.
        if (root.id === TREE.FS) continue;
        const place = { id: root.id, ...root.place };
        faults.warn('root', place, 'uuid-entry-missing', 'the uuid tree does not lead to this subvolume');
      }
    }
    for (const [key, entry] of this.#entries) {
      const [type, uuid] = key.split('/') as [string, string];
      const field = Number(type) === TYPE.UUID_SUBVOL ? 247 : 279;
      for (const id of entry.subvolumes) {
        const root = roots.get(id);
        const right =
          root !== undefined && !root.isLegacy && uuidText(root.view, root.at + field, root.at + field + 8) === uuid;
        if (right) continue;
        const what = 'the entry leads to a subvolume that has another uuid or does not exist';
        faults.warn('leaf', entry.place, 'uuid-entry-wrong', what, `subvolume ${id}`);
      }
    }
  }
}

function uuidText(view: DataView, lowAt: number, highAt: number): string {
  return `${view.getBigUint64(lowAt, true).toString(16)}:${view.getBigUint64(highAt, true).toString(16)}`;
}
