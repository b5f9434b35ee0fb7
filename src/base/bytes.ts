/**
 * Little-endian access to bytes. 64-bit values are numbers: −2^53 ≤ value ≤ 2^53. A stored value whose top bit is set
 * reads as the negative number it is in two's complement (the kernel's −5, −9 …).
 */

const TWO_32 = 2 ** 32;
/** Up to this many bytes, a loop takes less time than a call into the host. */
const SHORT_BYTES_MAX = 64;

/** Reads 64 bits as a signed number, exact within ±2^53 and rounded to the nearest double beyond. */
export function readU64(view: DataView, offset: number): number {
  const low = view.getUint32(offset, true);
  const high = view.getInt32(offset + 4, true);
  // Most are small: no floating point for those.
  return high === 0 ? low : high * TWO_32 + low;
}

/** Writes a whole number, negative ones in two's complement. */
export function writeU64(view: DataView, offset: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  view.setUint32(offset, value - high * TWO_32, true);
  view.setInt32(offset + 4, high, true);
}

/** The exact unsigned value; for identifiers that use all 64 bits (uuid halves, hashes). Not for hot paths. */
export function readExactU64(view: DataView, offset: number): bigint {
  return view.getBigUint64(offset, true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  if (length > SHORT_BYTES_MAX) return Buffer.compare(a, b) === 0;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Compares as unsigned 64-bit values while negative ids stay negative: every negative sorts after every other. */
export function compareU64(a: number, b: number): number {
  if (a === b) return 0;
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a < b ? -1 : 1;
}
