/** Exact comparisons on stored bytes: what a double cannot hold (uuid halves, hashes) is compared as words. */

/** Compares two stored keys exactly: objectid, type, offset, all unsigned. */
export function compareKeysAt(a: DataView, aAt: number, b: DataView, bAt: number): number {
  let x = a.getUint32(aAt + 4, true);
  let y = b.getUint32(bAt + 4, true);
  if (x !== y) return x < y ? -1 : 1;
  x = a.getUint32(aAt, true);
  y = b.getUint32(bAt, true);
  if (x !== y) return x < y ? -1 : 1;
  x = a.getUint8(aAt + 8);
  y = b.getUint8(bAt + 8);
  if (x !== y) return x < y ? -1 : 1;
  x = a.getUint32(aAt + 13, true);
  y = b.getUint32(bAt + 13, true);
  if (x !== y) return x < y ? -1 : 1;
  x = a.getUint32(aAt + 9, true);
  y = b.getUint32(bAt + 9, true);
  if (x !== y) return x < y ? -1 : 1;
  return 0;
}

export function sameUuid(a: DataView, aAt: number, b: DataView, bAt: number): boolean {
  return (
    a.getUint32(aAt, true) === b.getUint32(bAt, true) &&
    a.getUint32(aAt + 4, true) === b.getUint32(bAt + 4, true) &&
    a.getUint32(aAt + 8, true) === b.getUint32(bAt + 8, true) &&
    a.getUint32(aAt + 12, true) === b.getUint32(bAt + 12, true)
  );
}

export function isZero(view: DataView, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (view.getUint8(i) !== 0) return false;
  return true;
}

export function showUuid(view: DataView, at: number): string {
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += view
      .getUint8(at + i)
      .toString(16)
      .padStart(2, '0');
  }
  return text;
}

/** One character per byte: names are bytes, whatever encoding they pretend to. */
export function byteString(bytes: Uint8Array, at: number, length: number): string {
  let text = '';
  for (let i = at; i < at + length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}
