import { readU64 } from '../../base/bytes.ts';
import type { FaultCollector, FaultPlace } from './fault-report.ts';
import { ROOT_BACKUP_SIZE, ROOT_BACKUPS, SUPER, TREE } from './layout.ts';
import type { RootItem } from './root-tree.ts';
import type { Superblock } from './superblock.ts';

/** Linux falls back to these by a mount option only; the slot of the current generation must agree with the rest. */
export function checkBackups(sup: Superblock, place: FaultPlace, faults: FaultCollector): void {
  const { view } = sup;
  for (let slot = 0; slot < ROOT_BACKUPS; slot++) {
    const at = SUPER.superRoots + slot * ROOT_BACKUP_SIZE;
    const generation = readU64(view, at + 8);
    if (generation > sup.generation || generation < 0) {
      const what = `backup root ${slot} is from the future`;
      faults.warn('superblock', place, 'backup-root', what, generation, `≤ ${sup.generation}`);
    }
    if (generation !== sup.generation) continue;
    const fields = [
      ['tree_root', at, SUPER.root],
      ['chunk_root', at + 16, SUPER.chunkRoot],
      ['chunk_root_gen', at + 24, SUPER.chunkRootGeneration],
      ['total_bytes', at + 96, SUPER.totalBytes],
      ['num_devices', at + 112, SUPER.numDevices],
    ] as const;
    for (const [name, have, expect] of fields) {
      if (readU64(view, have) === readU64(view, expect)) continue;
      const what = `${name} of backup root ${slot} is not the current one`;
      faults.warn('superblock', place, 'backup-root', what, readU64(view, have), readU64(view, expect));
    }
    const levels = [
      ['tree_root_level', at + 152, SUPER.rootLevel],
      ['chunk_root_level', at + 153, SUPER.chunkRootLevel],
    ] as const;
    for (const [name, have, expect] of levels) {
      if (view.getUint8(have) === view.getUint8(expect)) continue;
      const what = `${name} of backup root ${slot} is not the current one`;
      faults.warn('superblock', place, 'backup-root', what, view.getUint8(have), view.getUint8(expect));
    }
  }
}

const TREES = [
  ['extent_root', TREE.EXTENT, 32, 154],
  ['fs_root', TREE.FS, 48, 155],
  ['dev_root', TREE.DEV, 64, 156],
  ['csum_root', TREE.CSUM, 80, 157],
] as const;

/** The backup of the current generation against the root items: address, generation and level of four trees. */
export function checkBackupTrees(sup: Superblock, roots: ReadonlyMap<number, RootItem>, faults: FaultCollector): void {
  const { view } = sup;
  for (let slot = 0; slot < ROOT_BACKUPS; slot++) {
    const at = SUPER.superRoots + slot * ROOT_BACKUP_SIZE;
    if (readU64(view, at + 8) !== sup.generation) continue;
    for (const [name, id, field, levelField] of TREES) {
      const root = roots.get(id);
      // mkfs.btrfs writes some before the tree has moved for the last time.
      if (root === undefined || readU64(view, at + field) === 0) continue;
      const have = [readU64(view, at + field), readU64(view, at + field + 8), view.getUint8(at + levelField)];
      const expect = [root.bytenr, root.generation, root.level];
      if (have.every((value, index) => value === expect[index])) continue;
      const what = `${name} of backup root ${slot} is not the current one`;
      faults.warn('superblock', { image: sup.image }, 'backup-root', what, have.join(' '), expect.join(' '));
    }
  }
}
