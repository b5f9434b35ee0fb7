import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { ROOT_BACKUP_SIZE, ROOT_BACKUPS, SUPER, TREE } from './layout.ts';
import type { RootItem } from './root-tree.ts';
import type { Superblock } from './superblock.ts';

/** A field of a backup that is not what is current. */
interface Difference {
  readonly slot: number;
  readonly name: string;
  readonly have: unknown;
  readonly expect: unknown;
}

/**
 * Linux falls back to these by a mount option only. A backup of the current generation must agree with the superblock;
 * another one of that generation may be older: Linux writes one while the next transaction already changes trees.
 */
export function checkBackups(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const { view } = sup;
  for (let slot = 0; slot < ROOT_BACKUPS; slot++) {
    const generation = readU64(view, slotAt(slot) + 8);
    if (generation <= sup.generation && generation >= 0) continue;
    const what = `backup root ${slot} is from the future`;
    faults.warn('superblock', place, 'backup-root', what, generation, `≤ ${sup.generation}`);
  }
  complain(sup, (slot) => againstSuperblock(view, slot), place, faults);
}

/** Against the root items: address, generation and level of four trees. */
export function checkBackupTrees(sup: Superblock, roots: ReadonlyMap<number, RootItem>, faults: FaultCollector): void {
  complain(sup, (slot) => againstRoots(sup.view, slot, roots), { image: sup.image }, faults);
}

function slotAt(slot: number): number {
  return SUPER.superRoots + slot * ROOT_BACKUP_SIZE;
}

/** Of several of the current generation the best counts. */
function complain(
  sup: Superblock,
  compare: (slot: number) => Difference[],
  place: FaultPlace,
  faults: FaultCollector,
): void {
  let best: Difference[] | null = null;
  for (let slot = 0; slot < ROOT_BACKUPS; slot++) {
    if (readU64(sup.view, slotAt(slot) + 8) !== sup.generation) continue;
    const differences = compare(slot);
    if (best === null || differences.length < best.length) best = differences;
  }
  for (const { slot, name, have, expect } of best ?? []) {
    const what = `${name} of backup root ${slot} is not the current one`;
    faults.warn('superblock', place, 'backup-root', what, have, expect);
  }
}

function againstSuperblock(view: DataView, slot: number): Difference[] {
  const at = slotAt(slot);
  const fields = [
    ['tree_root', at, SUPER.root],
    ['chunk_root', at + 16, SUPER.chunkRoot],
    ['chunk_root_gen', at + 24, SUPER.chunkRootGeneration],
    ['total_bytes', at + 96, SUPER.totalBytes],
    ['num_devices', at + 112, SUPER.numDevices],
  ] as const;
  const levels = [
    ['tree_root_level', at + 152, SUPER.rootLevel],
    ['chunk_root_level', at + 153, SUPER.chunkRootLevel],
  ] as const;
  return [
    ...fields.map(([name, have, expect]) => ({ slot, name, have: readU64(view, have), expect: readU64(view, expect) })),
    ...levels.map(([name, have, expect]) => ({
      slot,
      name,
      have: view.getUint8(have),
      expect: view.getUint8(expect),
    })),
  ].filter(({ have, expect }) => have !== expect);
}

const TREES = [
  ['extent_root', TREE.EXTENT, 32, 154],
  ['fs_root', TREE.FS, 48, 155],
  ['dev_root', TREE.DEV, 64, 156],
  ['csum_root', TREE.CSUM, 80, 157],
] as const;

function againstRoots(view: DataView, slot: number, roots: ReadonlyMap<number, RootItem>): Difference[] {
  const at = slotAt(slot);
  const differences: Difference[] = [];
  for (const [name, id, field, levelField] of TREES) {
    const root = roots.get(id);
    // mkfs.btrfs writes some before the tree has moved for the last time.
    if (root === undefined || readU64(view, at + field) === 0) continue;
    const have = [readU64(view, at + field), readU64(view, at + field + 8), view.getUint8(at + levelField)].join(' ');
    const expect = [root.bytenr, root.generation, root.level].join(' ');
    if (have !== expect) differences.push({ slot, name, have, expect });
  }
  return differences;
}
