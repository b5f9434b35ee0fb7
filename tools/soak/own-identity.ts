import { crc32c } from '../../src/base/crc32c.ts';
import { randomStream } from '../../src/base/random.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { DiskImage } from '../../src/record/image.ts';

const SUPERBLOCKS = [64 * 1024, 64 * 1024 * 1024];
const SUPERBLOCK_SIZE = 4096;
const MAGIC = '_BHRfS_M';
const CHECKSUM_SIZE = 32;
const FSID_AT = 32;
const MAGIC_AT = 64;
const INCOMPAT_AT = 188;
const METADATA_UUID_AT = 571;
const INCOMPAT_METADATA_UUID = 1n << 10n;

/**
 * Images of several devices with a uuid of their own, as `btrfstune -m` gives one: the host knows devices by it, and may
 * not meet the same one twice. All file systems that the bench makes have the same. A single device is left as it is.
 */
export function withOwnIdentity(disks: readonly DiskImage[], seed: string): readonly DiskImage[] {
  if (disks.length === 1) return disks;
  const random = randomStream(`${seed}/${process.pid}`, 'identity');
  const fsid = Uint8Array.from({ length: 16 }, () => random.below(256));
  return disks.map((disk) => {
    const copy = BlockTable.copyOf(disk);
    for (const offset of SUPERBLOCKS) if (offset + SUPERBLOCK_SIZE <= copy.size) renameSuperblock(copy, offset, fsid);
    return copy;
  });
}

function renameSuperblock(disk: BlockTable, offset: number, fsid: Uint8Array): void {
  const bytes = Uint8Array.from(disk.read(offset, SUPERBLOCK_SIZE));
  if (new TextDecoder().decode(bytes.subarray(MAGIC_AT, MAGIC_AT + MAGIC.length)) !== MAGIC) return;
  const view = new DataView(bytes.buffer);
  const incompat = view.getBigUint64(INCOMPAT_AT, true);
  if ((incompat & INCOMPAT_METADATA_UUID) === 0n) bytes.copyWithin(METADATA_UUID_AT, FSID_AT, FSID_AT + 16);
  bytes.set(fsid, FSID_AT);
  view.setBigUint64(INCOMPAT_AT, incompat | INCOMPAT_METADATA_UUID, true);
  view.setUint32(0, crc32c(bytes.subarray(CHECKSUM_SIZE)) >>> 0, true);
  disk.write(offset, bytes);
}
