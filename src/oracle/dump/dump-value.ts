import { toHex } from '../../base/bytes.ts';
import type { Timestamp } from '../../fs/format/timestamp.ts';
import { showUuid, UUID_SIZE } from '../../fs/format/uuid.ts';

/** What a structure says, as JSON has it; numbers beyond 2^53 are texts. */
export type DumpValue = string | number | boolean | null | readonly DumpValue[] | DumpRecord;
export interface DumpRecord {
  readonly [name: string]: DumpValue;
}

/** What a decoder of `src/fs/format` returned: uuids and times as text, bytes as hex. */
export function plainRecord(value: object): DumpRecord {
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plainValue(field)]));
}

function plainValue(value: unknown): DumpValue {
  if (typeof value === 'number') return plainNumber(value);
  if (typeof value === 'bigint') return plainBigint(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) return value.length === UUID_SIZE ? showUuid(value) : toHex(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (isTimestamp(value)) return showTime(value);
  return plainRecord(value as object);
}

function isTimestamp(value: unknown): value is Timestamp {
  return typeof value === 'object' && value !== null && 'seconds' in value && 'nanoseconds' in value;
}

function showTime({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

export function plainNumber(value: number): DumpValue {
  return Number.isSafeInteger(value) ? value : BigInt.asUintN(64, BigInt(value)).toString();
}

/** Unsigned 64 bits; the kernel's ids from the top of the range are negative, as everywhere here. */
export function plainBigint(value: bigint): DumpValue {
  const signed = BigInt.asIntN(64, value);
  const isSmall = signed <= BigInt(Number.MAX_SAFE_INTEGER) && signed >= -65536n;
  return isSmall ? Number(signed) : value.toString();
}

/** The names of the bits that are set; what has no name as a number. */
export function flagNames(value: number, names: Readonly<Record<string, number>>): string[] {
  if (!Number.isSafeInteger(value)) return [String(plainNumber(value))];
  let rest = BigInt.asUintN(64, BigInt(value));
  const found: string[] = [];
  for (const [name, bit] of Object.entries(names)) {
    if ((rest & BigInt(bit)) === 0n) continue;
    found.push(name);
    rest &= ~BigInt(bit);
  }
  if (rest !== 0n) found.push(`0x${rest.toString(16)}`);
  return found;
}

/** `{ value, names }`, which text shows as `5 (DATA, METADATA)`. */
export function flags(value: number, names: Readonly<Record<string, number>>): DumpRecord {
  return { value: plainNumber(value), names: flagNames(value, names) };
}

/** The name of a number of which there is one each, or the number. */
export function named(value: number, names: Readonly<Record<string, number>>): DumpValue {
  return Object.entries(names).find(([, number]) => number === value)?.[0] ?? plainNumber(value);
}
