import { expect, test } from 'vitest';
import { viewOf } from '../../base/bytes.ts';
import { KeyWords } from './tree-block.ts';

/** Where signed and unsigned words part. */
const WORDS = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];

test('keys are ordered by all 64 bits of their parts, unsigned', () => {
  const keys = WORDS.flatMap((high) =>
    WORDS.flatMap((low) => [
      { object: [high, low], offset: [0, 0] },
      { object: [0, 256], offset: [high, low] },
    ]),
  );
  const view = viewOf(new Uint8Array(17));
  const words = new KeyWords();
  for (const a of keys) {
    words.setExact(a.object[0]!, a.object[1]!, 84, a.offset[0]!, a.offset[1]!).write(view, 0);
    expect(view.getUint32(4, true)).toBe(a.object[0]);
    expect(words.read(view, 0).compareStored(view, 0)).toBe(0);
    for (const b of keys) {
      words.setExact(b.object[0]!, b.object[1]!, 84, b.offset[0]!, b.offset[1]!);
      const order = [...a.object, ...a.offset].map((word, i) => word - [...b.object, ...b.offset][i]!);
      expect(words.compareStored(view, 0)).toBe(Math.sign(order.find((difference) => difference !== 0) ?? 0));
    }
  }
});

test('numbers become the words that are stored for them, negative ones in two’s complement', () => {
  const stored = viewOf(new Uint8Array(17));
  for (const value of [0, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48 + 5, -1, -9]) {
    stored.setBigInt64(0, BigInt(value), true);
    stored.setUint8(8, 1);
    stored.setBigInt64(9, BigInt(value), true);
    expect(new KeyWords().set(value, 1, value).compareStored(stored, 0)).toBe(0);
  }
});
