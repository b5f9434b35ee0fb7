/** Which bytes of a disk were read (or written), joined where they touch. */
export class Coverage {
  /** `start, end` pairs, in the order in which they came. */
  private readonly added: number[] = [];
  private merged: number[] = [];

  add(start: number, end: number): void {
    this.added.push(start, end);
  }

  /** Whether all of [start, end) was, here or in `other`. */
  covers(start: number, end: number, other: Coverage | null = null): boolean {
    let position = start;
    while (position < end) {
      const next = Math.max(this.endOfRunAt(position), other?.endOfRunAt(position) ?? -1);
      if (next <= position) return false;
      position = next;
    }
    return true;
  }

  private endOfRunAt(position: number): number {
    this.merge();
    const { merged } = this;
    let low = 0;
    let high = merged.length >>> 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (merged[middle * 2 + 1]! <= position) low = middle + 1;
      else high = middle;
    }
    const start = merged[low * 2];
    return start !== undefined && start <= position ? merged[low * 2 + 1]! : -1;
  }

  private merge(): void {
    const { added } = this;
    if (added.length === 0) return;
    const pairs: [number, number][] = [];
    for (const list of [this.merged, added]) {
      for (let i = 0; i < list.length; i += 2) pairs.push([list[i]!, list[i + 1]!]);
    }
    added.length = 0;
    const merged: number[] = [];
    for (const [start, end] of pairs.sort((a, b) => a[0] - b[0])) {
      const last = merged.length - 1;
      if (last > 0 && merged[last]! >= start) merged[last] = Math.max(merged[last]!, end);
      else merged.push(start, end);
    }
    this.merged = merged;
  }
}
