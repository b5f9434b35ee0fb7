import { KEY_TYPE, type Key, OBJECT_ID } from '../../fs/format/key.ts';
import type { DumpRecord } from './dump-value.ts';

/** Makes fields of the data of one item. May throw what the decoders of `src/fs/format` throw. */
export type ItemDecoder = (bytes: Uint8Array, key: Key) => DumpRecord;

const UNTYPED = 0;
/** Items of one type that mean different things by their objectid have numbers of their own here. */
export const BALANCE_ITEM = 1000 + KEY_TYPE.TEMPORARY_ITEM;
export const FREE_SPACE_HEADER = 1000 + UNTYPED;

/** What a table of decoders has the items with this key under. */
export function decoderNumber({ objectid, type }: Key): number {
  if (type === KEY_TYPE.TEMPORARY_ITEM && objectid === OBJECT_ID.BALANCE) return BALANCE_ITEM;
  if (type === UNTYPED && objectid === OBJECT_ID.FREE_SPACE) return FREE_SPACE_HEADER;
  return type;
}
