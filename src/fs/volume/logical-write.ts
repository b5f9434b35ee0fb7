import type { Errno } from '../../base/errno.ts';
import type { ByteCount, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { BlockDevice, Held, IoPurpose, IoRequest, PendingIo } from '../../task/world.ts';
import { type Chunk, endOf } from './chunk-map.ts';
import { type Device, REPLACE_TARGET_ID } from './device.ts';
import { chunkBeyondHelp, copiesOf, profileOf } from './profiles.ts';
import { DEVICE_REPLACE } from './replace-state.ts';
import { type Piece, piecesOf, rangesOf } from './stripe-mapping.ts';
import type { Volume, VolumeHost } from './volume.ts';

const DATA = { kind: 'data' } as const;

/** A request to one device, not yet submitted. */
interface Wish {
  readonly device: Device;
  readonly block: BlockDevice;
  readonly request: IoRequest;
  /** The second copy that goes to the target of a device replace: it may fail. */
  readonly isForTarget: boolean;
}

/** A mapped write or discard: what goes where, and how many copies have no device to go to. */
interface Plan {
  readonly wishes: Wish[];
  missing: number;
  /** A device replace runs, and its lock is held: what goes to the source may have to go to the target too. */
  readonly isReplacing: boolean;
}

/** Writes (or discards) of one logical range, under way on every copy. */
export class PendingWrite {
  private readonly volume: Volume;
  private readonly wishes: readonly Wish[];
  /** One for each wish, in the same order. */
  private readonly pending: readonly PendingIo[];
  private readonly missing: number;
  private readonly failuresTolerated: number;

  constructor(volume: Volume, plan: Plan, pending: readonly PendingIo[], failuresTolerated: number) {
    this.volume = volume;
    this.wishes = plan.wishes;
    this.pending = pending;
    this.missing = plan.missing;
    this.failuresTolerated = failuresTolerated;
  }

  /**
   * Waits for all copies. Null when no more of them failed or were missing than the profile tolerates, else the first
   * error. The copy on the target of a device replace does not count: without it the source is as good as before.
   */
  *wait(): Task<Errno | null> {
    let failures = this.missing;
    let firstError: Errno | null = null;
    for (let index = 0; index < this.pending.length; index++) {
      const result = yield* this.pending[index]!.wait();
      if (result.error === null) continue;
      const wish = this.wishes[index]!;
      this.volume.countError(wish.device, 'write');
      // A target that has taken the place of its source meanwhile holds the copy that counts.
      if (wish.isForTarget && wish.device.id === REPLACE_TARGET_ID) this.countTargetError();
      else {
        failures++;
        firstError ??= result.error;
      }
    }
    return failures <= this.failuresTolerated ? null : (firstError ?? 'EIO');
  }

  private countTargetError(): void {
    this.volume.world.touch(DEVICE_REPLACE, 'update');
    this.volume.replace.writeErrors++;
  }
}

/** Submits the write to every copy and returns without waiting, so that many can be in flight. */
export function* submitLogicalWrite(
  fs: VolumeHost,
  logical: LogicalAddress,
  bytes: Uint8Array,
  purpose: IoPurpose,
): Task<PendingWrite> {
  const { volume } = fs;
  if (purpose.kind === 'data') yield* volume.world.point('data-write-submit');
  const replaceLock = yield* beginMapping(volume);
  try {
    const chunk = volume.chunkAt(logical);
    if (chunk === null || logical + bytes.length > endOf(chunk)) return new PendingWrite(volume, UNMAPPED, [], 0);
    const plan: Plan = { wishes: [], missing: 0, isReplacing: replaceLock !== null };
    planWrite(fs, plan, chunk, logical, bytes, purpose);
    if (replaceLock !== null) yield* volume.world.point('replace-write-mapped');
    const pending = yield* submitAll(volume, plan.wishes);
    return new PendingWrite(volume, plan, pending, profileOf(chunk.flags).failuresTolerated);
  } finally {
    if (replaceLock !== null) replaceLock.release();
  }
}

/** The one copy there is has no place. */
const UNMAPPED: Plan = { wishes: [], missing: 1, isReplacing: false };

/**
 * Waits while the devices of a finished replace are being swapped, and takes the lock of one that runs, so that it
 * neither ends nor moves on before the requests that follow from its state are with the devices. Null when none runs.
 */
function* beginMapping({ replace }: Volume): Task<Held | null> {
  for (;;) {
    while (replace.isBlockingIo) yield* replace.unblocked.wait();
    if (!replace.isRunning) return null;
    const held = yield* replace.lock.acquire('shared');
    if (!replace.isBlockingIo) return held;
    held.release();
  }
}

/** Counts everything as under way at once: none may be submitted after the end of a replace has found none. */
function* submitAll(volume: Volume, wishes: readonly Wish[]): Task<PendingIo[]> {
  const pending: PendingIo[] = [];
  if (wishes.length > 0) volume.ioUnderWay.add(wishes.length);
  for (const { block, request } of wishes) pending.push(yield* block.submit(request));
  return pending;
}

function planWrite(
  fs: VolumeHost,
  plan: Plan,
  chunk: Chunk,
  logical: LogicalAddress,
  bytes: Uint8Array,
  purpose: IoPurpose,
): void {
  const copies = purpose.kind === 'data' && fs.mutations.has('write-first-mirror-only') ? 1 : copiesOf(chunk);
  for (let mirror = 0; mirror < copies; mirror++) {
    for (const piece of piecesOf(chunk, logical, bytes.length, mirror)) {
      const { at, length } = piece;
      addWishes(fs, plan, piece, {
        operation: 'write',
        offset: piece.physical,
        length,
        bytes: length === bytes.length ? bytes : bytes.subarray(at, at + length),
        purpose,
        logical: logical + at,
        countedBy: fs.volume.ioUnderWay,
      });
    }
  }
}

/** The request for the stripe's device, and its double for the target of a replace. */
function addWishes(fs: VolumeHost, plan: Plan, { stripe: { device } }: Piece, request: IoRequest): void {
  if (device.block === null) plan.missing++;
  else plan.wishes.push({ device, block: device.block, request, isForTarget: false });
  if (!plan.isReplacing) return;
  const { replace } = fs.volume;
  if (!replace.isRunning || device !== replace.source) return;
  const target = replace.target!;
  if (target.block === null || !isForTarget(fs, request)) return;
  plan.wishes.push({ device: target, block: target.block, request, isForTarget: true });
}

/** Without the fix (model M1, docs/FIXES.md) a write goes to the target only where the copy has passed. */
function isForTarget(fs: VolumeHost, { offset, length }: IoRequest): boolean {
  if (fs.fixes.isOn('duplicate-writes-while-replacing')) return true;
  fs.volume.world.touch(DEVICE_REPLACE, 'read');
  return offset + length <= fs.volume.replace.cursorLeft;
}

/** Submits and waits. Null, or the errno when more copies failed than the profile tolerates. */
export function* writeLogical(
  fs: VolumeHost,
  logical: LogicalAddress,
  bytes: Uint8Array,
  purpose: IoPurpose,
): Task<Errno | null> {
  const write = yield* submitLogicalWrite(fs, logical, bytes, purpose);
  return yield* write.wait();
}

/**
 * Discards a logical range on all copies, and on the target of a device replace. What no chunk maps is left out, and so
 * are missing devices. Its `wait` gives the first error: a discard is advice, so none is tolerated and none matters.
 */
export function* submitDiscard(fs: VolumeHost, logical: LogicalAddress, length: ByteCount): Task<PendingWrite> {
  const { volume } = fs;
  const replaceLock = yield* beginMapping(volume);
  try {
    const plan: Plan = { wishes: [], missing: 0, isReplacing: replaceLock !== null };
    planDiscard(fs, plan, logical, length);
    plan.missing = 0;
    return new PendingWrite(volume, plan, yield* submitAll(volume, plan.wishes), 0);
  } finally {
    if (replaceLock !== null) replaceLock.release();
  }
}

function planDiscard(fs: VolumeHost, plan: Plan, logical: LogicalAddress, length: ByteCount): void {
  for (const chunk of fs.volume.chunks()) {
    const start = Math.max(logical, chunk.logical);
    const end = Math.min(logical + length, endOf(chunk));
    if (start >= end) continue;
    for (let mirror = 0; mirror < copiesOf(chunk); mirror++) {
      for (const range of rangesOf(chunk, start, end - start, mirror)) {
        addWishes(fs, plan, range, {
          operation: 'discard',
          offset: range.physical,
          length: range.length,
          purpose: DATA,
          logical: start + range.at,
          countedBy: fs.volume.ioUnderWay,
        });
      }
    }
  }
}

/**
 * Writes good bytes over one copy and waits. The errno of the write, EIO where the copy has no device or no longer
 * exists. The target of a device replace gets its copy from a good mirror, not from here.
 */
export function* repairMirror(
  fs: VolumeHost,
  logical: LogicalAddress,
  bytes: Uint8Array,
  mirror: number,
  purpose: IoPurpose,
): Task<Errno | null> {
  const { volume } = fs;
  while (volume.replace.isBlockingIo) yield* volume.replace.unblocked.wait();
  const chunk = volume.chunkAt(logical);
  if (chunk === null || logical + bytes.length > endOf(chunk) || mirror >= copiesOf(chunk)) return 'EIO';
  const plan: Plan = { wishes: [], missing: 0, isReplacing: false };
  for (const { stripe, physical, at, length } of piecesOf(chunk, logical, bytes.length, mirror)) {
    const { device } = stripe;
    if (device.block === null) return 'EIO';
    const part = bytes.subarray(at, at + length);
    const countedBy = volume.ioUnderWay;
    const request = { operation: 'write', offset: physical, length, bytes: part, purpose, logical, countedBy } as const;
    plan.wishes.push({ device, block: device.block, request, isForTarget: false });
  }
  const write = new PendingWrite(volume, plan, yield* submitAll(volume, plan.wishes), 0);
  return yield* write.wait();
}

const FLUSH = { operation: 'flush', offset: 0, length: 0, purpose: { kind: 'superblock' } } as const;

/**
 * Flushes the volatile cache of every device that is there. Null while each chunk can do without the devices whose
 * flush failed and those that are missing, else the first errno.
 */
export function* flushAllDevices(fs: VolumeHost): Task<Errno | null> {
  const { volume } = fs;
  const pending: { readonly device: Device; readonly io: PendingIo }[] = [];
  for (const device of volume.allDevices()) {
    if (device.block !== null) pending.push({ device, io: yield* device.block.submit(FLUSH) });
  }
  const failed = new Set<Device>();
  let firstError: Errno | null = null;
  for (const { device, io } of pending) {
    const result = yield* io.wait();
    if (result.error === null) continue;
    volume.countError(device, 'flush');
    failed.add(device);
    firstError ??= result.error;
  }
  if (firstError === null) return null;
  const lost = chunkBeyondHelp(volume.chunks(), (device) => device.isMissing || failed.has(device));
  return lost === null ? null : firstError;
}
