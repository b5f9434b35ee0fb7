import { toHex } from '../../base/bytes.ts';
import { FormatError } from '../../fs/format/format-error.ts';
import type { Key } from '../../fs/format/key.ts';
import type { DumpRecord } from './dump-value.ts';
import { FILE_ITEMS } from './file-item-decoders.ts';
import { decoderNumber, type ItemDecoder } from './item-decoder.ts';
import { SPACE_ITEMS } from './space-item-decoders.ts';
import { TREE_ITEMS } from './tree-item-decoders.ts';

/** The data of one item in words. */
export interface DescribedItem {
  /** Empty where the item has no data, or none that could be read. */
  readonly fields: DumpRecord;
  /** Why the data could not be read as what the key says; null when it could. */
  readonly problem: string | null;
  /** With a problem: what is there, in hex. */
  readonly raw: string | null;
}

const DECODERS: ReadonlyMap<number, ItemDecoder> = new Map([...FILE_ITEMS, ...SPACE_ITEMS, ...TREE_ITEMS]);
const RAW_BYTES_MAX = 512;

/** Whatever the bytes are, this returns. */
export function describeItem(key: Key, bytes: Uint8Array): DescribedItem {
  const decoder = DECODERS.get(decoderNumber(key));
  if (decoder === undefined) return damaged(`item type ${key.type} is not known`, bytes);
  try {
    return { fields: decoder(bytes, key), problem: null, raw: null };
  } catch (error) {
    // Beside what decoders say: a count that leads out of the view.
    if (error instanceof FormatError || error instanceof RangeError) return damaged(error.message, bytes);
    throw error;
  }
}

function damaged(problem: string, bytes: Uint8Array): DescribedItem {
  const more = bytes.length > RAW_BYTES_MAX ? `… (${bytes.length} bytes)` : '';
  return { fields: {}, problem, raw: `${toHex(bytes.subarray(0, RAW_BYTES_MAX))}${more}` };
}
