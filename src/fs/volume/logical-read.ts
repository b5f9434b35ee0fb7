import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { IoPurpose, IoResult, PendingIo } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { endOf } from './chunk-map.ts';
import type { Device } from './device.ts';
import { copiesOf } from './profiles.ts';
import { type Piece, piecesOf } from './stripe-mapping.ts';
import type { Volume, VolumeHost } from './volume.ts';

/** How many copies of the byte at `logical` there are to read from; 0 where nothing is mapped. */
export function mirrorCount(fs: VolumeHost, logical: LogicalAddress): number {
  const chunk = fs.volume.chunkAt(logical);
  return chunk === null ? 0 : copiesOf(chunk);
}

/**
 * Where a read begins: the first copy whose device is there. A replace that is to spare its source leaves that for
 * last. Linux chooses by the reader's pid; which copy comes first decides nothing but who notices a bad one.
 */
export function firstMirror(fs: VolumeHost, logical: LogicalAddress): number {
  const chunk = fs.volume.chunkAt(logical);
  if (chunk === null) return 0;
  const copies = copiesOf(chunk);
  if (copies === 1) return 0;
  const { replace } = fs.volume;
  const avoided = replace.isRunning && replace.readsFromSourceOnlyIfNoMirror ? replace.source : null;
  let second = 0;
  for (let mirror = copies - 1; mirror >= 0; mirror--) {
    if (!chunk.stripes[mirror]!.device.isMissing) second = mirror;
  }
  for (let mirror = 0; mirror < copies; mirror++) {
    const { device } = chunk.stripes[mirror]!;
    if (!device.isMissing && device !== avoided) return mirror;
  }
  return second;
}

/** True where no part of the copy can be read or written, or one cannot: its device is not there. */
export function isMirrorMissing(fs: VolumeHost, logical: LogicalAddress, length: ByteCount, mirror: number): boolean {
  const pieces = mapForRead(fs, logical, length, mirror);
  return pieces?.some(({ stripe }) => stripe.device.isMissing) ?? true;
}

/** Counts something wrong with a copy against the devices that hold it. */
export function countMirrorError(
  fs: VolumeHost,
  logical: LogicalAddress,
  length: ByteCount,
  mirror: number,
  kind: 'corruption' | 'generation',
): void {
  for (const { stripe } of mapForRead(fs, logical, length, mirror) ?? []) fs.volume.countError(stripe.device, kind);
}

/**
 * Reads one copy (`mirror` from 0). EIO for a range that is not of whole sectors, leaves its chunk, or is not mapped:
 * what a corrupt pointer may ask for. EIO at once where the device is missing.
 */
export function* readMirror(
  fs: VolumeHost,
  logical: LogicalAddress,
  length: ByteCount,
  mirror: number,
  purpose: IoPurpose,
): Task<IoResult> {
  const { volume } = fs;
  while (volume.replace.isBlockingIo) yield* volume.replace.unblocked.wait();
  const pieces = mapForRead(fs, logical, length, mirror);
  if (pieces === null) return FAILED;
  if (pieces.length > 1) return yield* readPieces(volume, pieces, logical, length, purpose);
  const { device } = pieces[0]!.stripe;
  if (device.block === null) return FAILED;
  volume.ioUnderWay.add(1);
  const result = yield* device.block.perform(readRequest(volume, pieces[0]!, logical, purpose));
  if (result.error !== null) volume.countError(device, 'read');
  return result;
}

const FAILED: IoResult = { error: 'EIO' };

function mapForRead(fs: VolumeHost, logical: LogicalAddress, length: ByteCount, mirror: number): Piece[] | null {
  const chunk = fs.volume.chunkAt(logical);
  if (chunk === null || logical + length > endOf(chunk) || mirror >= copiesOf(chunk)) return null;
  if (logical % SECTOR_SIZE !== 0 || length % SECTOR_SIZE !== 0 || length <= 0) return null;
  return piecesOf(chunk, logical, length, mirror);
}

function readRequest(volume: Volume, piece: Piece, logical: LogicalAddress, purpose: IoPurpose) {
  const { physical, length, at } = piece;
  const countedBy = volume.ioUnderWay;
  return { operation: 'read', offset: physical, length, purpose, logical: logical + at, countedBy } as const;
}

/** All pieces at once; nothing is read when one lies on a missing device. */
function* readPieces(
  volume: Volume,
  pieces: readonly Piece[],
  logical: LogicalAddress,
  length: ByteCount,
  purpose: IoPurpose,
): Task<IoResult> {
  if (pieces.some(({ stripe }) => stripe.device.isMissing)) return FAILED;
  const submitted: { readonly device: Device; readonly at: ByteCount; readonly io: PendingIo }[] = [];
  // All are counted, and their devices fixed, before the first is submitted: the rest may find the stripes moved.
  const wishes = pieces.map((piece) => ({ device: piece.stripe.device, piece }));
  volume.ioUnderWay.add(pieces.length);
  for (const { device, piece } of wishes) {
    const io = yield* device.block!.submit(readRequest(volume, piece, logical, purpose));
    submitted.push({ device, at: piece.at, io });
  }
  const bytes = new Uint8Array(length);
  let failure: IoResult | null = null;
  for (const { device, at, io } of submitted) {
    const result = yield* io.wait();
    if (result.error === null) bytes.set(result.bytes, at);
    else {
      volume.countError(device, 'read');
      failure ??= result;
    }
  }
  return failure ?? { error: null, bytes };
}

/**
 * Reads `length` bytes at `logical` from the first copy that answers; the bytes are not to be changed.
 * Throws EIO when every copy failed. It cannot see a wrong content: who can, reads mirror by mirror.
 */
export function* readLogical(
  fs: VolumeHost,
  logical: LogicalAddress,
  length: ByteCount,
  purpose: IoPurpose,
): Task<Uint8Array> {
  const copies = mirrorCount(fs, logical);
  const first = firstMirror(fs, logical);
  for (let tried = 0; tried < copies; tried++) {
    const result = yield* readMirror(fs, logical, length, (first + tried) % copies, purpose);
    if (result.error === null) return result.bytes;
  }
  throw new FsError('EIO', `read of ${length} bytes at logical ${logical} failed on ${copiesText(copies)}`);
}

function copiesText(copies: number): string {
  return copies === 0 ? 'no device: no chunk maps it' : copies === 1 ? 'the only copy' : `all ${copies} copies`;
}
