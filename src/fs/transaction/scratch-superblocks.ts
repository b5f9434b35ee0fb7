import { viewOf } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { hasSuperblockMagic, SUPERBLOCK, SUPERBLOCK_SIZE, superblockOffsets } from '../format/superblock.ts';
import type { Device } from '../volume/device.ts';
import type { FsInfo } from './fs-info.ts';

const PURPOSE = { kind: 'superblock' } as const;

/**
 * Takes the magic out of every superblock copy of a device that is no member any more, so that no mount takes it for
 * one. As Linux does after the commit that let it go: nobody minds a failure, and a crash in between leaves a
 * superblock that the chunk tree knows nothing of. Missing devices are left alone.
 */
export function* scratchSuperblocks(_fs: FsInfo, device: Device): Task<void> {
  const { block } = device;
  if (block === null) return;
  for (const offset of superblockOffsets(block.size)) {
    const read = yield* block.perform({ operation: 'read', offset, length: SUPERBLOCK_SIZE, purpose: PURPOSE });
    if (read.error !== null || !hasSuperblockMagic(read.bytes)) continue;
    const bytes = read.bytes.slice();
    SUPERBLOCK.fields.magic.write(viewOf(bytes), SUPERBLOCK.fields.magic.at, 0n);
    yield* block.perform({ operation: 'write', offset, length: SUPERBLOCK_SIZE, bytes, fua: true, purpose: PURPOSE });
  }
  yield* block.perform({ operation: 'flush', offset: 0, length: 0, purpose: PURPOSE });
}
