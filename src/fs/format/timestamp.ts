import { readU64, writeU64 } from '../../base/bytes.ts';

/** Time since 1970 as btrfs stores it: signed seconds and nanoseconds within the second. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const TIMESTAMP_SIZE = 12;
export const TIME_ZERO: Timestamp = { seconds: 0, nanoseconds: 0 };

const NANOSECONDS_PER_SECOND = 1_000_000_000;

export function timestampOf(nanoseconds: number): Timestamp {
  const seconds = Math.floor(nanoseconds / NANOSECONDS_PER_SECOND);
  return { seconds, nanoseconds: nanoseconds - seconds * NANOSECONDS_PER_SECOND };
}

export function readTimestamp(view: DataView, at: number): Timestamp {
  return { seconds: readU64(view, at), nanoseconds: view.getUint32(at + 8, true) };
}

export function writeTimestamp(view: DataView, at: number, time: Timestamp): void {
  writeU64(view, at, time.seconds);
  view.setUint32(at + 8, time.nanoseconds, true);
}

/** Writes virtual nanoseconds without making an object. */
export function writeNanoseconds(view: DataView, at: number, nanoseconds: number): void {
  const seconds = Math.floor(nanoseconds / NANOSECONDS_PER_SECOND);
  writeU64(view, at, seconds);
  view.setUint32(at + 8, nanoseconds - seconds * NANOSECONDS_PER_SECOND, true);
}

/** Rounded to the nearest double: exact within 104 days of 1970, to 256 ns in our time. */
export function readNanoseconds(view: DataView, at: number): number {
  return readU64(view, at) * NANOSECONDS_PER_SECOND + view.getUint32(at + 8, true);
}
