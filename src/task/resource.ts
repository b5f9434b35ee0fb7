/**
 * Names of what tasks share. A transition's footprint (which resources it read, which it wrote) is recorded while it
 * runs; partial-order reduction rests on it, so every access to state that two tasks can reach must be announced with
 * `world.touch`. A resource has the same id in every execution of a workload, whatever the schedule: ids are built
 * from what the thing *is* (an inode number, a logical address), never from a creation counter.
 */
export type ResourceId = number;

/**
 * `update`: a change that commutes with other updates but not with reads or writes, such as counting up and down where
 * nobody looks at the count.
 */
export type AccessMode = 'read' | 'write' | 'update';

export const RESOURCE_KINDS = [
  'lock',
  'wait-queue',
  'counter',
  'device-block',
  'device-cache',
  'rule',
  'task',
  'extent-maps',
  'inode',
  'page-cache',
  'ordered-extents',
  'tree',
  'tree-block',
  'transaction',
  'delayed-refs',
  'space',
  'block-group',
  'chunk-map',
  'device',
  'device-replace',
  'scrub',
  'file-table',
  'directory',
  'failure-site',
  'operation-history',
  'test',
] as const;

export type ResourceKind = (typeof RESOURCE_KINDS)[number];

const KIND_UNIT = 2 ** 45;
const KIND_INDEX = new Map<string, number>(RESOURCE_KINDS.map((kind, index) => [kind, index]));

/** `id` is any whole number whose magnitude is below 2^44: an inode number, an address, a tree id. */
export function resource(kind: ResourceKind, id: number): ResourceId {
  return KIND_INDEX.get(kind)! * KIND_UNIT + id + KIND_UNIT / 2;
}

/** `extent-maps 257`, for people. */
export function showResource(id: ResourceId): string {
  const kind = Math.floor(id / KIND_UNIT);
  return `${RESOURCE_KINDS[kind]} ${id - kind * KIND_UNIT - KIND_UNIT / 2}`;
}
