import { expect, test } from 'vitest';
import { BlockTable } from './block-table.ts';

const MIB = 1024 * 1024;
const block = (value: number, length = 4096) => new Uint8Array(length).fill(value);

test('unwritten bytes are zero, also past the end of the disk', () => {
  const table = new BlockTable(MIB);
  expect(table.read(0, 8192)).toEqual(new Uint8Array(8192));
  expect(table.read(MIB - 512, 4096)).toEqual(new Uint8Array(4096));
});

test('writes of any sector alignment read back, across blocks and leaves', () => {
  const table = new BlockTable(MIB);
  const model = new Uint8Array(MIB);
  let seed = 1;
  const below = (bound: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % bound;
  for (let i = 0; i < 300; i++) {
    const length = 512 * (1 + below(40));
    const offset = 512 * below((MIB - length) / 512);
    if (i % 7 === 0) {
      table.discard(offset, length);
      model.fill(0, offset, offset + length);
      continue;
    }
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 7 + i) & 255);
    table.write(offset, bytes);
    model.set(bytes, offset);
  }
  expect(Buffer.compare(table.read(0, MIB), model)).toBe(0);
  expect(table.fingerprint).toBe(BlockTable.fromBytes(model).fingerprint);
  expect(BlockTable.copyOf({ ...plain(table) }).fingerprint).toBe(table.fingerprint);
});

test('a disk of 200 TiB takes no more time and memory than what is written to it', () => {
  const size = 200 * 2 ** 40;
  const table = new BlockTable(size);
  for (const offset of [0, 65536, 2 ** 46, size - 4096]) table.write(offset, block(7));
  const child = table.snapshot();
  child.discard(4096, size - 8192);
  expect([...child.written()].map(({ offset }) => offset)).toEqual([0, size - 4096]);
  expect(table.read(2 ** 46, 4096)).toEqual(block(7));
  expect(table.fingerprint).not.toBe(child.fingerprint);
});

function plain(table: BlockTable) {
  return {
    size: table.size,
    fingerprint: '',
    written: () => table.written(),
    read: (offset: number, length: number) => table.read(offset, length),
  };
}

test('a snapshot and its origin do not see each other’s later writes, whichever is written first', () => {
  const base = new BlockTable(MIB);
  base.write(0, block(1));
  const child = base.snapshot();
  base.write(0, block(2));
  child.write(4096, block(3));
  const grandchild = child.snapshot();
  child.write(0, block(4));
  grandchild.write(4096, block(5));
  const first = (table: BlockTable, offset: number) => table.read(offset, 4096)[0];
  expect([first(base, 0), first(base, 4096)]).toEqual([2, 0]);
  expect([first(child, 0), first(child, 4096)]).toEqual([4, 3]);
  expect([first(grandchild, 0), first(grandchild, 4096)]).toEqual([1, 5]);
});

test('whole aligned blocks are kept by reference and read without a copy, as one array where they were one', () => {
  const table = new BlockTable(MIB);
  const bytes = Uint8Array.from({ length: 16384 }, (_, at) => at & 255);
  table.write(32768, bytes);
  expect(table.read(32768, 16384).buffer).toBe(bytes.buffer);
  expect(table.read(32768, 16384)).toEqual(bytes);
  expect(table.read(36864, 4096).buffer).toBe(bytes.buffer);
});

test('a small write never changes the array that an earlier write brought', () => {
  const table = new BlockTable(MIB);
  const bytes = block(9);
  table.write(0, bytes);
  table.write(512, block(1, 512));
  expect(bytes).toEqual(block(9));
  expect(table.read(512, 512)).toEqual(block(1, 512));
});

test('equal content has equal fingerprints, however it came about', () => {
  const one = new BlockTable(MIB);
  one.write(0, block(1));
  one.write(8192, block(2));
  const other = new BlockTable(MIB);
  other.write(8192, block(7));
  other.write(4096, block(0));
  void other.fingerprint;
  const child = other.snapshot();
  child.write(8192, block(2));
  child.write(0, block(1));
  expect(child.fingerprint).toBe(one.fingerprint);
  expect(other.fingerprint).not.toBe(one.fingerprint);
});

test('blocks that changed places change the fingerprint', () => {
  const one = new BlockTable(MIB);
  one.write(0, block(1));
  one.write(4096, block(2));
  const other = new BlockTable(MIB);
  other.write(0, block(2));
  other.write(4096, block(1));
  expect(other.fingerprint).not.toBe(one.fingerprint);
});

test('written() yields the non-zero blocks in order and nothing past the end', () => {
  const table = new BlockTable(MIB + 512);
  table.write(MIB, block(3, 512));
  table.write(8192, block(2));
  table.write(4096, block(0));
  expect([...table.written()].map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
    [8192, 4096],
    [MIB, 512],
  ]);
});

test('a write past the end is a fault of the bench', () => {
  expect(() => new BlockTable(MIB).write(MIB - 512, block(1))).toThrow('a write lies inside the disk');
});

test('a table over an image reads through to it and keeps its own writes apart', () => {
  const model = Uint8Array.from({ length: MIB }, (_, at) => (at * 31 + (at >> 9)) & 255);
  const below = BlockTable.fromBytes(model.slice());
  const asked: number[] = [];
  const table = BlockTable.over({
    ...plain(below),
    size: below.size,
    read: (offset: number, length: number) => {
      asked.push(offset);
      return below.read(offset, length);
    },
  });
  let seed = 7;
  const draw = (bound: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % bound;
  for (let i = 0; i < 40; i++) {
    const length = 512 * (1 + draw(20));
    const offset = 512 * draw((MIB - length) / 512);
    if (i % 5 === 0) table.discard(offset, length);
    else table.write(offset, block(i, length));
    model.fill(i % 5 === 0 ? 0 : i, offset, offset + length);
  }
  const copy = BlockTable.fromBytes(new Uint8Array(below.read(0, MIB)));
  for (const { offset, bytes } of table.changes()) copy.write(offset, bytes);
  expect(Buffer.compare(table.read(0, MIB), model)).toBe(0);
  expect(Buffer.compare(table.snapshot().read(4096, 40960), model.subarray(4096, 45056))).toBe(0);
  expect(Buffer.compare(copy.read(0, MIB), model)).toBe(0);
  expect(BlockTable.copyOf({ ...plain(table) }).fingerprint).toBe(BlockTable.fromBytes(model).fingerprint);
  expect(below.fingerprint).toBe(BlockTable.fromBytes(below.read(0, MIB)).fingerprint);
  expect(asked.length).toBeGreaterThan(0);
});
