import type { ResourceId } from '../task/resource.ts';

/** What one transition read and wrote. Two transitions whose footprints do not conflict may change places. */
export class Footprint {
  /** True when written. */
  private readonly accesses = new Map<ResourceId, boolean>();
  /** The transition depends on everything: it read the count of steps, or moved the clock. */
  private touchesAll = false;

  add(resource: ResourceId, isWrite: boolean): void {
    if (isWrite || !this.accesses.has(resource)) this.accesses.set(resource, isWrite);
  }

  addEverything(): void {
    this.touchesAll = true;
  }

  merge(other: Footprint): void {
    for (const [resource, isWrite] of other.accesses) this.add(resource, isWrite);
    this.touchesAll ||= other.touchesAll;
  }

  conflictsWith(other: Footprint): boolean {
    if (this.touchesAll || other.touchesAll) return true;
    const [few, many] = this.accesses.size < other.accesses.size ? [this, other] : [other, this];
    for (const [resource, isWrite] of few.accesses) {
      const theirs = many.accesses.get(resource);
      if (theirs !== undefined && (isWrite || theirs)) return true;
    }
    return false;
  }

  /** The resources, for tests and traces: each with true when written. */
  entries(): [ResourceId, boolean][] {
    return [...this.accesses].sort((a, b) => a[0] - b[0]);
  }
}
