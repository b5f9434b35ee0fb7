import { FIRST_FREE_OBJECTID } from './layout.ts';

/** Directories that do not hang, by way of their parents, in the top directory: one of each circle. */
export function directoriesInCycles(parents: ReadonlyMap<number, number>): number[] {
  const found: number[] = [];
  const seenFrom = new Map<number, number>([[FIRST_FREE_OBJECTID, 0]]);
  for (const start of parents.keys()) {
    let inode = start;
    while (!seenFrom.has(inode)) {
      seenFrom.set(inode, start);
      const parent = parents.get(inode);
      // A parent that is no directory was reported with the name.
      if (parent === undefined) break;
      if (seenFrom.get(parent) === start) found.push(start);
      inode = parent;
    }
  }
  return found;
}
