import { viewOf } from '../../base/bytes.ts';
import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { checksumAt, dataChecksum } from '../format/checksum.ts';
import { lookupChecksums } from '../transaction/checksums.ts';
import { mirrorCount, readMirror } from '../volume/volume.ts';
import { DATA } from './file-limits.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/** One CRC-32C per sector. */
export function checksumsOf(data: Uint8Array): Uint32Array {
  const sums = new Uint32Array(data.length / SECTOR_SIZE);
  for (let i = 0; i < sums.length; i++) sums[i] = dataChecksum(data.subarray(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE));
  return sums;
}

/**
 * Reads whole sectors of data and checks each against the checksum tree, copy after copy until one is right.
 * Throws EIO that says what was wrong with each copy. The bytes are not to be changed.
 */
export function* readVerified(
  files: Files,
  inode: Inode,
  logical: LogicalAddress,
  length: ByteCount,
): Task<Uint8Array> {
  const { fs } = files;
  const sums = inode.hasChecksums ? yield* lookupChecksums(fs, logical, length / SECTOR_SIZE) : null;
  const where = `${length} bytes at logical ${logical} of inode ${inode.number}`;
  if (sums === null && inode.hasChecksums) throw new FsError('EIO', `no checksum for ${where}`);
  const copies = mirrorCount(fs, logical);
  const problems: string[] = [];
  for (let mirror = 0; mirror < copies; mirror++) {
    const result = yield* readMirror(fs, logical, length, mirror, DATA);
    if (result.error !== null) {
      problems.push(`${result.error} on mirror ${mirror + 1}`);
      continue;
    }
    const problem = sums === null ? null : checksumProblem(result.bytes, sums, logical);
    if (problem === null) return result.bytes;
    problems.push(`${problem} on mirror ${mirror + 1}`);
  }
  if (copies === 0) problems.push('no chunk maps it');
  throw new FsError('EIO', `read of ${where}: ${problems.join('; ')}`);
}

function checksumProblem(bytes: Uint8Array, sums: Uint8Array, logical: LogicalAddress): string | null {
  const expected = viewOf(sums);
  for (let at = 0, index = 0; at < bytes.length; at += SECTOR_SIZE, index++) {
    const found = dataChecksum(bytes.subarray(at, at + SECTOR_SIZE));
    const wanted = checksumAt(expected, 0, index);
    if (found !== wanted) return `checksum of logical ${logical + at} wanted ${hex(wanted)} found ${hex(found)}`;
  }
  return null;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
