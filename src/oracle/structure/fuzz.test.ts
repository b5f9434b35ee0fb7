import { expect, test } from 'vitest';
import { loadFixture } from '../../../tests/support/image-editor.ts';
import { viewOf } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { randomStream } from '../../base/random.ts';
import { BlockTable } from '../../record/block-table.ts';
import { checkImage } from './check-image.ts';
import { openImage } from './open-image.ts';

const BASE = loadFixture('linux-files.img.gz', 64 * 1024 * 1024);
const PAGES = [...BASE.written()].map(({ offset }) => offset);
const METADATA = PAGES.filter((offset) => {
  const bytes = BASE.read(offset, 4096);
  return offset === 65536 || (bytes[56] === 1 && bytes[63] === 1);
});
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];

/** Damages bytes of some metadata pages and makes their checksums right again, so that the damage is read. */
function damage(seed: number): BlockTable {
  const random = randomStream(String(seed), 'damage');
  const image = BASE.snapshot();
  const pages = 1 + random.below(3);
  for (let i = 0; i < pages; i++) {
    const offset = METADATA[random.below(METADATA.length)]!;
    const bytes = new Uint8Array(image.read(offset, 4096));
    const changes = 1 + random.below(4);
    for (let j = 0; j < changes; j++) {
      const length = random.chance(1, 3) ? 8 : 1;
      const at = random.chance(1, 2) ? 48 + random.below(300) : 32 + random.below(4064 - length);
      const value = random.chance(1, 2) ? INTERESTING[random.below(INTERESTING.length)]! : random.below(256);
      bytes.fill(value, at, at + length);
    }
    if (random.chance(9, 10)) viewOf(bytes).setUint32(0, crc32c(bytes.subarray(32)), true);
    image.write(offset, bytes);
  }
  return image;
}

test('no damage makes the walk throw or hang, and what it reads it reads to the end', () => {
  let faulty = 0;
  for (let seed = 0; seed < 400; seed++) {
    const report = checkImage([damage(seed)], { verifyData: false });
    if (report.errors.length > 0) faulty++;
    expect(report.errors.length).toBeLessThanOrEqual(1000);
  }
  // Most damaged bytes mean something; some fall into gaps or into pages that nothing uses any more.
  expect(faulty).toBeGreaterThan(200);
});

test('no damage makes the reader throw', () => {
  for (let seed = 1000; seed < 1150; seed++) {
    const reader = openImage([damage(seed)]);
    if (reader === null) continue;
    for (const entry of reader.entries()) if (entry.kind === 'file') reader.readFile(entry.path, 0, 1 << 20);
    reader.extentsOf(5, 299);
    reader.chunks();
  }
});

test('random bytes, no bytes and no images are not a file system, nothing worse', () => {
  const random = randomStream('7', 'damage');
  const noise = new Uint8Array(1 << 20);
  for (let i = 0; i < noise.length; i++) noise[i] = random.below(256);
  expect(checkImage([BlockTable.fromBytes(noise)]).errors.map((one) => one.fault)).toEqual(['superblock-magic']);
  expect(checkImage([new BlockTable(4096)]).errors.map((one) => one.fault)).toEqual(['superblock-missing']);
  expect(checkImage([]).errors.map((one) => one.fault)).toEqual(['no-image']);
  expect(openImage([])).toBeNull();
});
