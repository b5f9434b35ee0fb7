import type { FileOffset } from '../../base/units.ts';
import type { Unexplained } from './explain.ts';
import type { Damage } from './history.ts';

/** The bytes, seen at `offset`, with those in damaged ranges turned into their complement. */
export function complementWhere(bytes: Uint8Array, offset: FileOffset, damages: readonly Damage[]): Uint8Array {
  const other = bytes.slice();
  for (const { start, end } of damages) {
    const from = Math.max(0, start - offset);
    const to = Math.min(bytes.length, end - offset);
    for (let at = from; at < to; at++) other[at] = bytes[at]! ^ 0xff;
  }
  return other;
}

/** What of the parts lies in none of the ranges. */
export function withoutRanges(parts: readonly Unexplained[], ranges: readonly Damage[]): readonly Unexplained[] {
  let left = parts;
  for (const { start, end } of ranges) {
    left = left.flatMap((part) => {
      if (part.end <= start || part.start >= end) return [part];
      const before = part.start < start ? [{ ...part, end: start }] : [];
      return part.end > end ? [...before, { ...part, start: end }] : before;
    });
  }
  return left;
}

/** What lies in parts of both lists; each is in file order and its parts do not overlap. */
export function commonParts(parts: readonly Unexplained[], others: readonly Unexplained[]): Unexplained[] {
  return parts.flatMap((part) =>
    others.flatMap((other) => {
      const start = Math.max(part.start, other.start);
      const end = Math.min(part.end, other.end);
      return start < end ? [{ start, end, candidates: part.candidates }] : [];
    }),
  );
}
