/** The structures of Linux's interface that calls fill, decoded. */

/** struct statx, as far as file systems answer it. Times are nanoseconds since 1970. */
export interface LinuxStatus {
  readonly inode: number;
  /** With the type bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly device: { readonly major: number; readonly minor: number };
  readonly accessTime: bigint;
  readonly modifyTime: bigint;
  readonly changeTime: bigint;
  readonly birthTime: bigint;
}

export const STATX_BYTES = 256;

export function decodeStatx(bytes: Uint8Array): LinuxStatus {
  const view = viewOf(bytes);
  const time = (at: number) => view.getBigInt64(at, true) * 1_000_000_000n + BigInt(view.getUint32(at + 8, true));
  return {
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    inode: Number(view.getBigUint64(32, true)),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    device: { major: view.getUint32(128, true), minor: view.getUint32(132, true) },
    accessTime: time(64),
    birthTime: time(80),
    changeTime: time(96),
    modifyTime: time(112),
  };
}

export interface LinuxDirectoryEntry {
  readonly inode: number;
  /** What to seek to in order to go on behind this entry. */
  readonly cursor: number;
  /** DT_* */
  readonly type: number;
  readonly name: Uint8Array;
}

/** struct linux_dirent64 after linux_dirent64. */
export function decodeDirectoryEntries(bytes: Uint8Array): LinuxDirectoryEntry[] {
  const view = viewOf(bytes);
  const entries: LinuxDirectoryEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint16(at + 16, true);
    const name = bytes.subarray(at + 19, at + length);
    entries.push({
      inode: Number(view.getBigUint64(at, true)),
      cursor: Number(view.getBigInt64(at + 8, true)),
      type: view.getUint8(at + 18),
      name: name.slice(0, name.indexOf(0)),
    });
    at += length;
  }
  return entries;
}

export interface LinuxExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: number;
}

const FIEMAP_HEADER = 32;
const FIEMAP_EXTENT = 56;

/** struct fiemap with room for `count` extents of the whole file. */
export function encodeFiemap(count: number, flags: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(FIEMAP_HEADER + count * FIEMAP_EXTENT);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(start), true);
  view.setBigUint64(8, 0xffff_ffff_ffff_ffffn - BigInt(start), true);
  view.setUint32(16, flags, true);
  view.setUint32(24, count, true);
  return bytes;
}

export function decodeFiemap(bytes: Uint8Array): LinuxExtent[] {
  const view = viewOf(bytes);
  return Array.from({ length: view.getUint32(20, true) }, (_, index) => {
    const at = FIEMAP_HEADER + index * FIEMAP_EXTENT;
    return {
      logical: Number(view.getBigUint64(at, true)),
      physical: Number(view.getBigUint64(at + 8, true)),
      length: Number(view.getBigUint64(at + 16, true)),
      flags: view.getUint32(at + 40, true),
    };
  });
}

/** struct file_clone_range. */
export function encodeCloneRange(source: number, from: number, length: number, to: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = viewOf(bytes);
  view.setBigInt64(0, BigInt(source), true);
  view.setBigUint64(8, BigInt(from), true);
  view.setBigUint64(16, BigInt(length), true);
  view.setBigUint64(24, BigInt(to), true);
  return bytes;
}

/** struct file_dedupe_range with one destination. */
export function encodeDedupeRange(from: number, length: number, target: number, to: number): Uint8Array {
  const bytes = new Uint8Array(24 + 32);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(from), true);
  view.setBigUint64(8, BigInt(length), true);
  view.setUint16(16, 1, true);
  view.setBigInt64(24, BigInt(target), true);
  view.setBigUint64(32, BigInt(to), true);
  return bytes;
}

/** Status of the one destination: 0, 1 for different bytes, or a negative errno; and how much it was. */
export function decodeDedupeRange(bytes: Uint8Array): { readonly status: number; readonly deduped: number } {
  const view = viewOf(bytes);
  return { deduped: Number(view.getBigUint64(40, true)), status: view.getInt32(48, true) };
}

/** struct timespec twice; null leaves a time as it is. Nanoseconds. */
export function encodeTimes(access: bigint | null, modify: bigint | null): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = viewOf(bytes);
  for (const [index, time] of [access, modify].entries()) {
    const seconds = time === null ? 0n : (time - mod(time)) / 1_000_000_000n;
    view.setBigInt64(index * 16, seconds, true);
    view.setBigInt64(index * 16 + 8, time === null ? UTIME_OMIT : mod(time), true);
  }
  return bytes;
}

const UTIME_OMIT = (1n << 30n) - 2n;

function mod(time: bigint): bigint {
  return ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
}

/** struct statfs of 64-bit platforms. */
export function decodeStatfs(bytes: Uint8Array): { type: number; blockSize: number; nameLengthMax: number } {
  const view = viewOf(bytes);
  return {
    type: Number(view.getBigInt64(0, true)),
    blockSize: Number(view.getBigInt64(8, true)),
    nameLengthMax: Number(view.getBigInt64(64, true)),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
