import { randomUUID } from 'node:crypto';
import { crc32c } from '../../base/crc32c.ts';
import type { DiskImage } from '../../record/image.ts';

const SUPERBLOCK_SIZE = 4096;
const COPIES = [65536, 64 * 2 ** 20, 256 * 2 ** 30];
const CHECKSUM_SIZE = 32;
const FSID_AT = 32;
const MAGIC_AT = 64;
const MAGIC = Buffer.from('_BHRfS_M');
const INCOMPAT_AT = 188;
const METADATA_UUID_FLAG = 0x400;
const METADATA_UUID_AT = 571;
const UUID_SIZE = 16;

/**
 * Images under a file system id of their own. Linux and btrfs-progs tell file systems apart by that
 * id, and look for members among all block devices of the host: two judges at work on images with one id disturb each
 * other. The id that tree blocks bear becomes the metadata uuid, so that nothing but superblocks changes.
 */
export function withOwnIdentity(images: readonly DiskImage[]): readonly DiskImage[] {
  const fsid = Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
  return images.map((image) => renamed(image, fsid));
}

function renamed(image: DiskImage, fsid: Uint8Array): DiskImage {
  const copies = new Map<number, Uint8Array>();
  for (const offset of COPIES) {
    if (offset + SUPERBLOCK_SIZE > image.size) continue;
    const bytes = image.read(offset, SUPERBLOCK_SIZE);
    if (hasMagic(bytes) && hasRightChecksum(bytes)) copies.set(offset, renamedSuperblock(bytes, fsid));
  }
  return {
    size: image.size,
    fingerprint: image.fingerprint,
    read: (offset, length) => {
      const bytes = new Uint8Array(image.read(offset, length));
      for (const [at, copy] of copies) overlay(bytes, offset, copy, at);
      return bytes;
    },
    *written() {
      yield* image.written();
      for (const [offset, bytes] of copies) yield { offset, bytes };
    },
  };
}

function hasMagic(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[MAGIC_AT + index] === byte);
}

/** A damaged copy stays as it is: to judge it is what the judge is for. */
function hasRightChecksum(bytes: Uint8Array): boolean {
  const stored = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return stored === crc32c(bytes.subarray(CHECKSUM_SIZE));
}

function renamedSuperblock(bytes: Uint8Array, fsid: Uint8Array): Uint8Array {
  // Not `slice`: that of a Buffer, which is a Uint8Array too, copies nothing.
  const renewed = new Uint8Array(bytes);
  const view = new DataView(renewed.buffer);
  const incompat = view.getUint32(INCOMPAT_AT, true);
  if ((incompat & METADATA_UUID_FLAG) === 0) {
    renewed.copyWithin(METADATA_UUID_AT, FSID_AT, FSID_AT + UUID_SIZE);
    view.setUint32(INCOMPAT_AT, (incompat | METADATA_UUID_FLAG) >>> 0, true);
  }
  renewed.set(fsid, FSID_AT);
  renewed.fill(0, 0, CHECKSUM_SIZE);
  view.setUint32(0, crc32c(renewed.subarray(CHECKSUM_SIZE)), true);
  return renewed;
}

function overlay(bytes: Uint8Array, offset: number, copy: Uint8Array, at: number): void {
  const from = Math.max(offset, at);
  const to = Math.min(offset + bytes.length, at + copy.length);
  if (from < to) bytes.set(copy.subarray(from - at, to - at), from - offset);
}
