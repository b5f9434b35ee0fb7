import type { AccessMode, ResourceId } from '../task/resource.ts';

/** An access to [start, end) of a resource. */
interface PartAccess {
  readonly resource: ResourceId;
  readonly start: number;
  readonly end: number;
  readonly isWrite: boolean;
}

/** What one transition read and wrote. Two transitions whose footprints do not conflict may change places. */
export class Footprint {
  private readonly accesses = new Map<ResourceId, AccessMode>();
  /** The transition depends on everything: it read the count of steps, or moved the clock. */
  private touchesAll = false;
  /** Parts of resources that have an extent, such as a range lock: only overlapping parts conflict. */
  private readonly parts: PartAccess[] = [];

  addPart(resource: ResourceId, start: number, end: number, isWrite: boolean): void {
    this.parts.push({ resource, start, end, isWrite });
  }

  add(resource: ResourceId, mode: AccessMode): void {
    const before = this.accesses.get(resource);
    if (before !== mode) this.accesses.set(resource, before === undefined ? mode : 'write');
  }

  addEverything(): void {
    this.touchesAll = true;
  }

  merge(other: Footprint): void {
    for (const [resource, mode] of other.accesses) this.add(resource, mode);
    for (const part of other.parts) this.parts.push(part);
    this.touchesAll ||= other.touchesAll;
  }

  conflictsWith(other: Footprint): boolean {
    if (this.touchesAll || other.touchesAll) return true;
    const [few, many] = this.accesses.size < other.accesses.size ? [this, other] : [other, this];
    for (const [resource, mode] of few.accesses) {
      const theirs = many.accesses.get(resource);
      if (theirs !== undefined && (mode === 'write' || theirs !== mode)) return true;
    }
    return this.parts.some((mine) => other.parts.some((theirs) => meet(mine, theirs)));
  }

  /** The resources, for tests and traces. */
  entries(): [ResourceId, AccessMode][] {
    return [...this.accesses].sort((a, b) => a[0] - b[0]);
  }
}

function meet(a: PartAccess, b: PartAccess): boolean {
  return a.resource === b.resource && (a.isWrite || b.isWrite) && a.start < b.end && b.start < a.end;
}
