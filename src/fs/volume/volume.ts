import { assert } from '../../base/assert.ts';
import type { DeviceId, LogicalAddress } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { Counter, World } from '../../task/world.ts';
import type { FixSet } from '../fixes.ts';
import { type Chunk, ChunkMap, endOf } from './chunk-map.ts';
import { type Device, type DeviceErrors, REPLACE_TARGET_ID } from './device.ts';
import { ReplaceState } from './replace-state.ts';

export { mirrorCount, readLogical, readMirror } from './logical-read.ts';
export {
  flushAllDevices,
  PendingWrite,
  repairMirror,
  submitDiscard,
  submitLogicalWrite,
  writeLogical,
} from './logical-write.ts';

/** Which chunks there are. Ids of single chunks are this plus their address. */
const CHUNK_MAP = resource('chunk-map', 0);
/** Which devices there are, and their ids. Far from the indices of devices. */
const DEVICE_LIST = resource('device', 2 ** 40);

/** The devices of one file system, and the map from logical addresses to them. */
export class Volume {
  readonly world: World;
  readonly replace: ReplaceState;
  /**
   * Mapped reads, writes and discards that have not completed (the kernel's bio_counter): the end of a device replace
   * waits until there are none, while new ones wait on `replace.unblocked`.
   */
  readonly ioUnderWay: Counter;
  private readonly chunkMap = new ChunkMap();
  private all: readonly Device[] = [];
  private members: readonly Device[] = [];

  constructor(world: World) {
    this.world = world;
    this.replace = new ReplaceState(world);
    this.ioUnderWay = world.counter('io-under-way', 0);
  }

  addDevice(device: Device): void {
    assert(!this.all.includes(device), 'a device is added once', { id: device.id });
    this.all = [...this.all, device];
    this.reorderDevices();
  }

  removeDevice(device: Device): void {
    assert(this.all.includes(device), 'only a known device is removed', { id: device.id });
    this.all = this.all.filter((other) => other !== device);
    this.reorderDevices();
  }

  /** To be called in the same atomic step as a change of ids. */
  reorderDevices(): void {
    this.world.touch(DEVICE_LIST, 'write');
    this.all = [...this.all].sort((a, b) => a.id - b.id);
    this.members = this.all.filter(({ id }) => id !== REPLACE_TARGET_ID);
  }

  /** The members by ascending id, missing ones too, the target of a replace not. */
  devices(): readonly Device[] {
    this.world.touch(DEVICE_LIST, 'read');
    return this.members;
  }

  /** As `devices`, with the target of a replace in front. */
  allDevices(): readonly Device[] {
    this.world.touch(DEVICE_LIST, 'read');
    return this.all;
  }

  device(id: DeviceId): Device {
    const device = this.findDevice(id);
    assert(device !== null, 'a device id that was checked is known', { id });
    return device;
  }

  findDevice(id: DeviceId): Device | null {
    return this.allDevices().find((device) => device.id === id) ?? null;
  }

  /** By the world's index; null where the disk belongs to no device of the file system. */
  findDeviceByIndex(index: number): Device | null {
    return this.allDevices().find(({ block }) => block !== null && block.index === index) ?? null;
  }

  addChunk(chunk: Chunk): void {
    this.world.touch(CHUNK_MAP, 'write');
    this.world.touch(CHUNK_MAP + chunk.logical, 'write');
    this.chunkMap.insert(chunk);
  }

  removeChunk(logical: LogicalAddress): void {
    this.world.touch(CHUNK_MAP, 'write');
    this.world.touch(CHUNK_MAP + logical, 'write');
    this.chunkMap.remove(logical);
  }

  /** The chunk that holds `logical`, or null. */
  chunkAt(logical: LogicalAddress): Chunk | null {
    const chunk = this.chunkMap.find(logical);
    this.world.touch(chunk === null ? CHUNK_MAP : CHUNK_MAP + chunk.logical, 'read');
    return chunk;
  }

  /** In logical order; may change under whoever keeps it across a suspension. */
  chunks(): readonly Chunk[] {
    this.world.touch(CHUNK_MAP, 'read');
    return this.chunkMap.all();
  }

  /** Where the next chunk goes: a removed chunk's address comes back only if it was the last. */
  endOfLastChunk(): LogicalAddress {
    const last = this.chunks().at(-1);
    return last === undefined ? 0 : endOf(last);
  }

  /** From now on, I/O to this stripe goes to another device, at the same place. */
  moveStripe(chunk: Chunk, stripe: number, device: Device): void {
    this.world.touch(CHUNK_MAP + chunk.logical, 'write');
    chunk.stripes[stripe]!.device = device;
  }

  countError(device: Device, kind: keyof DeviceErrors): void {
    this.world.touch(device.resource, 'update');
    device.errors[kind]++;
  }
}

/** What the I/O of a volume needs of a file system. */
export interface VolumeHost {
  readonly volume: Volume;
  readonly fixes: FixSet;
  readonly mutations: ReadonlySet<string>;
  /** By mount option, or since an abort: then nothing is repaired either. */
  readonly isReadOnly: boolean;
}
