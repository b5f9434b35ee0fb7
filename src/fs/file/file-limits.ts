import type { IoPurpose } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Inode } from './inode.ts';

/** The largest file: 2^53 − 1 bytes less one sector, so that every offset stays exact (Linux allows 2^63 − 1). */
export const FILE_SIZE_MAX = Number.MAX_SAFE_INTEGER - 4095;

export const DATA: IoPurpose = { kind: 'data' };

/** Throws EFBIG for a write that ends beyond the largest file. */
export function checkWriteEnd(inode: Inode, end: number): void {
  if (end > FILE_SIZE_MAX) throw new FsError('EFBIG', `a write of inode ${inode.number} would end at ${end}`);
}

const ZEROS = new Uint8Array(64 * 1024);

/** `length` zero bytes that nobody may change. */
export function zerosUpTo(length: number): Uint8Array {
  return length <= ZEROS.length ? ZEROS.subarray(0, length) : new Uint8Array(length);
}
