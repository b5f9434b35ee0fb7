import { assert } from '../../base/assert.ts';
import type { Errno } from '../../base/errno.ts';
import { type ByteCount, type DeviceId, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import { Completed, type Task } from '../../task/task.ts';
import type { BlockDevice, IoPurpose, IoResult, PendingIo, World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import { type Chunk, ChunkMap, copiesOf, failedCopiesTolerated, mapToStripe } from './chunk-map.ts';

const CHUNK_MAP = resource('chunk-map', 0);

/** The devices of one file system by device id, and the map from logical addresses to them. */
export class Volume {
  readonly world: World;
  private readonly chunkMap = new ChunkMap();
  private readonly devices: (BlockDevice | undefined)[] = [];
  private ids: readonly DeviceId[] = [];

  constructor(world: World) {
    this.world = world;
  }

  addDevice(id: DeviceId, device: BlockDevice): void {
    this.devices[id] = device;
    this.ids = this.devices.flatMap((other, otherId) => (other === undefined ? [] : [otherId]));
  }

  device(id: DeviceId): BlockDevice {
    const device = this.devices[id];
    assert(device !== undefined, 'a stripe lies on a known device', { id });
    return device;
  }

  /** Ascending device ids. */
  deviceIds(): readonly DeviceId[] {
    return this.ids;
  }

  hasDevice(id: DeviceId): boolean {
    return this.devices[id] !== undefined;
  }

  addChunk(chunk: Chunk): void {
    this.world.touch(CHUNK_MAP, 'write');
    this.chunkMap.insert(chunk);
  }

  removeChunk(logical: LogicalAddress): void {
    this.world.touch(CHUNK_MAP, 'write');
    this.chunkMap.remove(logical);
  }

  /** The chunk that holds `logical`, or null. */
  chunkAt(logical: LogicalAddress): Chunk | null {
    this.world.touch(CHUNK_MAP, 'read');
    return this.chunkMap.find(logical);
  }

  chunks(): readonly Chunk[] {
    this.world.touch(CHUNK_MAP, 'read');
    return this.chunkMap.all();
  }
}

/** What the functions below need of a file system. */
export interface VolumeHost {
  readonly volume: Volume;
}

/** How many copies of the byte at `logical` there are to read from; 0 where nothing is mapped. */
export function mirrorCount(fs: VolumeHost, logical: LogicalAddress): number {
  const chunk = fs.volume.chunkAt(logical);
  return chunk === null ? 0 : copiesOf(chunk);
}

/**
 * Reads one copy (`mirror` from 0). EIO for a range that is not of whole sectors, leaves its chunk, or is not mapped:
 * what a corrupt pointer may ask for.
 */
export function readMirror(
  fs: VolumeHost,
  logical: LogicalAddress,
  length: ByteCount,
  mirror: number,
  purpose: IoPurpose,
): Task<IoResult> {
  const chunk = fs.volume.chunkAt(logical);
  if (chunk === null || logical + length > chunk.logical + chunk.length) return UNMAPPED;
  if (logical % SECTOR_SIZE !== 0 || length % SECTOR_SIZE !== 0) return UNMAPPED;
  const { device, physical } = mapToStripe(chunk, logical, length, mirror);
  return fs.volume.device(device).perform({ operation: 'read', offset: physical, length, purpose, logical });
}

const UNMAPPED: Task<IoResult> = new Completed<IoResult>({ error: 'EIO' });

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
  for (let mirror = 0; mirror < copies; mirror++) {
    const result = yield* readMirror(fs, logical, length, mirror, purpose);
    if (result.error === null) return result.bytes;
  }
  throw new FsError('EIO', `read of ${length} bytes at logical ${logical} failed on ${copiesText(copies)}`);
}

function copiesText(copies: number): string {
  return copies === 0 ? 'no device: no chunk maps it' : copies === 1 ? 'the only copy' : `all ${copies} copies`;
}

/** Writes of one logical range, under way on every copy. */
export class PendingWrite {
  private readonly pending: readonly PendingIo[];
  private readonly failuresTolerated: number;

  constructor(pending: readonly PendingIo[], failuresTolerated: number) {
    this.pending = pending;
    this.failuresTolerated = failuresTolerated;
  }

  /** Waits for all copies. Null when no more of them failed than the profile tolerates, else the first error. */
  *wait(): Task<Errno | null> {
    let failures = 0;
    let firstError: Errno | null = this.pending.length === 0 ? 'EIO' : null;
    for (const io of this.pending) {
      const result = yield* io.wait();
      if (result.error === null) continue;
      failures++;
      firstError ??= result.error;
    }
    return failures <= this.failuresTolerated && this.pending.length > 0 ? null : firstError;
  }
}

/** Submits the write to every copy and returns without waiting, so that many can be in flight. */
export function* submitLogicalWrite(
  fs: VolumeHost,
  logical: LogicalAddress,
  bytes: Uint8Array,
  purpose: IoPurpose,
): Task<PendingWrite> {
  const chunk = fs.volume.chunkAt(logical);
  if (chunk === null || logical + bytes.length > chunk.logical + chunk.length) return NOTHING_PENDING;
  const pending: PendingIo[] = [];
  const copies = copiesOf(chunk);
  for (let mirror = 0; mirror < copies; mirror++) {
    const { device, physical, length } = mapToStripe(chunk, logical, bytes.length, mirror);
    const request = { operation: 'write', offset: physical, length, bytes, purpose, logical } as const;
    pending.push(yield* fs.volume.device(device).submit(request));
  }
  return new PendingWrite(pending, failedCopiesTolerated(chunk));
}

const NOTHING_PENDING = new PendingWrite([], 0);

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

/** Flushes the volatile cache of every device; null, or the first errno. */
export function* flushAllDevices(fs: VolumeHost): Task<Errno | null> {
  const pending: PendingIo[] = [];
  for (const id of fs.volume.deviceIds()) pending.push(yield* fs.volume.device(id).submit(FLUSH));
  let firstError: Errno | null = null;
  for (const io of pending) {
    const result = yield* io.wait();
    firstError ??= result.error;
  }
  return firstError;
}

const FLUSH = { operation: 'flush', offset: 0, length: 0, purpose: { kind: 'superblock' } } as const;
