import { expect, test } from 'vitest';
import { writeU64 } from '../src/base/bytes.ts';
import { mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { nameHash } from '../src/fs/format/directory.ts';
import * as sys from '../src/fs/syscalls.ts';
import { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import { TREE, TYPE } from '../src/oracle/structure/layout.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import { runAtomically, type Task } from '../src/task/task.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { type EditedItem, ImageEditor } from './support/image-editor.ts';
import { ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';
import { disksAfter, type Work } from './support/simulated-filesystem.ts';

const SECTOR = 4096;

/** An image that somebody damaged, its checksums right. */
function damaged(work: Work, edit: (editor: ImageEditor) => void): BlockTable {
  const editor = new ImageEditor(disksAfter(work));
  edit(editor);
  return editor.finish()[0]!;
}

class Mounted {
  readonly world: MemoryWorld;
  fs;

  constructor(image: BlockTable) {
    this.world = new MemoryWorld([image.size]);
    for (const { offset, bytes } of image.written()) this.world.devices[0]!.write(offset, bytes);
    this.fs = runAtomically(mountFilesystem(this.world, { fixes: allFixes() }));
  }

  /** `ok`, or the errno; whatever else is thrown is a bug. */
  outcome(task: Task<unknown>): string {
    try {
      runAtomically(task);
      return 'ok';
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code === 'string') return code;
      throw error;
    }
  }

  remount(): void {
    runAtomically(unmountFilesystem(this.fs));
    this.fs = runAtomically(mountFilesystem(this.world, { fixes: allFixes() }));
  }
}

/** Cuts the data of an item to its first bytes; what lies behind it in the leaf moves up. */
function cutItem({ block, slot, header, at, size }: EditedItem, left: number): void {
  const { bytes, view } = block;
  const count = view.getUint32(96, true);
  const lastAt = 101 + view.getUint32(101 + (count - 1) * 25 + 17, true);
  const cut = size - left;
  bytes.copyWithin(lastAt + cut, lastAt, at);
  view.setUint32(header + 21, left, true);
  for (let other = slot; other < count; other++) {
    const field = 101 + other * 25 + 17;
    view.setUint32(field, view.getUint32(field, true) + cut, true);
  }
}

test('an entry that is cut short beside the one to remove ends the transaction: no half of the removal is committed', () => {
  const image = damaged(
    function* make(fs) {
      yield* sys.create(fs, 'aa');
    },
    (editor) => {
      const entry = editor.items(TREE.FS).find(({ type }) => type === TYPE.DIR_ITEM)!;
      const data = new Uint8Array(entry.size + 5);
      data.set(entry.block.bytes.subarray(entry.at, entry.at + entry.size));
      const before = entry.slot - 1;
      editor.remove(entry);
      editor.insertAfter(editor.items(TREE.FS)[before]!, [entry.objectid, entry.type, entry.offset], data);
    },
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.unlink(mounted.fs, 'aa'))).toBe('EUCLEAN');
  expect(mounted.outcome(sys.create(mounted.fs, 'bb'))).toBe('EROFS');
  mounted.remount();
  expect(runAtomically(sys.readdir(mounted.fs, '/'))).toEqual([Buffer.from('aa')].map((name) => new Uint8Array(name)));
});

test('a rename below directories that are each in the other ends with EUCLEAN', () => {
  const image = damaged(
    function* make(fs) {
      for (const path of ['a', 'a/b', 'x']) yield* sys.mkdir(fs, path);
    },
    (editor) => {
      const reference = editor.item(TREE.FS, 257, TYPE.INODE_REF);
      writeU64(reference.block.view, reference.header + 9, 258);
    },
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.rename(mounted.fs, 'x', 'a/b/x'))).toBe('EUCLEAN');
});

test('a file extent item that is cut short is EUCLEAN to whoever reads or changes the file', () => {
  const disks = disksAfter(function* make(fs) {
    yield* sys.create(fs, 'file');
    for (let i = 0; i < 300; i++) {
      yield* sys.write(fs, 'file', 2 * i * SECTOR, new Uint8Array(SECTOR).fill(i), { direct: true });
    }
  });
  const editor = new ImageEditor(disks);
  // The first of a leaf: behind it the block ends.
  const item = editor.items(TREE.FS).find(({ type, slot }) => type === TYPE.EXTENT_DATA && slot === 0)!;
  cutItem(item, 5);
  const image = editor.finish()[0]!;
  const at = item.offset;
  const outcomes: Record<string, string> = {};
  const say = (name: string, make: (mounted: Mounted) => Task<unknown>) => {
    const mounted = new Mounted(image);
    outcomes[name] = mounted.outcome(make(mounted));
  };
  say('read', ({ fs }) => sys.read(fs, 'file', at, SECTOR));
  say('read in front', ({ fs }) => sys.read(fs, 'file', at - SECTOR, SECTOR));
  say('read behind', ({ fs }) => sys.read(fs, 'file', at + SECTOR, SECTOR));
  say('fiemap', ({ fs }) => sys.fiemap(fs, 'file'));
  say('seek', ({ fs }) => sys.seek(fs, 'file', at, 'hole'));
  say('truncate', ({ fs }) => sys.truncate(fs, 'file', at - SECTOR));
  say('punch', ({ fs }) => sys.fallocate(fs, 'file', at - SECTOR, 4 * SECTOR, { mode: 'punch-hole' }));
  say('write', ({ fs }) => sys.write(fs, 'file', at, new Uint8Array(SECTOR), { direct: true }));
  say('reflink', function* share({ fs }) {
    yield* sys.create(fs, 'copy');
    yield* sys.reflink(fs, 'file', 'copy');
  });
  expect(outcomes).toMatchInlineSnapshot(`
    {
      "fiemap": "EUCLEAN",
      "punch": "EUCLEAN",
      "read": "EUCLEAN",
      "read behind": "EUCLEAN",
      "read in front": "EUCLEAN",
      "reflink": "EUCLEAN",
      "seek": "EUCLEAN",
      "truncate": "EUCLEAN",
      "write": "EUCLEAN",
    }
  `);
});

test('an orphan item without its inode keeps nobody from mounting', () => {
  const image = damaged(
    function* make(fs) {
      yield* sys.create(fs, 'file');
    },
    (editor) => {
      const items = editor.items(TREE.FS);
      editor.insertAfter(items[items.length - 1]!, [-5, 48, 999], new Uint8Array(0));
    },
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.create(mounted.fs, 'another'))).toBe('ok');
});

test('a dedupe of inline data into a larger file tells no time', () => {
  const scratch = new ScratchFilesystem();
  const { fs } = scratch;
  const tail = new Uint8Array(100).fill(7);
  scratch.run(sys.create(fs, 'small'));
  scratch.run(sys.write(fs, 'small', 0, tail));
  scratch.run(sys.create(fs, 'large'));
  scratch.run(sys.write(fs, 'large', 0, new Uint8Array(SECTOR).fill(1)));
  scratch.run(sys.write(fs, 'large', SECTOR, tail));
  scratch.run(sys.sync(fs));
  // The clock of this world stands at 0.
  scratch.run(sys.utimes(fs, 'large', { modify: 5_000_000 }));
  expect(scratch.run(sys.dedupe(fs, 'small', 0, 100, 'large', SECTOR))).toBe(100);
  expect(scratch.run(sys.stat(fs, 'large')).modifyTime).toBe(5_000_000);
});

/** A name of so many bytes with the hash: its last four are solved for, CRCs being linear. */
function nameWithHash(length: number, hash: number, seed: number, prefix = ''): Uint8Array {
  for (let attempt = 0; ; attempt++) {
    const name = new Uint8Array(length).fill(0x61, 0, length - 4);
    name.set(new TextEncoder().encode(prefix + (seed * 1009 + attempt).toString(36).padStart(4, 'z')));
    const solved = solveTail(name, hash);
    if (solved.every((byte) => byte !== 0 && byte !== 0x2f)) return solved;
  }
}

function solveTail(base: Uint8Array, hash: number): Uint8Array {
  const zero = nameHash(base);
  const rows: { effect: number; bits: number }[] = [];
  const reduce = (effect: number, bits: number): { effect: number; bits: number } => {
    let left = effect;
    let used = bits;
    for (const row of rows) {
      if ((left ^ row.effect) >>> 0 >= left) continue;
      left = (left ^ row.effect) >>> 0;
      used ^= row.bits;
    }
    return { effect: left, bits: used };
  };
  const withTail = (bits: number): Uint8Array =>
    base.map((byte, at) => (at < base.length - 4 ? byte : (bits >>> (8 * (at - base.length + 4))) & 0xff));
  for (let bit = 0; bit < 32; bit++) {
    const row = reduce((nameHash(withTail(1 << bit)) ^ zero) >>> 0, 1 << bit);
    if (row.effect !== 0) rows.push(row);
    rows.sort((a, b) => b.effect - a.effect);
  }
  return withTail(reduce((zero ^ hash) >>> 0, 0).bits);
}

test('a rename among names with one hash asks whether the new one has room beside the old one, as Linux', () => {
  const scratch = new ScratchFilesystem({ nodeSize: SECTOR });
  const { fs } = scratch;
  const hash = 0x12345678;
  const long = Array.from({ length: 14 }, (_, index) => nameWithHash(255, hash, index));
  const short = Array.from({ length: 6 }, (_, index) => nameWithHash(8, hash, 50 + index));
  const present = [...long.slice(0, 13), ...short];
  const outcomes = present.map((name) => scratch.outcome(sys.create(fs, name)));
  scratch.run(sys.mkdir(fs, 'other'));
  scratch.run(sys.create(fs, 'other/file'));
  expect(new Set(outcomes)).toEqual(new Set(['ok']));
  expect(scratch.outcome(sys.rename(fs, short[0]!, long[13]!))).toBe('EOVERFLOW');
  expect(scratch.outcome(sys.rename(fs, 'other/file', long[0]!, { exchange: true }))).toBe('ok');
  expect(scratch.outcome(sys.rename(fs, 'other/file', long[0]!))).toBe('ok');
  expect(scratch.outcome(sys.rename(fs, short[1]!, long[1]!))).toBe('ok');
  scratch.unmount();
  expect(complaintsAbout(scratch)).toEqual([]);
});

test('a file that cannot grow for want of metadata space keeps its size', () => {
  const scratch = new ScratchFilesystem();
  const { fs, world } = scratch;
  const grow: Record<string, () => Task<void>> = {
    truncate: () => sys.truncate(fs, 'file', 10 * SECTOR),
    fallocate: () => sys.fallocate(fs, 'file', 0, 2 * SECTOR),
  };
  const outcomes: unknown[] = [];
  for (const [name, task] of Object.entries(grow)) {
    for (const site of ['reserve-metadata-space', 'allocate-tree-block']) {
      scratch.run(sys.create(fs, 'file'));
      scratch.run(sys.write(fs, 'file', 0, new Uint8Array(SECTOR).fill(1)));
      // Place for two sectors, of which the file takes one.
      if (name === 'fallocate') scratch.run(sys.fallocate(fs, 'file', 0, 2 * SECTOR, { keepSize: true }));
      scratch.run(sys.sync(fs));
      world.failure = (asked) => (asked === site ? 'ENOSPC' : null);
      const outcome = scratch.outcome(task());
      world.failure = () => null;
      outcomes.push([name, site, outcome, scratch.run(sys.stat(fs, 'file')).size / SECTOR, fs.info.aborted]);
      scratch.run(sys.unlink(fs, 'file'));
    }
  }
  expect(outcomes).toMatchInlineSnapshot(`
    [
      [
        "truncate",
        "reserve-metadata-space",
        "ENOSPC",
        1,
        null,
      ],
      [
        "truncate",
        "allocate-tree-block",
        "ENOSPC",
        1,
        null,
      ],
      [
        "fallocate",
        "reserve-metadata-space",
        "ENOSPC",
        1,
        null,
      ],
      [
        "fallocate",
        "allocate-tree-block",
        "ENOSPC",
        1,
        null,
      ],
    ]
  `);
});

test('a truncate that fails leaves no hole without an item where holes have items', () => {
  const scratch = new ScratchFilesystem({}, { fixes: allFixes() }, { edit: withoutNoHoles });
  const { fs, world } = scratch;
  scratch.run(sys.create(fs, 'file'));
  scratch.run(sys.write(fs, 'file', 0, new Uint8Array(2 * SECTOR).fill(1)));
  scratch.run(sys.sync(fs));
  scratch.run(sys.write(fs, 'file', 2 * SECTOR, new Uint8Array(2 * SECTOR).fill(2)));
  world.failure = (site) => (site === 'reserve-metadata-space' ? 'ENOSPC' : null);
  expect(scratch.outcome(sys.truncate(fs, 'file', SECTOR))).toBe('ENOSPC');
  world.failure = () => null;
  expect(scratch.run(sys.stat(fs, 'file')).size).toBe(2 * SECTOR);
  scratch.unmount();
  expect(complaintsAbout(scratch)).toEqual([]);
});

test('a flag that brings an attribute for which there is no room in its item is refused', () => {
  const scratch = new ScratchFilesystem({ nodeSize: 4 * SECTOR });
  const { fs } = scratch;
  scratch.run(sys.create(fs, 'file'));
  const hash = nameHash(new TextEncoder().encode('btrfs.compression'));
  const name = nameWithHash(200, hash, 1, 'user.');
  scratch.run(sys.setXattr(fs, 'file', name, new Uint8Array(16_000).fill(1)));
  expect(scratch.outcome(sys.setFlags(fs, 'file', { compress: 'zstd' }))).toBe('ENOSPC');
  expect(fs.info.aborted).toBe(null);
});

test('a write beside checksums that are no whole number ends with EUCLEAN', () => {
  const image = damaged(
    function* make(fs) {
      yield* sys.create(fs, 'file');
      yield* sys.write(fs, 'file', 0, new Uint8Array(4 * SECTOR).fill(1), { direct: true });
    },
    (editor) => cutItem(editor.item(TREE.CSUM, undefined, TYPE.EXTENT_CSUM), 0),
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.write(mounted.fs, 'file', 0, new Uint8Array(SECTOR), { direct: true }))).toBe('ok');
  expect(mounted.outcome(sys.sync(mounted.fs))).toBe('EROFS');
  expect(mounted.fs.info.aborted).toBe('EUCLEAN');
});

test('an extent that is freed from a block group with less in use ends the commit with EUCLEAN', () => {
  const image = damaged(
    function* make(fs) {
      yield* sys.create(fs, 'file');
      yield* sys.write(fs, 'file', 0, new Uint8Array(4 * SECTOR).fill(1), { direct: true });
    },
    (editor) => {
      const extent = editor
        .items(TREE.EXTENT)
        .find(({ type, offset }) => type === TYPE.EXTENT_ITEM && offset === 4 * SECTOR)!;
      const groups = editor.items(TREE.EXTENT).filter(({ type }) => type === TYPE.BLOCK_GROUP_ITEM);
      const group = groups.filter(({ objectid }) => objectid <= extent.objectid).at(-1)!;
      writeU64(group.block.view, group.at, SECTOR);
    },
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.unlink(mounted.fs, 'file'))).toBe('ok');
  expect(mounted.outcome(sys.sync(mounted.fs))).toBe('EUCLEAN');
});

test('an item of a number that only damage gives does not lead to inode numbers that are taken', () => {
  const image = damaged(
    function* make(fs) {
      yield* sys.create(fs, 'file');
    },
    (editor) => {
      const items = editor.items(TREE.FS);
      editor.insertAfter(items[items.length - 1]!, [-3835, TYPE.INODE_ITEM, 0], new Uint8Array(160));
    },
  );
  const mounted = new Mounted(image);
  expect(mounted.outcome(sys.mkdir(mounted.fs, 'folder'))).toBe('ok');
});
