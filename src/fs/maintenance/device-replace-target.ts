import { viewOf, writeU64 } from '../../base/bytes.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { DEVICE_ITEM, type DeviceItem } from '../format/device.ts';
import {
  hasSuperblockMagic,
  SUPERBLOCK,
  SUPERBLOCK_OFFSETS,
  SUPERBLOCK_SIZE,
  sealSuperblock,
  superblockOffsets,
} from '../format/superblock.ts';
import { deviceItemOf } from '../transaction/device-items.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import type { Device } from '../volume/device.ts';

const PURPOSE = { kind: 'superblock' } as const;
const { fields } = SUPERBLOCK;

/**
 * Gives the target of a device replace superblocks that say so; the rest is what a member's superblock says, so it is
 * durable. Before the commit that writes the item: a power cut in that commit would leave an item without a target.
 * Throws EIO.
 */
export function* writeTargetSuperblocks(fs: FsInfo, source: Device, target: Device): Task<void> {
  const { block } = target;
  const bytes = yield* readMemberSuperblock(fs);
  for (const offset of superblockOffsets(source.committedTotalBytes)) {
    const copy = bytes.slice();
    const view = viewOf(copy);
    writeU64(view, fields.bytenr.at, offset);
    DEVICE_ITEM.write(view, fields.deviceItem.at, itemOf(fs, source, target));
    sealSuperblock(copy);
    const request = {
      operation: 'write',
      offset,
      length: SUPERBLOCK_SIZE,
      bytes: copy,
      fua: true,
      purpose: PURPOSE,
    } as const;
    const result = yield* block!.perform(request);
    if (result.error !== null) {
      throw new FsError(
        result.error,
        `replace start: the superblock of target device ${block!.index} cannot be written`,
      );
    }
  }
}

/** As large as the source, of which the target is to be the copy. */
function itemOf(fs: FsInfo, source: Device, target: Device): DeviceItem {
  return { ...deviceItemOf(fs, source, 'committed'), devid: target.id, uuid: target.uuid };
}

function* readMemberSuperblock(fs: FsInfo): Task<Uint8Array> {
  const offset = SUPERBLOCK_OFFSETS[0]!;
  for (const { block } of fs.volume.devices()) {
    if (block === null) continue;
    const read = yield* block.perform({ operation: 'read', offset, length: SUPERBLOCK_SIZE, purpose: PURPOSE });
    if (read.error === null && hasSuperblockMagic(read.bytes)) return read.bytes;
  }
  throw new FsError('EIO', 'replace start: no superblock of a member can be read');
}
