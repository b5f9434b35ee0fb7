const known = new Map<string, number>();
/** Names with addresses in them would otherwise gather without end. */
const KNOWN_MAX = 1 << 16;

/** FNV-1a over UTF-16 units as a signed 32-bit number: the same in every process and version of Node. Cached. */
export function stableHash(text: string): number {
  return known.get(text) ?? learn(text);
}

/** As `stableHash`, not kept: for names that are made for one use. */
export function hashOnce(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

function learn(text: string): number {
  const hash = hashOnce(text);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, hash);
  return hash;
}

/** Folds a whole number of any size into 32 bits. */
export function foldNumber(value: number): number {
  return (value | 0) ^ Math.imul(Math.floor(value / 2 ** 32) | 0, 0x9e3779b1);
}
