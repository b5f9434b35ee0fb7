import { expect, test } from 'vitest';
import { BlockTable } from './block-table.ts';
import { packImage, unpackImage } from './packed-image.ts';

test('an image comes out of its packed form as it went in', () => {
  const table = new BlockTable(65536 + 512);
  table.write(4096, new Uint8Array(8192).fill(3));
  table.write(20480, new Uint8Array(100).fill(4));
  table.write(65536, new Uint8Array(512).fill(5));
  table.write(40960, new Uint8Array(4096));
  const packed = structuredClone(packImage(table));
  expect(packed.bytes.length).toBe(3 * 4096 + 512);
  const image = unpackImage(packed);
  expect(image.size).toBe(table.size);
  expect(image.fingerprint).toBe(table.fingerprint);
  for (const offset of [0, 4096, 8192, 20480, 40960, 61440])
    expect(image.read(offset, 4096)).toEqual(table.read(offset, 4096));
  expect(image.read(65536, 512)).toEqual(table.read(65536, 512));
});
