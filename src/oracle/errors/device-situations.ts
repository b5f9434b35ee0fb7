import type { DeviceId } from '../../base/units.ts';
import type { RunRecord } from '../../record/run-record.ts';
import { areConcurrent, type Call, numberArgument, precedes } from '../history/calls.ts';
import type { InitialDevices } from '../history/devices.ts';

/** What situations of devices and of the mount are judged from. */
export interface DeviceEvidence {
  readonly record: RunRecord;
  readonly calls: readonly Call[];
  /** Null when it cannot be told which disks were members. */
  readonly initialDevices: () => InitialDevices | null;
}

/** Operations that change the set of devices, of which one runs at a time. */
const VOLUME_CHANGES = new Set(['replace', 'device-add', 'device-remove', 'device-resize']);

/** The devid that the call names may have been no member, or one without a disk. */
export function mayLackDevice(call: Call, evidence: DeviceEvidence): boolean {
  const devid = numberArgument(call, 'devid');
  const initial = evidence.initialDevices();
  if (devid === null || initial === null) return true;
  const removals = evidence.calls.filter(
    (other) => other.kind === 'device-remove' && mayHaveWorked(other) && !precedes(call, other),
  );
  if (removals.some((other) => names(other, devid))) return true;
  if (initial.members.some((member) => member.devid === devid)) return false;
  return initial.isAnyMissing || removals.length > 0 || !wasAdded(devid, call, initial, evidence);
}

/** The id comes of adding devices, and all that is needed for that was over before the call. */
function wasAdded(devid: DeviceId, call: Call, initial: InitialDevices, { calls }: DeviceEvidence): boolean {
  const highest = Math.max(0, ...initial.members.map((member) => member.devid));
  const added = calls.filter((other) => other.kind === 'device-add' && other.succeeded && precedes(other, call));
  return devid > highest && devid <= highest + added.length;
}

/** `device-remove: missing`: there may have been none. */
export function mayHaveNoneMissing(call: Call, evidence: DeviceEvidence): boolean {
  if (call.record.args['devid'] !== 'missing') return false;
  const initial = evidence.initialDevices();
  if (initial === null || !initial.isAnyMissing) return true;
  return evidence.calls.some(
    (other) =>
      (other.kind === 'replace' || other.kind === 'device-remove') &&
      other !== call &&
      mayHaveWorked(other) &&
      !precedes(call, other),
  );
}

/** The disk that is to come in may have been a member, or the target of a replace. */
export function mayBeMember(call: Call, evidence: DeviceEvidence): boolean {
  const index = deviceOf(call);
  const initial = evidence.initialDevices();
  if (index === null || initial === null || initial.isReplacing) return true;
  if (initial.members.some((member) => member.index === index)) return true;
  return evidence.calls.some(
    (other) => other !== call && deviceOf(other) === index && mayHaveWorked(other) && !precedes(call, other),
  );
}

/** The disk that is to come in may have been smaller than it must be. */
export function mayBeTooSmall(call: Call, evidence: DeviceEvidence): boolean {
  const { record, calls } = evidence;
  const index = deviceOf(call);
  const target = index === null ? undefined : record.before[index];
  const initial = evidence.initialDevices();
  if (target === undefined || initial === null || call.kind !== 'replace') return true;
  const source = initial.members.find((member) => member.devid === numberArgument(call, 'devid'));
  if (source === undefined || target.size < source.size) return true;
  return calls.some((other) => other.kind === 'device-resize' && !precedes(call, other));
}

/** First bytes of a device, in which no chunk lies. */
const RESERVED_AT_START = 1024 * 1024;
/** Chunks that the run may have made besides the one that was not to be had, one device's part of each. */
const OTHER_CHUNKS = 3;

/**
 * Some member may have had no place for one more chunk as large as those there are: profiles with copies need one on
 * several devices. In doubt, as with devices that grow, shrink, come or go: yes.
 */
export function mayLackRoomForChunk(
  { calls, initialDevices }: DeviceEvidence,
  chunks: readonly { readonly length: number }[] | null,
): boolean {
  const initial = initialDevices();
  if (initial === null || chunks === null || initial.isAnyMissing || initial.isReplacing) return true;
  if (calls.some(({ kind }) => kind === 'device-resize' || kind === 'device-remove')) return true;
  const largest = Math.max(0, ...chunks.map(({ length }) => length));
  return initial.members.some(
    ({ size, bytesUsed }) => size - bytesUsed - RESERVED_AT_START < largest * (1 + OTHER_CHUNKS),
  );
}

function deviceOf(call: Call): number | null {
  if (call.kind === 'device-add') return numberArgument(call, 'device');
  return call.kind === 'replace' ? numberArgument(call, 'target') : null;
}

/** Something that excludes the call may have been under way. */
export function mayBeInProgress(call: Call, evidence: DeviceEvidence): boolean {
  const isScrub = call.kind === 'scrub';
  if (evidence.initialDevices()?.isReplacing !== false) return true;
  return evidence.calls.some((other) => {
    if (other === call || !mayOverlap(other, call, evidence)) return false;
    // The copying part of a replace is a scrub of its source.
    if (other.kind === 'scrub') return (isScrub || call.kind === 'replace') && scrubsSameDevice(call, other);
    return isScrub ? other.kind === 'replace' : VOLUME_CHANGES.has(other.kind);
  });
}

/**
 * A replace in the background goes on when its call is over, and so does one that a remount may have suspended. After an
 * abort, nobody can say of one that it has ended.
 */
function mayOverlap(other: Call, call: Call, { calls, record }: DeviceEvidence): boolean {
  if (areConcurrent(other, call)) return true;
  if (other.kind !== 'replace' || !precedes(other, call)) return false;
  if (other.record.args['background'] === true || record.aborted !== null) return true;
  return calls.some(
    (each) => each.kind === 'reconfigure' && each.record.args['readOnly'] === true && areConcurrent(each, other),
  );
}

function scrubsSameDevice(a: Call, b: Call): boolean {
  const first = numberArgument(a, 'devid');
  const second = numberArgument(b, 'devid');
  return first === null || second === null || first === second;
}

/** The device that the call names, or one of them, may have been on its way out; also where that failed in the end. */
export function mayBeLeaving(call: Call, { calls }: DeviceEvidence): boolean {
  const devid = numberArgument(call, 'devid');
  return calls.some(
    (other) => other.kind === 'device-remove' && areConcurrent(other, call) && (devid === null || names(other, devid)),
  );
}

/** Somebody may have cancelled the call: by a word for it, by going read-only, or by taking the device away. */
export function mayBeCancelled(call: Call, { calls }: DeviceEvidence): boolean {
  return calls.some((other) => {
    if (other === call || !areConcurrent(other, call)) return false;
    switch (other.kind) {
      case 'scrub-cancel':
      case 'replace-cancel':
        return mayHaveWorked(other);
      case 'reconfigure':
        return other.record.args['readOnly'] === true;
      case 'device-remove':
        return call.kind === 'scrub';
      default:
        return false;
    }
  });
}

/** It was mounted read-only, or became so, and was not certainly writable again before the call. */
export function mayBeReadOnly(call: Call, { record, calls }: DeviceEvidence): boolean {
  const changes = calls.filter((other) => other.kind === 'reconfigure');
  const isWritableAfter = (start: Call | null) =>
    changes.some(
      (other) =>
        other.record.args['readOnly'] === false &&
        other.succeeded &&
        (start === null || precedes(start, other)) &&
        precedes(other, call),
    );
  if (record.mountedReadOnly === true && !isWritableAfter(null)) return true;
  return changes.some(
    (other) => other.record.args['readOnly'] === true && !precedes(call, other) && !isWritableAfter(other),
  );
}

/** Somebody was in the middle of something, or had a file open. */
export function mayBeInUse(call: Call, { calls }: DeviceEvidence): boolean {
  return calls.some((other) => {
    if (other === call) return false;
    if (areConcurrent(other, call)) return true;
    return precedes(other, call) && typeof other.record.args['as'] === 'string' && mayHaveWorked(other);
  });
}

/** It did something, for all that its result says. */
function mayHaveWorked(call: Call): boolean {
  return call.succeeded || call.record.result === null;
}

function names(call: Call, devid: DeviceId): boolean {
  const named = call.record.args['devid'];
  return named === 'missing' || named === devid;
}
