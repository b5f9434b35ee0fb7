import { expect, test } from 'vitest';
import { viewOf, writeU64 } from '../src/base/bytes.ts';
import { mountFilesystem, unmountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { MemoryWorld } from '../src/fs/testing/memory-world.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { TREE, TYPE } from '../src/oracle/structure/layout.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import { runAtomically, type Task } from '../src/task/task.ts';
import { type EditedItem, ImageEditor } from './support/image-editor.ts';
import { ScratchFilesystem } from './support/scratch-filesystem.ts';
import { disksAfter, Race, type Work } from './support/simulated-filesystem.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';

const SECTOR = 4096;
const ENTRY_HEAD = 30;

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
  expect(image.size).toBeGreaterThan(ENTRY_HEAD);
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
  const before = scratch.run(sys.stat(fs, 'large'));
  expect(scratch.run(sys.dedupe(fs, 'small', 0, 100, 'large', SECTOR))).toBe(100);
  const after = scratch.run(sys.stat(fs, 'large'));
  expect([after.modifyTime, after.changeTime]).toEqual([before.modifyTime, before.changeTime]);
});
