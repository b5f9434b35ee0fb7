import { describe, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { KIB, MIB } from '../src/base/units.ts';
import { FsError } from '../src/fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import type { MakeProfileName } from '../src/fs/mkfs/profiles.ts';
import { makeFilesystem } from '../src/fs/mkfs.ts';
import * as syscalls from '../src/fs/syscalls.ts';
import { endOf } from '../src/fs/volume/chunk-map.ts';
import { copiesOf, profileNamed } from '../src/fs/volume/profiles.ts';
import { piecesOf } from '../src/fs/volume/stripe-mapping.ts';
import type { FaultRule } from '../src/inject/fault-rule.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import type { World } from '../src/task/world.ts';

/**
 * Goal: a read survives as many bad copies as the profile says, and leaves good ones behind. Method: damage copies on
 * the disks of a file system at rest, or let reads fail, read everything, and compare the copies afterwards.
 */
const SIZE = 32 * MIB;
const FILE_BYTES = 96 * KIB;
const PROFILES = ['dup', 'raid1', 'raid1c3', 'raid1c4'] as const;

function disksOf(metadataProfile: MakeProfileName, dataProfile: MakeProfileName, count = 4): BlockTable[] {
  const sizes = new Array<number>(count).fill(SIZE);
  const disks = sizes.map((size) => new BlockTable(size));
  for (const { device, offset, bytes } of makeFilesystem({ devices: sizes, metadataProfile, dataProfile })) {
    disks[device]!.write(offset, bytes);
  }
  return disks;
}

const CONTENT = Uint8Array.from({ length: FILE_BYTES }, (_, index) => (index * 13 + (index >> 12) * 101) & 255);

function* writeFiles(fs: MountedFilesystem): Task<void> {
  for (let file = 0; file < 30; file++) {
    yield* syscalls.create(fs, `/small-${file}`);
    yield* syscalls.write(fs, `/small-${file}`, 0, CONTENT.slice(file * KIB, (file + 1) * KIB));
  }
  yield* syscalls.create(fs, '/big');
  yield* syscalls.write(fs, '/big', 0, CONTENT, { direct: true });
}

function* readFiles(fs: MountedFilesystem, direct: boolean): Task<void> {
  for (let file = 0; file < 30; file++) {
    const bytes = yield* syscalls.read(fs, `/small-${file}`, 0, KIB);
    expect(sameBytes(bytes, CONTENT.slice(file * KIB, (file + 1) * KIB))).toBe(true);
  }
  const big = yield* syscalls.read(fs, '/big', 0, FILE_BYTES, { direct });
  expect(sameBytes(big, CONTENT)).toBe(true);
}

interface RunOptions {
  readonly readOnly?: boolean;
  readonly degraded?: boolean;
  readonly rules?: readonly FaultRule[];
  readonly keepMounted?: boolean;
}

/** Mounts the disks, works, unmounts; the disks afterwards. */
function runOn(
  disks: readonly BlockTable[],
  work: (fs: MountedFilesystem) => Task<void>,
  options: RunOptions = {},
): BlockTable[] {
  const { rules = [], keepMounted = false, ...mountOptions } = options;
  const world = new SimulatedWorld({ devices: disks, rules });
  function* main(own: World): Task<void> {
    const fs = yield* mountFilesystem(own, { fixes: allFixes(), ...mountOptions });
    world.beginExploration();
    yield* work(fs);
    world.endExploration();
    if (!keepMounted) yield* unmountFilesystem(fs);
  }
  world.execute(main);
  return world.devices.map((device) => device.visible());
}

/** Complements every sector that is not zero of one copy of each chunk of the types; returns how many. */
function damage(fs: MountedFilesystem, disks: readonly BlockTable[], types: number, mirror: number): number {
  let sectors = 0;
  for (const chunk of fs.info.volume.chunks()) {
    if ((chunk.flags & types) === 0) continue;
    for (const { stripe, physical, length } of piecesOf(chunk, chunk.logical, endOf(chunk) - chunk.logical, mirror)) {
      const disk = disks[stripe.device.block!.index]!;
      for (let at = physical; at < physical + length; at += 4 * KIB) {
        const bytes = disk.read(at, 4 * KIB);
        if (bytes.every((byte) => byte === 0)) continue;
        disk.write(
          at,
          bytes.map((byte) => ~byte),
        );
        sectors++;
      }
    }
  }
  return sectors;
}

/** Reads where the chunks lie; the disks stay as they are. */
function layoutOf(disks: readonly BlockTable[]): MountedFilesystem {
  let found: MountedFilesystem | null = null;
  runOn(
    disks,
    function* keep(fs) {
      found = fs;
    },
    { readOnly: true },
  );
  return found!;
}

/** Sectors of chunks of the types that differ between their first copy and another. */
function differences(fs: MountedFilesystem, disks: readonly BlockTable[], types: number): number {
  let count = 0;
  for (const chunk of fs.info.volume.chunks()) {
    if ((chunk.flags & types) === 0) continue;
    const copies = Array.from({ length: copiesOf(chunk) }, (_, mirror) => {
      const [piece] = piecesOf(chunk, chunk.logical, chunk.length, mirror);
      return { disk: disks[piece!.stripe.device.block!.index]!, physical: piece!.physical };
    });
    for (let at = 0; at < chunk.length; at += 4 * KIB) {
      const [first, ...others] = copies.map(({ disk, physical }) => disk.read(physical + at, 4 * KIB));
      for (const other of others) if (!sameBytes(first!, other)) count++;
    }
  }
  return count;
}

const DATA = 1;
const METADATA = 2 + 4;

describe.each(PROFILES)('%s', (name) => {
  const clean = runOn(disksOf(name, name), writeFiles);
  const layout = layoutOf(clean);
  const { copies } = profileNamed(name)!;
  const snapshot = () => clean.map((disk) => disk.snapshot());

  test('copies are alike to begin with', () => {
    expect(differences(layout, clean, DATA + METADATA)).toBe(0);
  });

  for (let mirror = 0; mirror < copies; mirror++) {
    test(`data of which copy ${mirror + 1} is damaged reads right, and is right everywhere afterwards`, () => {
      for (const direct of [false, true]) {
        const disks = snapshot();
        expect(damage(layout, disks, DATA, mirror)).toBeGreaterThan(20);
        const repaired = runOn(disks, (fs) => readFiles(fs, direct));
        // A copy that no read begins with is a matter for a scrub.
        const left = differences(layout, repaired, DATA);
        if (mirror === 0) expect(left).toBe(0);
        else expect(left).toBeGreaterThan(20);
      }
    });

    test(`tree blocks of which copy ${mirror + 1} is damaged read right`, () => {
      const disks = snapshot();
      expect(damage(layout, disks, METADATA, mirror)).toBeGreaterThan(5);
      const repaired = runOn(disks, (fs) => readFiles(fs, true));
      if (mirror === 0) runOn(repaired, (fs) => readFiles(fs, true), { readOnly: true });
    });
  }

  test('all copies but the last may be damaged, and reading repairs each', () => {
    const disks = snapshot();
    for (let mirror = 0; mirror < copies - 1; mirror++) damage(layout, disks, DATA, mirror);
    const repaired = runOn(disks, (fs) => readFiles(fs, true));
    expect(differences(layout, repaired, DATA)).toBe(0);
  });

  test('without a good copy the read fails and repairs nothing', () => {
    const disks = snapshot();
    for (let mirror = 0; mirror < copies; mirror++) damage(layout, disks, DATA, mirror);
    const before = disks.map((disk) => disk.snapshot());
    runOn(
      disks,
      function* expectError(fs) {
        let code = '';
        try {
          yield* syscalls.read(fs, '/big', 0, 4 * KIB, { direct: true });
        } catch (error) {
          if (!(error instanceof FsError)) throw error;
          code = error.code;
          expect(error.message).toMatch(new RegExp(`mirror 1.*mirror ${copies}`));
        }
        expect(code).toBe('EIO');
      },
      { readOnly: true },
    );
    expect(disks.map(({ fingerprint }) => fingerprint)).toEqual(before.map(({ fingerprint }) => fingerprint));
  });

  test('a read-only mount reads around the damage and writes nothing', () => {
    const disks = snapshot();
    damage(layout, disks, DATA + METADATA, 0);
    const before = disks.map(({ fingerprint }) => fingerprint);
    const left = runOn(disks, (fs) => readFiles(fs, true), { readOnly: true });
    expect(left.map(({ fingerprint }) => fingerprint)).toEqual(before);
  });

  test('a failing read of the first device is made good by the others, and counted', () => {
    if (name === 'dup') return;
    const { stripes } = layout.info.volume.chunks().find(({ flags }) => (flags & DATA) !== 0)!;
    const { id, block } = stripes[0]!.device;
    const rules: FaultRule[] = [
      { name: 'bad disk', when: { device: block!.index, operation: 'read' }, then: { kind: 'fail', errno: 'EIO' } },
    ];
    runOn(
      snapshot(),
      function* work(fs) {
        yield* readFiles(fs, true);
        expect(fs.info.volume.device(id).errors.read).toBeGreaterThan(0);
      },
      { rules },
    );
  });
});

test('two copies that are bad in different sectors make one good read', () => {
  const clean = runOn(disksOf('raid1', 'raid1', 2), writeFiles);
  const layout = layoutOf(clean);
  const chunk = layout.info.volume.chunks().find(({ flags }) => (flags & DATA) !== 0)!;
  for (let bad = 0; bad < FILE_BYTES / (4 * KIB); bad++) {
    const at = piecesOf(chunk, chunk.logical, chunk.length, bad % 2)[0]!;
    // Small files come first in the chunk, or not at all: damage every second sector of either copy all over.
    for (let sector = bad % 2; sector < 128; sector += 2) {
      clean[at.stripe.device.block!.index]!.write(
        at.physical + sector * 4 * KIB,
        new Uint8Array(4 * KIB).fill(bad + 1),
      );
    }
  }
  runOn(clean, function* work(fs) {
    yield* readFiles(fs, false);
    yield* syscalls.dropCaches(fs);
    yield* readFiles(fs, true);
  });
});

describe('a missing device', () => {
  test.each(['raid1', 'raid1c3', 'raid1c4'] as const)(
    '%s reads and writes degraded; the device that comes back is repaired by reading',
    (name) => {
      const clean = runOn(disksOf(name, name), writeFiles);
      const lost = clean.map((disk, index) => (index === 0 ? new BlockTable(SIZE) : disk.snapshot()));
      const degraded = runOn(
        lost,
        function* work(fs) {
          yield* readFiles(fs, true);
          expect(fs.info.volume.device(1).isMissing).toBe(true);
          yield* syscalls.create(fs, '/new');
          yield* syscalls.write(fs, '/new', 0, CONTENT, { direct: true });
          yield* syscalls.write(fs, '/big', 0, CONTENT.slice(0, 8 * KIB), { direct: true });
        },
        { degraded: true },
      );
      const back = degraded.map((disk, index) => (index === 0 ? clean[0]! : disk));
      runOn(back, function* work(fs) {
        yield* readFiles(fs, true);
        expect(sameBytes(yield* syscalls.read(fs, '/new', 0, FILE_BYTES, { direct: true }), CONTENT)).toBe(true);
      });
    },
  );
});
