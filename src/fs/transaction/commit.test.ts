import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { randomStream } from '../../base/random.ts';
import { KIB, MIB } from '../../base/units.ts';
import { runAtomically } from '../../task/task.ts';
import { FixSet } from '../fixes.ts';
import { KEY_TYPE } from '../format/key.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../mkfs.ts';
import { mount, unmountCore } from '../mount.ts';
import {
  type HandMadeExtent,
  type HandMadeFile,
  makeFile,
  removeFile,
  writeExtent,
} from '../testing/hand-made-files.ts';
import { MemoryWorld } from '../testing/memory-world.ts';
import { visitItems } from '../tree/cursor.ts';
import { deleteChecksums, insertChecksums, lookupChecksums } from './checksums.ts';
import { commitTransaction } from './commit.ts';
import type { FsInfo } from './fs-info.ts';
import { endTransaction, startTransaction } from './handle.ts';

const hasJudge = spawnSync('btrfs', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'fsquake-commit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function freshWorld(options: Partial<MakeFilesystemOptions> = {}): MemoryWorld {
  const devices = options.devices ?? [16 * MIB];
  const world = new MemoryWorld(devices);
  for (const { device, offset, bytes } of makeFilesystem({ ...options, devices }))
    world.devices[device]!.write(offset, bytes);
  return world;
}

function mountOn(world: MemoryWorld, mutations: readonly string[] = []): FsInfo {
  return runAtomically(mount(world, { fixes: new FixSet([]), mutations: new Set(mutations) }));
}

/** What `btrfs check` says against the image; empty when clean, or when there is no judge here. */
function complaints(world: MemoryWorld): string {
  if (!hasJudge) return '';
  const path = join(folder, 'image');
  const file = openSync(path, 'w');
  ftruncateSync(file, world.devices[0]!.size);
  for (const [block, bytes] of world.devices[0]!.blocks) writeSync(file, bytes, 0, bytes.length, block * 4096);
  closeSync(file);
  const judged = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', path], { encoding: 'utf8' });
  const text = judged.stdout + judged.stderr;
  return judged.status === 0 && !/warning/i.test(text) ? '' : text;
}

function inTransaction<T>(fs: FsInfo, body: (handle: ReturnType<typeof open>) => T): T {
  const handle = open(fs);
  const result = body(handle);
  runAtomically(endTransaction(handle));
  return result;
}

const open = (fs: FsInfo) => runAtomically(startTransaction(fs, { releasesSpace: true }));

for (const options of [
  { nodeSize: 4 * KIB },
  { nodeSize: 4 * KIB, metadataProfile: 'dup', devices: [64 * MIB] },
  { nodeSize: 16 * KIB, devices: [32 * MIB] },
  { nodeSize: 64 * KIB, devices: [128 * MIB], metadataBytes: 16 * MIB, systemBytes: 2 * MIB },
  { nodeSize: 4 * KIB, freeSpaceTree: false },
] as const) {
  test(`random files leave clean images at every commit and after remounts: ${JSON.stringify(options)}`, () => {
    const world = freshWorld(options);
    const random = randomStream(JSON.stringify(options), 'workload');
    let fs = mountOn(world);
    const files: HandMadeFile[] = [];
    const references = new Map<number, number>();
    let inode = 257;
    for (let round = 0; round < 12; round++) {
      for (let step = 0; step < 14; step++) {
        inTransaction(fs, (handle) => {
          if (files.length > 0 && random.chance(2, 5)) {
            const [file] = files.splice(random.below(files.length), 1);
            runAtomically(removeFile(handle, file!));
            for (const extent of file!.extents) references.set(extent.logical, references.get(extent.logical)! - 1);
            return;
          }
          const extents: HandMadeExtent[] = [];
          let fileOffset = 0;
          for (let count = random.below(6); count > 0; count--) {
            const donor = files[random.below(files.length)]?.extents[0];
            const shares = donor !== undefined && random.chance(1, 2);
            const extent = shares
              ? donor
              : runAtomically(writeExtent(handle, 4096 * (1 + random.below(8)), random.below(256)));
            extents.push({ ...extent, fileOffset });
            fileOffset += extent.length;
          }
          const file = { inode, name: `file-${inode}-${'x'.repeat(random.below(60))}`, extents };
          inode++;
          const seen = new Set<number>();
          runAtomically(
            makeFile(handle, file, ({ logical }) => {
              const isNew = !references.get(logical) && !seen.has(logical);
              seen.add(logical);
              return isNew ? 'new' : 'add';
            }),
          );
          for (const { logical } of extents) references.set(logical, (references.get(logical) ?? 0) + 1);
          files.push(file);
        });
      }
      runAtomically(commitTransaction(fs));
      if (round % 3 === 2) {
        expect(complaints(world)).toBe('');
        runAtomically(unmountCore(fs));
        fs = mountOn(world);
      }
    }
    for (const file of files.splice(0)) inTransaction(fs, (handle) => runAtomically(removeFile(handle, file)));
    runAtomically(unmountCore(fs));
    expect(complaints(world)).toBe('');
    expect(fs.space.pinnedBytes()).toBe(0);
  });
}

test('an extent that many files share spills its back references into items of their own and takes them back', () => {
  const world = freshWorld();
  const fs = mountOn(world);
  const files: HandMadeFile[] = [];
  const extent = inTransaction(fs, (handle) => {
    const made = runAtomically(writeExtent(handle, 8192, 7));
    for (let inode = 257; inode < 297; inode++) {
      const file = { inode, name: `clone-${inode}`, extents: [made, { ...made, fileOffset: 8192 }] };
      runAtomically(makeFile(handle, file, () => (files.length === 0 ? 'new' : 'add')));
      files.push(file);
    }
    return made;
  });
  runAtomically(commitTransaction(fs));
  expect(complaints(world)).toBe('');
  const keyed: number[] = [];
  const from = { objectid: extent.logical, type: KEY_TYPE.EXTENT_DATA_REF, offset: 0 };
  runAtomically(
    visitItems(
      fs,
      fs.trees.extent,
      from,
      (cursor) => cursor.objectid === extent.logical && keyed.push(cursor.type) > 0,
    ),
  );
  expect(keyed.length).toBeGreaterThan(60);
  for (const [index, file] of files.entries()) {
    inTransaction(fs, (handle) => runAtomically(removeFile(handle, file)));
    if (index % 13 === 0) {
      runAtomically(commitTransaction(fs));
      expect(complaints(world)).toBe('');
    }
  }
  runAtomically(unmountCore(fs));
  expect(complaints(world)).toBe('');
});

test('a commit with nothing to commit writes nothing', () => {
  const world = freshWorld();
  const fs = mountOn(world);
  runAtomically(commitTransaction(fs));
  runAtomically(endTransaction(runAtomically(startTransaction(fs))));
  runAtomically(commitTransaction(fs));
  runAtomically(unmountCore(fs));
  expect(world.devices[0]!.log).toEqual([]);
  expect(fs.generation).toBe(fs.superblock.generation);
});

test('a commit writes tree blocks, then flushes, then the superblock with forced unit access', () => {
  const world = freshWorld();
  const fs = mountOn(world);
  inTransaction(fs, (handle) => runAtomically(makeFile(handle, { inode: 257, name: 'a', extents: [] }, () => 'new')));
  runAtomically(commitTransaction(fs));
  const kinds = world.devices[0]!.log.map(
    ({ operation, purpose, fua }) => `${operation} ${purpose.kind}${fua ? ' fua' : ''}`,
  );
  expect([...new Set(kinds)]).toEqual(['write tree-block', 'flush superblock', 'write superblock fua']);
  expect(kinds.slice(-2)).toEqual(['flush superblock', 'write superblock fua']);
  expect(world.points.filter((point) => point.startsWith('commit'))).toEqual([
    'commit-start',
    'commit-write-items',
    'commit-switch-roots',
    'commit-write-trees',
    'commit-write-superblocks',
    'commit-unpin',
  ]);
});

test('an extent freed in a transaction is given out again only after its commit', () => {
  const world = freshWorld();
  const fs = mountOn(world);
  const file = inTransaction(fs, (handle) => {
    const extent = runAtomically(writeExtent(handle, 4096, 1));
    const made = { inode: 257, name: 'a', extents: [extent] };
    runAtomically(makeFile(handle, made, () => 'new'));
    return made;
  });
  runAtomically(commitTransaction(fs));
  const old = file.extents[0]!.logical;
  inTransaction(fs, (handle) => runAtomically(removeFile(handle, file)));
  const during = inTransaction(fs, (handle) => runAtomically(writeExtent(handle, 4096, 2)));
  expect(during.logical).not.toBe(old);
  inTransaction(fs, (handle) =>
    runAtomically(makeFile(handle, { inode: 258, name: 'b', extents: [during] }, () => 'new')),
  );
  runAtomically(commitTransaction(fs));
  const after = inTransaction(fs, (handle) => runAtomically(writeExtent(handle, 4096, 3)));
  expect(after.logical).toBe(old);
});

for (const site of ['tree-block', 'superblock', 'flush'] as const) {
  test(`a failed ${site} write aborts: read-only from then on, and the old state stays on disk`, () => {
    const world = freshWorld();
    const fs = mountOn(world);
    inTransaction(fs, (handle) => runAtomically(makeFile(handle, { inode: 257, name: 'a', extents: [] }, () => 'new')));
    world.ioFailure = ({ operation, purpose }) => {
      if (site === 'flush') return operation === 'flush' ? 'EIO' : null;
      return operation === 'write' && purpose.kind === site ? 'EIO' : null;
    };
    expect(() => runAtomically(commitTransaction(fs))).toThrow(/EIO/);
    world.ioFailure = () => null;
    expect(fs.isReadOnly).toBe(true);
    expect(() => runAtomically(startTransaction(fs))).toThrow(/EROFS/);
    expect(() => runAtomically(commitTransaction(fs))).toThrow(/EROFS/);
    runAtomically(unmountCore(fs));
    expect(complaints(world)).toBe('');
    const again = mountOn(world);
    expect(again.generation).toBe(fs.superblock.generation);
  });
}

test('a failed read of one copy of a tree block is answered by the other', () => {
  const world = freshWorld({ metadataProfile: 'dup', devices: [32 * MIB] });
  const seen = new Set<number>();
  world.ioFailure = ({ operation, purpose, logical }) => {
    if (operation !== 'read' || purpose.kind !== 'tree-block' || seen.has(logical!)) return null;
    seen.add(logical!);
    return 'EIO';
  };
  expect(mountOn(world).trees.fs.root.count).toBeGreaterThan(0);
  expect(seen.size).toBeGreaterThan(7);
});

test('a tree block that cannot be read from any copy is EIO, and says what was wrong with each', () => {
  const world = freshWorld({ metadataProfile: 'dup', devices: [32 * MIB] });
  const fs = mountOn(world);
  const { address } = fs.trees.fs.root;
  const chunk = fs.volume.chunkAt(address)!;
  for (const { physical } of chunk.stripes) {
    const at = physical + address - chunk.logical;
    const bytes = world.devices[0]!.read(at, 4096).slice();
    bytes[4000]! ^= 1;
    world.devices[0]!.write(at, bytes);
  }
  expect(() => mountOn(world)).toThrow(/EIO.*checksum verify failed on logical \d+ mirror 1 .*mirror 2/);
});

test('checksums of any ranges can be inserted, looked up and deleted, and agree with a map', () => {
  const fs = mountOn(freshWorld({ metadataBytes: 6 * MIB }));
  const model = new Map<number, number>();
  const random = randomStream('1', 'workload');
  const base = fs.space.allGroups()[2]!.start;
  const handle = open(fs);
  for (let step = 0; step < 400; step++) {
    const first = random.below(5000);
    const count = 1 + random.below(random.chance(1, 10) ? 1500 : 20);
    const logical = base + first * 4096;
    if (random.chance(1, 3)) {
      runAtomically(deleteChecksums(handle, logical, count * 4096));
      for (let i = 0; i < count; i++) model.delete(first + i);
    } else {
      const sums = new Uint32Array(count).map(() => random.below(2 ** 32));
      runAtomically(insertChecksums(handle, logical, sums));
      for (let i = 0; i < count; i++) model.set(first + i, sums[i]!);
    }
    const from = random.below(5000);
    const wanted = 1 + random.below(30);
    const found = runAtomically(lookupChecksums(fs, base + from * 4096, wanted));
    const expected = Array.from({ length: wanted }, (_, i) => model.get(from + i));
    if (expected.includes(undefined)) expect(found).toBe(null);
    else expect(new Uint32Array(found!.slice().buffer)).toEqual(new Uint32Array(expected as number[]));
  }
  runAtomically(endTransaction(handle));
});

test('metadata space that runs out is ENOSPC at the start of a handle, and deletion still works', () => {
  const world = freshWorld();
  const fs = mountOn(world);
  const files: HandMadeFile[] = [];
  let refused: unknown = null;
  for (let inode = 257; refused === null && inode < 30_000; inode++) {
    try {
      const handle = runAtomically(startTransaction(fs, { items: 5 }));
      const file = { inode, name: `${'n'.repeat(200)}${inode}`, extents: [] };
      runAtomically(makeFile(handle, file, () => 'new'));
      runAtomically(endTransaction(handle));
      files.push(file);
    } catch (error) {
      refused = error;
    }
  }
  expect(refused).toMatchObject({ code: 'ENOSPC' });
  expect(fs.aborted).toBe(null);
  runAtomically(commitTransaction(fs));
  expect(complaints(world)).toBe('');
  for (const file of files) inTransaction(fs, (handle) => runAtomically(removeFile(handle, file)));
  runAtomically(unmountCore(fs));
  expect(complaints(world)).toBe('');
});

test('each seeded bug of the structure leaves an image that btrfs check refuses', () => {
  if (!hasJudge) return;
  const bugs = [
    'lose-block-group-update',
    'drop-back-reference',
    'skip-data-checksum',
    'stale-parent-generation',
    'leak-free-space-range',
  ];
  for (const bug of bugs) {
    const world = freshWorld();
    const fs = mountOn(world, [bug]);
    const build = (count: number, first: number) => {
      for (let inode = first; inode < first + count; inode++) {
        inTransaction(fs, (handle) => {
          const extent = runAtomically(writeExtent(handle, 4096, 1));
          runAtomically(
            makeFile(handle, { inode, name: `${'n'.repeat(100)}${inode}`, extents: [extent] }, () => 'new'),
          );
        });
      }
      runAtomically(commitTransaction(fs));
    };
    build(40, 257);
    const extent = inTransaction(fs, (handle) => {
      const made = runAtomically(writeExtent(handle, 4096, 1));
      const file = { inode: 400, name: 'a', extents: [made] };
      runAtomically(makeFile(handle, file, () => 'new'));
      return made;
    });
    runAtomically(commitTransaction(fs));
    inTransaction(fs, (handle) =>
      runAtomically(makeFile(handle, { inode: 401, name: 'b', extents: [extent] }, () => 'add')),
    );
    runAtomically(commitTransaction(fs));
    build(3, 300);
    expect(complaints(world), bug).not.toBe('');
  }
});

test('images of mkfs.btrfs are mounted, changed and still clean', () => {
  if (!hasJudge) return;
  const path = join(folder, 'foreign');
  const zeros = Buffer.alloc(4096);
  for (const extra of [
    ['-m', 'single'],
    ['-m', 'dup'],
    ['-M', '-m', 'single', '-d', 'single', '-n', '4096'],
    ['-R', '^free-space-tree', '-n', '4096'],
    ['-O', '^skinny-metadata,^no-holes'],
  ]) {
    execFileSync('rm', ['-f', path]);
    execFileSync('truncate', ['-s', '128M', path]);
    execFileSync('mkfs.btrfs', ['-q', ...extra, path]);
    const world = new MemoryWorld([128 * MIB]);
    const image = execFileSync('cat', [path], { maxBuffer: 256 * MIB });
    for (let at = 0; at < image.length; at += 4096) {
      const block = image.subarray(at, at + 4096);
      if (!block.equals(zeros)) world.devices[0]!.write(at, new Uint8Array(block));
    }
    const fs = mountOn(world);
    for (let inode = 257; inode < 300; inode++) {
      inTransaction(fs, (handle) => {
        const extent = runAtomically(writeExtent(handle, 8192, 1));
        runAtomically(makeFile(handle, { inode, name: `file-${inode}`, extents: [extent] }, () => 'new'));
      });
    }
    runAtomically(unmountCore(fs));
    expect(complaints(world), extra.join(' ')).toBe('');
  }
});
