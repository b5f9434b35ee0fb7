import { expect, test } from 'vitest';
import { explainStamp, operationId, readStamps, stampBytes } from './stamp.ts';

const a = operationId('writer', 0, 0);
const b = operationId('other', 3, 2);
const nameOf = (id: number) => (id === a ? 'writer#0' : id === b ? 'other#3' : null);

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test('operation ids tell task, index and round apart and are never zero', () => {
  const ids = new Set<number>();
  for (const task of ['a', 'b', 'reader', 'writer', '']) {
    for (let index = 0; index < 20; index++)
      for (let round = 0; round < 20; round++) ids.add(operationId(task, index, round));
  }
  expect(ids.size).toBe(5 * 400);
  expect(ids.has(0)).toBe(false);
  expect(Math.max(...ids)).toBeLessThan(2 ** 48);
});

test('a stamp is a window on one endless stream, at any alignment', () => {
  const whole = stampBytes(a, 0, 8192);
  for (const [offset, length] of [
    [0, 16],
    [1, 15],
    [7, 1],
    [100, 4000],
    [4095, 2],
    [4096, 4096],
    [5000, 0],
  ] as const) {
    expect(stampBytes(a, offset, length)).toEqual(whole.subarray(offset, offset + length));
  }
});

test('the same stamp is the same array, so that repeated runs make nothing', () => {
  expect(stampBytes(a, 4096, 4096)).toBe(stampBytes(a, 4096, 4096));
});

test('offsets beyond 2^32 cells are stamped exactly', () => {
  const offset = 2 ** 44 + 32;
  expect(readStamps(stampBytes(a, offset, 64), offset)).toEqual([
    { kind: 'stamp', start: offset, length: 64, operation: a, shift: 0 },
  ]);
});

test.each([
  ['zeroes', new Uint8Array(4096), 8192, 'zeroes'],
  ['right data', stampBytes(a, 8192, 4096), 8192, 'data of writer#0'],
  ['right operation, wrong offset', stampBytes(a, 0, 4096), 8192, 'data of writer#0 meant for offset 0'],
  ['an operation that this run does not know', stampBytes(0xabcdef, 0, 4096), 0, 'data of operation abcdef'],
  ['garbage', new Uint8Array(512).fill(0xa5), 0, 'bytes that no operation wrote'],
  ['nothing', new Uint8Array(0), 0, 'nothing'],
  ['unaligned', stampBytes(a, 8197, 100), 8197, 'data of writer#0'],
  ['garbage with zero bytes in it', Uint8Array.from([1, 0, 0, 2, 0, 3]), 0, 'bytes that no operation wrote'],
])('%s is told by name', (_, bytes, offset, expected) => {
  expect(explainStamp(bytes, offset, nameOf)).toBe(expected);
});

test('a sector torn between two operations and zeroes shows each piece with its range', () => {
  const torn = join(stampBytes(a, 4096, 512), stampBytes(b, 4608, 1024), new Uint8Array(2560));
  expect(explainStamp(torn, 4096, nameOf)).toBe(
    '[4096, 4608) data of writer#0; [4608, 5632) data of other#3; [5632, 8192) zeroes',
  );
});

test('pieces cut in the middle of a cell are told where the bytes differ, and the rest of the cell is unknown', () => {
  const cut = join(stampBytes(a, 0, 1000), stampBytes(b, 1000, 3096));
  const runs = readStamps(cut, 0);
  expect(runs[0]).toMatchObject({ kind: 'stamp', operation: a, start: 0, shift: 0 });
  expect(runs.at(-1)).toMatchObject({ kind: 'stamp', operation: b, shift: 0 });
  expect(runs.reduce((sum, run) => sum + run.length, 0)).toBe(4096);
  expect(runs[0]!.length).toBeGreaterThanOrEqual(1000);
  expect(runs[0]!.length).toBeLessThan(1016);
});
