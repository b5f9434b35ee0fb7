import { viewOf } from '../../base/bytes.ts';
import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { checksumAt, DATA_CHECKSUM_SIZE, dataChecksum } from '../format/checksum.ts';
import { lookupChecksums } from '../transaction/checksums.ts';
import type { FsInfo } from '../transaction/fs-info.ts';
import { countMirrorError, firstMirror, isMirrorMissing } from '../volume/logical-read.ts';
import { MirrorTrial, type ReadState, repairCopies } from '../volume/read-decisions.ts';
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
 * Reads whole sectors of data and checks each against the checksum tree, copy after copy until one is right; what was
 * wrong is repaired from it. Throws EIO that says what was wrong with each copy. The bytes are not to be changed.
 */
export function* readVerified(
  files: Files,
  inode: Inode,
  logical: LogicalAddress,
  length: ByteCount,
): Task<Uint8Array> {
  const { fs } = files;
  const sums = inode.hasChecksums ? yield* lookupChecksums(fs, logical, length / SECTOR_SIZE) : null;
  if (sums === null && inode.hasChecksums) {
    throw new FsError('EIO', `no checksum for ${length} bytes at logical ${logical} of inode ${inode.number}`);
  }
  const copies = mirrorCount(fs, logical);
  if (copies > 1 && length > SECTOR_SIZE) return yield* readSectorwise(fs, inode, logical, length, sums);
  return yield* readCopies(fs, inode, { logical, length, sums, copies });
}

/** The first copy if all of it is right, else each sector from whichever copy has it right. */
function* readSectorwise(
  fs: FsInfo,
  inode: Inode,
  logical: LogicalAddress,
  length: ByteCount,
  sums: Uint8Array | null,
): Task<Uint8Array> {
  const whole = yield* readMirror(fs, logical, length, firstMirror(fs, logical), DATA);
  if (whole.error === null && (sums === null || checksumProblem(whole.bytes, sums, logical) === null)) {
    return whole.bytes;
  }
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += SECTOR_SIZE) {
    const index = at / SECTOR_SIZE;
    const own = sums === null ? null : sums.subarray(index * DATA_CHECKSUM_SIZE, (index + 1) * DATA_CHECKSUM_SIZE);
    const copies = mirrorCount(fs, logical + at);
    const sector = { logical: logical + at, length: SECTOR_SIZE, sums: own, copies };
    bytes.set(yield* readCopies(fs, inode, sector), at);
  }
  return bytes;
}

interface DataRange {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
  /** As the checksum tree has them; null where the data has none. */
  readonly sums: Uint8Array | null;
  readonly copies: number;
}

function* readCopies(fs: FsInfo, inode: Inode, range: DataRange): Task<Uint8Array> {
  const { logical, length, sums, copies } = range;
  const where = `read of ${length} bytes at logical ${logical} of inode ${inode.number}`;
  if (copies === 0) throw new FsError('EIO', `${where}: no chunk maps it`);
  const trial = new MirrorTrial(copies, firstMirror(fs, logical));
  const problems: string[] = [];
  for (;;) {
    const { mirror } = trial;
    const result = yield* readMirror(fs, logical, length, mirror, DATA);
    const isMissing = result.error !== null && isMirrorMissing(fs, logical, length, mirror);
    let content: ReadState['content'] | null = null;
    if (result.error !== null) problems.push(`${result.error} on mirror ${mirror + 1}`);
    else {
      const problem = sums === null ? null : checksumProblem(result.bytes, sums, logical);
      content = sums === null ? 'unverifiable' : problem === null ? 'good' : 'bad';
      if (problem !== null) {
        problems.push(`${problem} on mirror ${mirror + 1}`);
        countMirrorError(fs, logical, length, mirror, 'corruption');
      }
    }
    const decision = trial.decide(fs, isMissing, content);
    if (decision === 'fail-EIO') throw new FsError('EIO', `${where}: ${problems.join('; ')}`);
    if (decision === 'try-next' || result.error !== null) {
      trial.next(isMissing);
      continue;
    }
    if (decision === 'use-and-repair') yield* repairCopies(fs, logical, result.bytes, trial.failed, DATA);
    return result.bytes;
  }
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
