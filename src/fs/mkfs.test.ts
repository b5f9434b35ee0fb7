import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shellOnItsOwn } from '../../tests/support/loop-filesystem.ts';
import { MIB } from '../base/units.ts';
import { placeChunks } from './mkfs/chunk-placement.ts';
import { checkOptions } from './mkfs/options.ts';
import { type DiskWrite, MakeFilesystemError, type MakeFilesystemOptions, makeFilesystem } from './mkfs.ts';

const hasCheck = spawnSync('btrfs', ['--version']).status === 0;
const noKernelBecause = whyNoKernel();

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-mkfs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NODE_SIZES = [4096, 8192, 16384, 32768, 65536];
const DEVICE_SIZES = [16, 64, 128, 256].map((size) => size * MIB);

describe.skipIf(!hasCheck)('btrfs check (skipped without btrfs-progs)', () => {
  for (const nodeSize of NODE_SIZES) {
    for (const metadataProfile of ['single', 'dup'] as const) {
      test(`finds nothing at ${nodeSize}, ${metadataProfile}, on devices of 16 to 256 MiB`, () => {
        for (const size of DEVICE_SIZES) {
          expect(check(imageOf({ devices: [size], nodeSize, metadataProfile }))).toBe('clean');
        }
      });
    }
  }

  test('finds nothing without a free space tree, with a label, and on the smallest device', () => {
    expect(check(imageOf({ devices: [16 * MIB], freeSpaceTree: false }))).toBe('clean');
    expect(check(imageOf({ devices: [16 * MIB], label: 'größer' }))).toBe('clean');
    expect(check(imageOf({ devices: [4 * MIB] }))).toBe('clean');
  });

  test('finds nothing with mixed block groups, a block group tree, and items for holes', () => {
    expect(check(imageOf({ devices: [32 * MIB], mixed: true }))).toBe('clean');
    expect(check(imageOf({ devices: [64 * MIB], mixed: true, metadataProfile: 'dup', dataProfile: 'dup' }))).toBe(
      'clean',
    );
    expect(check(imageOf({ devices: [64 * MIB], blockGroupTree: true, nodeSize: 16384 }))).toBe('clean');
    expect(check(imageOf({ devices: [64 * MIB], noHoles: false }))).toBe('clean');
  });

  test('finds nothing where chunks must go around the superblock mirror', () => {
    const image = imageOf({
      devices: [256 * MIB],
      metadataProfile: 'dup',
      metadataBytes: 40 * MIB,
      dataBytes: 60 * MIB,
    });
    expect(check(image)).toBe('clean');
  });

  test('finds nothing where a block group is full from the start', () => {
    expect(check(imageOf({ devices: [16 * MIB], systemBytes: 8192, metadataBytes: 65536, dataBytes: 4096 }))).toBe(
      'clean',
    );
  });

  test('does find a changed byte in each tree block', () => {
    const options = { devices: [16 * MIB] };
    for (const { offset } of makeFilesystem(options).slice(0, -1)) {
      const image = imageOf(options);
      const file = openSync(image, 'r+');
      writeSync(file, Uint8Array.of(0xff), 0, 1, offset + 2000);
      closeSync(file);
      expect(check(image)).not.toBe('clean');
    }
  });

  test('knows the uuids and the label of what was made', () => {
    const text = run('btrfs', ['inspect-internal', 'dump-super', imageOf({ devices: [16 * MIB], label: 'shaken' })]);
    expect(text).toMatch(/label\s+shaken\n/);
    expect(text).toMatch(/fsid\s+[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n/);
  });
});

describe.skipIf(!hasCheck || noKernelBecause !== null)(
  `Linux (skipped: ${noKernelBecause ?? 'no btrfs-progs'})`,
  () => {
    const sample: MakeFilesystemOptions[] = [
      { devices: [16 * MIB] },
      { devices: [16 * MIB], metadataProfile: 'dup' },
      { devices: [16 * MIB], nodeSize: 8192, metadataProfile: 'dup' },
      { devices: [64 * MIB], nodeSize: 16384, metadataProfile: 'dup', seed: 'linux' },
      { devices: [128 * MIB], nodeSize: 65536 },
    ];
    for (const options of sample) {
      test(`mounts, writes and unmounts ${JSON.stringify(options)}, and the check stays clean`, () => {
        const image = imageOf(options);
        writeByKernel(image);
        expect(check(image)).toBe('clean');
      });
    }
  },
);

test('equal options give equal bytes, another seed gives other uuids', () => {
  const options = { devices: [64 * MIB], metadataProfile: 'dup' } as const;
  expect(makeFilesystem(options)).toEqual(makeFilesystem(options));
  const superblockOf = (seed: string) => makeFilesystem({ ...options, seed }).at(-1)!.bytes;
  expect(superblockOf('a').subarray(32, 48)).not.toEqual(superblockOf('b').subarray(32, 48));
});

test('a mirror of the superblock is written where the device has room for it', () => {
  const offsets = (size: number) => superblocks(makeFilesystem({ devices: [size] })).map((write) => write.offset);
  expect(offsets(64 * MIB)).toEqual([65536]);
  expect(offsets(64 * MIB + 4096)).toEqual([65536, 64 * MIB]);
});

test('nothing lies below 1 MiB but the superblock, and nothing at its mirror', () => {
  const writes = makeFilesystem({ devices: [256 * MIB], metadataProfile: 'dup', metadataBytes: 31 * MIB });
  for (const { offset, bytes } of writes.filter((write) => !superblocks(writes).includes(write))) {
    expect(offset).toBeGreaterThanOrEqual(MIB);
    expect(offset >= 64 * MIB + 65536 || offset + bytes.length <= 64 * MIB).toBe(true);
  }
});

test('the default layout leaves room for chunks to come', () => {
  for (const metadataProfile of ['single', 'dup'] as const) {
    const superblock = makeFilesystem({ devices: [16 * MIB], metadataProfile }).at(-1)!.bytes;
    const allocated = Number(new DataView(superblock.buffer).getBigUint64(201 + 16, true));
    expect(16 * MIB - MIB - allocated).toBeGreaterThanOrEqual(4 * MIB);
  }
});

test('what features need of each other is said', () => {
  const wrong = { devices: [64 * MIB], mixed: true, nodeSize: 16384, metadataProfile: 'dup' as const };
  expect(problemsOf({ ...wrong, blockGroupTree: true, freeSpaceTree: false })).toMatchObject([
    { place: 'nodeSize', nearest: '4096' },
    { place: 'dataProfile', nearest: 'dup' },
    { place: 'blockGroupTree', nearest: 'freeSpaceTree' },
  ]);
});

test('all problems of the options come at once, each with the nearest right thing', () => {
  const wrong = {
    devices: [1000],
    nodeSize: 5000,
    metadataProfile: 'raid1',
    metadataBytes: 100,
    dataBytes: 5000,
    label: 'x'.repeat(300),
    now: -1,
  } as unknown as MakeFilesystemOptions;
  expect(problemsOf(wrong).map(({ place, nearest }) => [place, nearest])).toEqual([
    ['devices[0]', '4096'],
    ['nodeSize', '4096'],
    ['metadataProfile', 'dup'],
    ['metadataBytes', '65536'],
    ['dataBytes', '4096'],
    ['label', `'${'x'.repeat(255)}'`],
    ['now', '0'],
  ]);
});

test('chunks that do not fit are refused with a device that would do, which then does', () => {
  const [problem] = problemsOf({ devices: [16 * MIB], dataBytes: 100 * MIB });
  expect(problem?.place).toBe('dataBytes');
  const nearest = Number(/of (\d+) bytes/.exec(problem?.nearest ?? '')?.[1]);
  expect(makeFilesystem({ devices: [nearest], dataBytes: 100 * MIB, metadataBytes: 4 * MIB }).length).toBeGreaterThan(
    0,
  );
});

test('a profile that the devices cannot carry is refused with the next best', () => {
  const devices = [16 * MIB, 16 * MIB];
  expect(problemsOf({ devices, metadataProfile: 'raid1c3', dataProfile: 'raid1c4' })).toMatchObject([
    { place: 'metadataProfile', reason: 'raid1c3 needs 3 devices, there are 2', nearest: 'dup' },
    { place: 'dataProfile', reason: 'raid1c4 needs 4 devices, there are 2', nearest: 'single' },
  ]);
  const unknown = { devices, metadataProfile: 'riad1', dataProfile: 'mirror' } as unknown as MakeFilesystemOptions;
  expect(problemsOf(unknown)).toMatchObject([
    { place: 'metadataProfile', nearest: 'raid1' },
    { place: 'dataProfile', nearest: 'single' },
  ]);
});

test('a chunk of RAID0 is a whole number of rows', () => {
  const devices = [16 * MIB, 16 * MIB, 16 * MIB];
  expect(problemsOf({ devices, dataProfile: 'raid0', dataBytes: MIB })).toMatchObject([
    { place: 'dataBytes', reason: '1048576 is not a multiple of 196608', nearest: '983040' },
  ]);
  expect(problemsOf({ devices, dataProfile: 'raid0', dataBytes: 983040 })).toEqual([]);
});

test('copies that fit on too few devices are refused with devices that would do, which then do', () => {
  const options = {
    devices: [16 * MIB, 64 * MIB],
    dataProfile: 'raid1',
    metadataBytes: MIB,
    dataBytes: 32 * MIB,
  } as const;
  const [problem] = problemsOf(options);
  expect(problem).toMatchObject({ place: 'dataBytes' });
  expect(problem?.reason).toContain('1 × 33554432 bytes on each of 2 devices do not fit');
  const nearest = Number(/devices of (\d+) bytes each/.exec(problem?.nearest ?? '')?.[1]);
  expect(problemsOf({ ...options, devices: [nearest, nearest] })).toEqual([]);
});

test('chunks go to the devices with most room, and of equals to the first', () => {
  const place = (devices: readonly number[], options: Partial<MakeFilesystemOptions>) =>
    placeChunks(checkOptions({ devices, ...options })).chunks!.map(({ stripes }) =>
      stripes.map(({ device }) => device),
    );
  const sizes = { systemBytes: MIB, metadataBytes: 4 * MIB, dataBytes: 4 * MIB };
  expect(place([16 * MIB, 16 * MIB], sizes)).toEqual([[0], [1], [0]]);
  expect(place([16 * MIB, 64 * MIB], sizes)).toEqual([[1], [1], [1]]);
  expect(place([16 * MIB, 18 * MIB, 32 * MIB], { ...sizes, metadataProfile: 'raid1' })).toEqual([[2, 1], [2, 1], [2]]);
});

test('node sizes far off are answered with a bound', () => {
  expect(problemsOf({ devices: [16 * MIB], nodeSize: 1 })[0]?.nearest).toBe('4096');
  expect(problemsOf({ devices: [16 * MIB], nodeSize: 1e9 })[0]?.nearest).toBe('65536');
  expect(problemsOf({ devices: [16 * MIB], nodeSize: Number.NaN })[0]?.nearest).toBe('4096');
  expect(problemsOf({ devices: [] })[0]?.place).toBe('devices');
});

function problemsOf(options: MakeFilesystemOptions): MakeFilesystemError['problems'] {
  try {
    makeFilesystem(options);
    return [];
  } catch (error) {
    if (error instanceof MakeFilesystemError) return error.problems;
    throw error;
  }
}

function superblocks(writes: readonly DiskWrite[]): DiskWrite[] {
  return writes.filter(({ bytes }) => Buffer.from(bytes.subarray(64, 72)).toString() === '_BHRfS_M');
}

let images = 0;
function imageOf(options: MakeFilesystemOptions): string {
  const path = join(folder, `image-${images++}`);
  const file = openSync(path, 'w');
  ftruncateSync(file, options.devices[0]);
  for (const { bytes, offset } of makeFilesystem(options)) writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  return path;
}

function check(image: string): string {
  const result = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', image], { encoding: 'utf8' });
  const text = `${result.stdout}${result.stderr}`;
  return result.status === 0 && !/warning/i.test(text) ? 'clean' : text;
}

function run(program: string, words: readonly string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function whyNoKernel(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/dev/loop-control')) return 'no loop devices';
  if (spawnSync('grep', ['-qw', 'btrfs', '/proc/filesystems']).status !== 0) return 'this kernel has no btrfs';
  return null;
}

const FILL = `
set -e
mount -t btrfs $1 $2
cd $2
for file in $(seq 0 19); do head -c 50000 /dev/zero | tr '\\0' a > file-$file; done
mkdir folder
sync -f .
cd /
umount $2
`;

function writeByKernel(image: string): void {
  const at = join(folder, 'mnt');
  mkdirSync(at, { recursive: true });
  const loop = run('losetup', ['-f', '--show', image]).trim();
  try {
    shellOnItsOwn(FILL, [loop, at], { stdio: 'pipe' });
  } finally {
    run('losetup', ['-d', loop]);
  }
}
