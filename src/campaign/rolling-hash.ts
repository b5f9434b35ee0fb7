/** Two 32-bit halves of a rolling hash over texts; plain numbers, since it is folded once per execution. */
export interface RollingHash {
  readonly low: number;
  readonly high: number;
}

export const HASH_START: RollingHash = { low: 0x811c9dc5, high: 0x1000193 };

export function foldHash(hash: RollingHash, text: string): RollingHash {
  let { low, high } = hash;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code ^ (low >>> 15), 0x85ebca6b);
  }
  return { low, high };
}

/** 16 hex digits. */
export function showHash({ low, high }: RollingHash): string {
  return hex(high) + hex(low);
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
