import type { FaultCollector } from './fault-report.ts';
import { FIRST_FREE_OBJECTID, TREE } from './layout.ts';
import { isZero, showUuid } from './raw-fields.ts';
import type { RootTreeVisitor } from './root-tree.ts';
import type { Superblock } from './superblock.ts';

/** Root references against back references, and both against the roots that exist. */
export function checkRootReferences(sup: Superblock, roots: RootTreeVisitor, faults: FaultCollector): void {
  const backward = new Map(roots.backward.map((reference) => [`${reference.parent}/${reference.child}`, reference]));
  for (const reference of roots.forward) {
    const key = `${reference.parent}/${reference.child}`;
    const twin = backward.get(key);
    const place = { parent: reference.parent, child: reference.child, ...reference.place };
    if (twin === undefined) {
      faults.error('root reference', place, 'root-backref-missing', 'ROOT_REF without its ROOT_BACKREF');
    } else {
      const same =
        twin.directory === reference.directory && twin.index === reference.index && twin.name === reference.name;
      if (!same) faults.error('root reference', place, 'root-ref-mismatch', 'ROOT_REF and ROOT_BACKREF differ');
    }
    backward.delete(key);
    for (const id of [reference.parent, reference.child]) {
      if (roots.roots.has(id)) continue;
      faults.error('root reference', place, 'root-ref-dangling', `tree ${id} does not exist`);
    }
  }
  for (const reference of backward.values()) {
    const place = { parent: reference.parent, child: reference.child, ...reference.place };
    faults.error('root reference', place, 'root-ref-missing', 'ROOT_BACKREF without its ROOT_REF');
  }
  checkReferenceTargets(roots, faults);
  checkSubvolumeParents(roots, faults);
  checkUuids(roots, faults);
  if (roots.files.defaultSubvolume !== -1 && !roots.roots.has(roots.files.defaultSubvolume)) {
    const what = 'the default subvolume does not exist';
    faults.error('root', { id: roots.files.defaultSubvolume }, 'default-subvolume', what);
  } else if (roots.files.defaultSubvolume >= FIRST_FREE_OBJECTID && !sup.has('DEFAULT_SUBVOL')) {
    // Linux looks at the entry only; kernels that know no other default must not mount it.
    const what = 'another default subvolume without the feature DEFAULT_SUBVOL';
    faults.warn('root', { id: roots.files.defaultSubvolume }, 'default-subvolume', what);
  }
}

function checkReferenceTargets(roots: RootTreeVisitor, faults: FaultCollector): void {
  const named = new Set(roots.forward.map((reference) => reference.child));
  for (const root of roots.roots.values()) {
    if (root.id < FIRST_FREE_OBJECTID) continue;
    const orphan = roots.orphans.has(root.id);
    if (root.refs > 0 && !named.has(root.id)) {
      faults.error('root', { id: root.id, ...root.place }, 'root-unreachable', 'no ROOT_REF names this subvolume');
    }
    if (root.refs === 0 && !orphan) {
      const what = 'a dropped subvolume without an orphan item';
      faults.error('root', { id: root.id, ...root.place }, 'root-orphan-missing', what);
    }
  }
  for (const id of [...roots.orphans].sort((a, b) => a - b)) {
    if (roots.roots.get(id)?.refs === 0) continue;
    // Linux drops one that leads nowhere at the next mount.
    const what = 'an orphan item for a subvolume that is in use or does not exist';
    faults.warn('root', { id }, 'root-orphan-wrong', what);
  }
}

/** Every subvolume hangs, by way of its parents, in the top level, and in one place only. */
function checkSubvolumeParents(roots: RootTreeVisitor, faults: FaultCollector): void {
  const parents = new Map<number, number>();
  for (const { child, parent, place } of roots.forward) {
    if (parents.has(child)) {
      const what = 'a subvolume has two places';
      faults.error('root reference', { parent, child, ...place }, 'root-ref-twice', what, parent, parents.get(child));
      continue;
    }
    parents.set(child, parent);
  }
  const settled = new Set<number>([TREE.FS]);
  for (const start of parents.keys()) {
    const way = new Set<number>();
    let id: number | undefined = start;
    while (id !== undefined && !settled.has(id) && !way.has(id)) {
      way.add(id);
      id = parents.get(id);
    }
    if (id !== undefined && way.has(id)) {
      const what = 'the subvolume is above itself, not below the top level';
      faults.error('root', { id }, 'root-cycle', what);
    }
    for (const passed of way) settled.add(passed);
  }
}

function checkUuids(roots: RootTreeVisitor, faults: FaultCollector): void {
  const owners = new Map<string, number>();
  for (const root of roots.roots.values()) {
    const isSubvolume = root.id === TREE.FS || root.id >= FIRST_FREE_OBJECTID;
    if (!isSubvolume || root.isLegacy || isZero(root.view, root.at + 247, 16)) continue;
    const uuid = showUuid(root.view, root.at + 247);
    const owner = owners.get(uuid);
    if (owner !== undefined) {
      const what = `uuid is also that of subvolume ${owner}`;
      faults.error('root', { id: root.id, ...root.place }, 'root-uuid-twice', what, uuid);
    }
    owners.set(uuid, root.id);
  }
}
