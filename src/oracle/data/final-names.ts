import type { Identity } from '../history/namespace.ts';
import { showIdentity } from '../history/namespace.ts';
import type { ImageContents } from '../image-contents.ts';
import type { Violation } from '../law.ts';

/** Names that a legal ending has and the disk has not, or the other way round, or of another kind. */
export function compareNames(ending: ReadonlyMap<string, Identity>, after: ImageContents): Violation[] {
  const violations: Violation[] = [];
  const found = new Map(after.entries().map((entry) => [entry.path, entry.kind]));
  for (const path of [...ending.keys()].sort()) {
    const identity = ending.get(path)!;
    const kind = found.get(path);
    if (kind === undefined) violations.push(missing(path, identity));
    else if (identity.kind !== 'unknown' && kind !== identity.kind) violations.push(otherKind(path, identity, kind));
  }
  for (const path of [...found.keys()].sort())
    if (!ending.has(path)) violations.push(unexpected(path, found.get(path)!));
  return violations;
}

function missing(path: string, identity: Identity): Violation {
  return {
    law: 'data',
    message: `lost name: ${path} is not on disk after the unmount`,
    expected: `${identity.kind} ${showIdentity(identity)}`,
    observed: 'nothing of that name',
    evidence: stepsOf(identity),
  };
}

function otherKind(path: string, identity: Identity, kind: string): Violation {
  return {
    law: 'data',
    message: `wrong kind: ${path} on disk after the unmount`,
    expected: identity.kind,
    observed: kind,
    evidence: stepsOf(identity),
  };
}

function unexpected(path: string, kind: string): Violation {
  return {
    law: 'data',
    message: `undead name: ${path} is on disk after the unmount`,
    expected: 'nothing of that name: it was removed, renamed, or never made',
    observed: kind,
    evidence: [],
  };
}

function stepsOf(identity: Identity): number[] {
  return identity.madeBy === null ? [] : [identity.madeBy.started];
}
