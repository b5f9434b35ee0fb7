import type { ByteCount } from '../../base/units.ts';
import { KIB, MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { FIXES, FixSet } from '../fixes.ts';
import { BLOCK_GROUP_FLAG } from '../format/block-group.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../mkfs.ts';
import { mount } from '../mount.ts';
import type { BlockGroup } from '../space/block-group.ts';
import { allocateChunk, createPendingBlockGroups } from '../transaction/chunk-allocation.ts';
import type { FsInfo, FsOptions } from '../transaction/fs-info.ts';
import { joinTransaction, leaveTransaction, type TransactionHandle } from '../transaction/handle.ts';
import { MemoryWorld } from './memory-world.ts';

/** What tests of chunk life share: file systems with small chunks in a world of one task. */
export const SMALL_CHUNKS = { system: 256 * KIB, metadata: MIB, data: MIB } as const;

export function worldWith(options: Partial<MakeFilesystemOptions> = {}): MemoryWorld {
  const devices = options.devices ?? [16 * MIB];
  const world = new MemoryWorld(devices);
  const sizes = { systemBytes: 256 * KIB, metadataBytes: MIB, dataBytes: MIB };
  for (const { device, offset, bytes } of makeFilesystem({ ...sizes, ...options, devices })) {
    world.devices[device]!.write(offset, bytes);
  }
  return world;
}

export interface BenchOptions extends Partial<Omit<FsOptions, 'fixes' | 'mutations'>> {
  /** Switches that are off; all others are on. */
  readonly off?: readonly string[];
  readonly mutations?: readonly string[];
}

export function mountOn(world: MemoryWorld, { off = [], mutations = [], ...options }: BenchOptions = {}): FsInfo {
  const fixes = new FixSet(FIXES.map(({ id }) => id).filter((id) => !off.includes(id)));
  return runAtomically(mount(world, { chunkSizes: SMALL_CHUNKS, ...options, fixes, mutations: new Set(mutations) }));
}

/** Runs `body` in a handle that it need not end. */
export function inHandle<T>(fs: FsInfo, body: (handle: TransactionHandle) => T): T {
  const handle = runAtomically(joinTransaction(fs));
  try {
    return body(handle);
  } finally {
    leaveTransaction(handle);
  }
}

/** Both phases of the allocation of a chunk. */
export function addChunkOf(fs: FsInfo, type: number = BLOCK_GROUP_FLAG.DATA): BlockGroup {
  return inHandle(fs, (handle) => {
    const group = runAtomically(allocateChunk(handle, type));
    runAtomically(createPendingBlockGroups(handle));
    return group;
  });
}

/** Bytes of all devices that no chunk takes. */
export function unallocatedBytes(fs: FsInfo): ByteCount {
  return fs.volume.devices().reduce((sum, device) => sum + device.unallocated.bytes, 0);
}
