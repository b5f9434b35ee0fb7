/** Half-open [start, start + length). */
export interface Range {
  readonly start: number;
  readonly length: number;
}

export function endOf(range: Range): number {
  return range.start + range.length;
}

export function overlaps(a: Range, b: Range): boolean {
  return a.start < b.start + b.length && b.start < a.start + a.length;
}

export function contains(range: Range, position: number): boolean {
  return range.start <= position && position < range.start + range.length;
}

/** `[4096, 8192)` */
export function showRange(range: Range): string {
  return `[${range.start}, ${endOf(range)})`;
}
