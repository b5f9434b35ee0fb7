import { expect, test } from 'vitest';
import { viewOf, writeU64 } from '../base/bytes.ts';
import { MIB } from '../base/units.ts';
import { runAtomically } from '../task/task.ts';
import { FixSet } from './fixes.ts';
import { SUPERBLOCK, sealSuperblock } from './format/superblock.ts';
import { type MakeFilesystemOptions, makeFilesystem } from './mkfs.ts';
import { mount, unmountCore } from './mount.ts';
import { MemoryWorld } from './testing/memory-world.ts';
import { commitTransaction } from './transaction/commit.ts';
import { startTransaction } from './transaction/handle.ts';

const SUPERBLOCK_AT = 65536;
const { fields } = SUPERBLOCK;

function freshWorld(): MemoryWorld {
  const world = new MemoryWorld([16 * MIB]);
  for (const { offset, bytes } of makeFilesystem({ devices: [16 * MIB] })) world.devices[0]!.write(offset, bytes);
  return world;
}

function mountWith(change: (view: DataView, bytes: Uint8Array) => void, readOnly = false) {
  const world = freshWorld();
  const bytes = world.devices[0]!.read(SUPERBLOCK_AT, 4096).slice();
  change(viewOf(bytes), bytes);
  world.devices[0]!.write(SUPERBLOCK_AT, bytes);
  return () => runAtomically(mount(world, { fixes: new FixSet([]), readOnly }));
}

test('a fresh file system mounts with its trees, groups and free space', () => {
  const fs = runAtomically(mount(freshWorld(), { fixes: new FixSet([]) }));
  expect(fs.trees.dataReloc).not.toBe(null);
  expect(fs.trees.freeSpace).not.toBe(null);
  const groups = fs.space.allGroups();
  expect(groups.length).toBe(3);
  for (const group of groups) expect(group.free.bytes + group.used + group.superblockBytes).toBe(group.length);
  expect(fs.space.usedBytes()).toBe(fs.superblock.bytesUsed);
});

test('a superblock that cannot be used is refused with every reason at once', () => {
  const broken = mountWith((view, bytes) => {
    view.setUint32(fields.incompatFlags.at, view.getUint32(fields.incompatFlags.at, true) | 0x80 | 0x1000, true);
    view.setUint32(fields.leafSize.at, 8192, true);
    writeU64(view, fields.logRoot.at, 4096);
    sealSuperblock(bytes);
  });
  expect(broken).toThrow(/EINVAL.*RAID56, ZONED.*leafsize 8192, expect the nodesize 4096.*log tree/);
});

test('no btrfs, a wrong checksum and a device without room are told apart', () => {
  expect(mountWith((_view, bytes) => bytes.fill(0))).toThrow(/EINVAL.*device 0: no btrfs superblock at 65536/);
  expect(mountWith((view) => view.setUint32(2000, 7, true))).toThrow(/EINVAL.*superblock checksum mismatch/);
  const tiny = new MemoryWorld([65536]);
  expect(() => runAtomically(mount(tiny, { fixes: new FixSet([]) }))).toThrow(/EINVAL.*no room/);
  const unreadable = freshWorld();
  unreadable.ioFailure = () => 'EIO';
  expect(() => runAtomically(mount(unreadable, { fixes: new FixSet([]) }))).toThrow(/EIO.*read of the superblock/);
});

test('an unknown compat_ro feature forbids writing, not reading', () => {
  const change = (view: DataView, bytes: Uint8Array) => {
    view.setUint32(fields.compatRoFlags.at, view.getUint32(fields.compatRoFlags.at, true) | 4, true);
    sealSuperblock(bytes);
  };
  expect(mountWith(change)).toThrow(/EINVAL.*VERITY/);
  const fs = mountWith(change, true)();
  expect(() => runAtomically(startTransaction(fs))).toThrow(/EROFS/);
  runAtomically(unmountCore(fs));
});

test('any single bit flipped in any tree block of the mount path is an error of the file system, never a fault', () => {
  const pristine = freshWorld();
  const blocks = [...pristine.devices[0]!.blocks.entries()].filter(([block]) => block !== 16);
  let refused = 0;
  for (const [block, bytes] of blocks) {
    const world = freshWorld();
    const flipped = bytes.slice();
    flipped[(block * 37) % 4096]! ^= 4;
    world.devices[0]!.write(block * 4096, flipped);
    try {
      runAtomically(mount(world, { fixes: new FixSet([]) }));
    } catch (error) {
      expect(error).toMatchObject({ name: 'FsError' });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(7);
});

test('a read-only mount commits and writes nothing', () => {
  const world = freshWorld();
  const fs = runAtomically(mount(world, { fixes: new FixSet([]), readOnly: true }));
  runAtomically(commitTransaction(fs));
  runAtomically(unmountCore(fs));
  expect(world.devices[0]!.log).toEqual([]);
});

const RAID1 = { devices: [16 * MIB, 16 * MIB], metadataProfile: 'raid1' } as const;

/** Disks of the file system that `options` makes, and blank ones behind them. */
function worldOf(options: MakeFilesystemOptions, spares: readonly number[] = []): MemoryWorld {
  const world = new MemoryWorld([...options.devices, ...spares]);
  for (const { device, offset, bytes } of makeFilesystem(options)) world.devices[device]!.write(offset, bytes);
  return world;
}

function changeSuperblock(
  world: MemoryWorld,
  index: number,
  change: (view: DataView, bytes: Uint8Array) => void,
): void {
  const bytes = world.devices[index]!.read(SUPERBLOCK_AT, 4096).slice();
  change(viewOf(bytes), bytes);
  sealSuperblock(bytes);
  world.devices[index]!.write(SUPERBLOCK_AT, bytes);
}

const membersOf = (world: MemoryWorld) =>
  runAtomically(mount(world, { fixes: new FixSet([]) }))
    .volume.devices()
    .map(({ id, block }) => [id, block!.index]);

test('a device whose id no item names is no member, nor is one without a superblock', () => {
  const world = worldOf(RAID1, [16 * MIB, 16 * MIB]);
  world.devices[2]!.write(SUPERBLOCK_AT, world.devices[1]!.read(SUPERBLOCK_AT, 4096));
  changeSuperblock(world, 2, (view) => writeU64(view, fields.deviceItem.at, 3));
  expect(membersOf(world)).toEqual([
    [1, 0],
    [2, 1],
  ]);
});

test('of two devices that say they are the same one, the newer counts; equally new ones are refused', () => {
  const world = worldOf(RAID1, [16 * MIB]);
  for (const [block, bytes] of world.devices[1]!.blocks) world.devices[2]!.write(block * 4096, bytes);
  expect(() => membersOf(world)).toThrow(/EINVAL.*two devices say they are devid 2: devices 1 and 2/);
  changeSuperblock(world, 1, (view) => writeU64(view, fields.generation.at, 0));
  expect(membersOf(world)).toEqual([
    [1, 0],
    [2, 2],
  ]);
});

test('devices of two file systems are refused', () => {
  const world = worldOf(RAID1);
  for (const { device, offset, bytes } of makeFilesystem({ ...RAID1, seed: 'other' })) {
    if (device === 1) world.devices[1]!.write(offset, bytes);
  }
  expect(() => membersOf(world)).toThrow(/EINVAL.*device 1 belongs to another file system than device 0/);
});

test('what no chunk covers is unallocated, but for the first MiB and the places of superblocks', () => {
  const world = worldOf({ devices: [72 * MIB], systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: 4 * MIB });
  const [device] = runAtomically(mount(world, { fixes: new FixSet([]) })).volume.devices();
  expect([...device!.unallocated.all()]).toEqual([
    { start: 8 * MIB, length: 56 * MIB },
    { start: 64 * MIB + 65536, length: 8 * MIB - 65536 },
  ]);
});
