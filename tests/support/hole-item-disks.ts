import { readU64, viewOf, writeU64 } from '../../src/base/bytes.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { INCOMPAT } from '../../src/fs/format/feature-flags.ts';

const MAGIC_AT = 64;
const MAGIC = '_BHRfS_M';
const INCOMPAT_AT = 188;

/** A superblock as it is where holes have items; other blocks are given back as they are. */
export function withoutNoHoles(block: Uint8Array): Uint8Array {
  const magic = new TextDecoder().decode(block.subarray(MAGIC_AT, MAGIC_AT + MAGIC.length));
  if (magic !== MAGIC) return block;
  const bytes = block.slice();
  const view = viewOf(bytes);
  writeU64(view, INCOMPAT_AT, readU64(view, INCOMPAT_AT) - INCOMPAT.NO_HOLES);
  view.setUint32(0, crc32c(bytes.subarray(32)), true);
  return bytes;
}
