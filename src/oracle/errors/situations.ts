import { readU64, viewOf } from '../../base/bytes.ts';
import type { Errno } from '../../base/errno.ts';
import { type Call, isDirect, numberArgument, openerOf, precedes, textArgument } from '../history/calls.ts';
import type { Faults } from '../history/faults.ts';
import type { Namespace, PathState } from '../history/namespace.ts';
import type { ImageChunk } from '../image-contents.ts';
import type { LawContext } from '../law.ts';
import type { Situation } from './contracts.ts';
import {
  type DeviceEvidence,
  mayBeCancelled,
  mayBeInProgress,
  mayBeInUse,
  mayBeLeaving,
  mayBeMember,
  mayBeReadOnly,
  mayBeTooSmall,
  mayHaveNoneMissing,
  mayLackDevice,
  mayLackRoomForChunk,
} from './device-situations.ts';

const FILE_SIZE_MAX = 2 ** 63 - 1;
const NAME_BYTES_MAX = 255;
/** Where the primary superblock lies, and where in it `bytes_used`. */
const SUPERBLOCK_AT = 65536;
const BYTES_USED_AT = 120;
const NODE_SIZE_AT = 148;
/** Metadata that one operation may cost, generously: a few paths copied in all trees. */
const METADATA_PER_CALL = 65536;
const TREE_BLOCKS_PER_CALL = 16;
/** Tree blocks that are kept free for the commit. */
const TREE_BLOCKS_KEPT = 64;

/** Less than this a device of btrfs cannot have; engines on small disks take less. */
const DEVICE_SIZE_MIN = 256 * 2 ** 20;

/** Everything that situations are judged from. */
export interface Evidence extends DeviceEvidence {
  readonly namespace: Namespace;
  readonly faults: Faults;
  readonly context: LawContext;
  /** Where space for data and metadata could be had before the run; null when that image cannot be read. */
  readonly chunks: () => readonly ImageChunk[] | null;
  /** Whether some file had data before the run that no copy of it held. */
  readonly hasDamage: () => boolean;
}

/** Whether `call`, which returned `errno`, may have been in that situation. In doubt: yes. */
export function mayBe(situation: Situation, call: Call, errno: Errno, evidence: Evidence): boolean {
  switch (situation) {
    case 'exists':
      return pathMayBe(call, evidence, ['file', 'directory']);
    case 'missing':
      return call.handle === null && pathMayBe(call, evidence, ['missing', 'no-parent']);
    case 'parent-is-file':
      return pathMayBe(call, evidence, ['parent-is-file']) || targetMayBe(call, evidence, ['parent-is-file']);
    case 'is-directory':
      return pathMayBe(call, evidence, ['directory']);
    case 'is-file':
      return pathMayBe(call, evidence, ['file']);
    case 'target-missing':
      return targetMayBe(call, evidence, ['no-parent']);
    case 'target-exists':
      return targetMayBe(call, evidence, ['file', 'directory']);
    case 'target-absent':
      return targetMayBe(call, evidence, ['missing']);
    case 'source-missing': {
      const path = sourcePathOf(call);
      return path !== null && meets(evidence.namespace.situationsOf(call, path).states, ['missing', 'no-parent']);
    }
    case 'overlapping':
      return mayBeOneFile(call, evidence);
    case 'attribute-exists':
      return call.record.args['when'] === 'missing';
    case 'past-end':
      return call.kind !== 'write' || call.record.args['mapped'] === true;
    case 'target-is-directory':
      return targetMayBe(call, evidence, ['directory']);
    case 'target-is-file':
      return targetMayBe(call, evidence, ['file']);
    case 'has-entries':
      return call.path !== null && evidence.namespace.mayHaveChildren(call, call.path);
    case 'target-has-entries': {
      const to = textArgument(call, 'to');
      return to !== null && evidence.namespace.mayHaveChildren(call, to);
    }
    case 'into-itself':
      return (textArgument(call, 'to') ?? '').startsWith(`${call.path}/`);
    case 'bad-handle':
      return handleMayBeBad(call, evidence);
    case 'unaligned-direct':
      return isUnalignedDirect(call, evidence);
    case 'negative-argument':
      return ['offset', 'length', 'size'].some((name) => (numberArgument(call, name) ?? 0) < 0);
    case 'past-maximum':
      return (
        (numberArgument(call, 'offset') ?? 0) + (numberArgument(call, 'length') ?? 0) > FILE_SIZE_MAX ||
        (numberArgument(call, 'size') ?? 0) > FILE_SIZE_MAX
      );
    case 'name-too-long':
      return [call.path, textArgument(call, 'to')].some((path) =>
        (path ?? '').split('/').some((name) => Buffer.byteLength(name) > NAME_BYTES_MAX),
      );
    case 'unaligned-range':
      return ['offset', 'length', 'size'].some(
        (name) => (numberArgument(call, name) ?? 0) % evidence.context.sectorSize !== 0,
      );
    case 'size-too-small':
      return (numberArgument(call, 'size') ?? 0) < DEVICE_SIZE_MIN;
    case 'size-too-large':
      return isTooLarge(call, evidence);
    case 'empty-range':
      return numberArgument(call, 'length') === 0 || call.kind === 'trim';
    case 'no-room-for-chunk':
      return mayLackRoomForChunk(evidence, evidence.chunks());
    case 'no-such-device':
      return mayLackDevice(call, evidence);
    case 'none-missing':
      return mayHaveNoneMissing(call, evidence);
    case 'is-member':
      return mayBeMember(call, evidence);
    case 'too-small':
      return mayBeTooSmall(call, evidence);
    case 'in-progress':
      return mayBeInProgress(call, evidence);
    case 'being-removed':
      return mayBeLeaving(call, evidence);
    case 'cancelled':
      return mayBeCancelled(call, evidence);
    case 'read-only':
      return mayBeReadOnly(call, evidence);
    case 'in-use':
      return mayBeInUse(call, evidence);
    case 'device-missing':
      return evidence.initialDevices()?.isAnyMissing !== false;
    // Which chunks lie where, what was open and what ran inside at that moment is not on record.
    case 'device-needed':
    case 'none-running':
    case 'no-copy':
    // Nor which attributes a file had, nor how long another file was just then.
    case 'no-such-attribute':
    case 'special-file':
    case 'source-too-short':
      return true;
    case 'corrupted':
      return (
        evidence.calls.some((other) => other.kind === 'corrupt' && other.started < call.ended) || evidence.hasDamage()
      );
    case 'may-be-full':
      return mayBeFull(evidence);
    case 'fault':
      return faultExplains(errno, evidence.faults);
    case 'aborted':
      return evidence.faults.aborted !== null;
  }
}

function sourcePathOf(call: Call): string | null {
  const source = call.record.args['source'] as { readonly path?: string } | undefined;
  return source?.path ?? null;
}

/** Source and target of a copy may be the same file, and its ranges have bytes in common. */
function mayBeOneFile(call: Call, { calls, namespace }: Evidence): boolean {
  const source = sourcePathOf(call);
  const from = numberArgument(call, 'sourceOffset') ?? 0;
  const to = numberArgument(call, 'offset') ?? 0;
  const length = numberArgument(call, 'length') ?? 0;
  if (from + length <= to || to + length <= from) return false;
  if (source === null || call.path === null || calls.some(({ kind }) => kind === 'link')) return true;
  const targets = namespace.situationsOf(call, call.path).identities;
  if (targets.size === 0) return true;
  return [...namespace.situationsOf(call, source).identities].some((identity) => targets.has(identity));
}

function pathMayBe(call: Call, { namespace }: Evidence, wanted: readonly PathState[]): boolean {
  if (call.path === null) return false;
  return meets(namespace.situationsOf(call, call.path).states, wanted);
}

function targetMayBe(call: Call, { namespace }: Evidence, wanted: readonly PathState[]): boolean {
  const to = textArgument(call, 'to');
  return to !== null && meets(namespace.situationsOf(call, to).states, wanted);
}

function meets(states: ReadonlySet<PathState>, wanted: readonly PathState[]): boolean {
  return states.has('unknown') || wanted.some((state) => states.has(state));
}

function handleMayBeBad(call: Call, { calls }: Evidence): boolean {
  if (call.handle === null) return false;
  const opener = openerOf(call, calls);
  if (opener === null || !opener.succeeded) return true;
  return calls.some(
    (other) =>
      other.kind === 'close' &&
      other.handle === call.handle &&
      other.record.task === call.record.task &&
      precedes(opener, other) &&
      precedes(other, call),
  );
}

function isUnalignedDirect(call: Call, { context }: Evidence): boolean {
  const offset = numberArgument(call, 'offset') ?? 0;
  const length = numberArgument(call, 'length') ?? 0;
  return isDirect(call) && (offset % context.sectorSize !== 0 || length % context.sectorSize !== 0);
}

/** More than the smallest disk has: an id may have come to any disk. */
function isTooLarge(call: Call, { record }: Evidence): boolean {
  const size = numberArgument(call, 'size');
  return size !== null && record.before.some((image) => size > image.size);
}

/**
 * An eighth of the devices, because chunks come in large pieces and freed space returns only with a commit; or all that
 * the chunks of before the run hold, where no new ones are made.
 */
export function mayBeFull({ record, calls, chunks, context, initialDevices }: Evidence): boolean {
  let total = 0;
  for (const image of record.before) total += image.size;
  if (total === 0) return true;
  const superblock = record.before[0]!;
  const used = readU64(viewOf(superblock.read(SUPERBLOCK_AT + BYTES_USED_AT, 8)), 0);
  const nodeSize = viewOf(superblock.read(SUPERBLOCK_AT + NODE_SIZE_AT, 4)).getUint32(0, true);
  let data = 0;
  for (const call of calls) {
    // Both ends of a write lie in sectors that are written whole; a truncate zeroes the rest of one.
    if (call.kind === 'write') data += (numberArgument(call, 'length') ?? 0) + 2 * context.sectorSize;
    else if (call.kind === 'fallocate') data += numberArgument(call, 'length') ?? 0;
    else if (call.kind === 'truncate') data += context.sectorSize;
  }
  if ((used + data + calls.length * METADATA_PER_CALL) * 8 >= total) return true;
  const known = chunks();
  if (known === null || known.length === 0) return false;
  // A block group that a scrub or a device replace is at is read-only: what is written meanwhile needs another one.
  const isHeld = calls.some(({ kind }) => kind === 'scrub' || kind === 'replace') || initialDevices()?.isReplacing;
  if (isHeld && mayLackRoomForChunk({ record, calls, initialDevices }, known)) return true;
  const metadata = (TREE_BLOCKS_KEPT + calls.length * TREE_BLOCKS_PER_CALL) * nodeSize;
  return used + data >= lengthOf(known, true) || used + metadata >= lengthOf(known, false);
}

function lengthOf(chunks: readonly ImageChunk[], isData: boolean): number {
  let length = 0;
  for (const chunk of chunks) if (chunk.isData === isData) length += chunk.length;
  return length;
}

/** A failed I/O may surface as itself or as EIO; a failure that aborts also as EROFS. */
function faultExplains(errno: Errno, faults: Faults): boolean {
  if (!faults.wasInjected) return false;
  if (faults.errnos === null || faults.aborted !== null) return true;
  return faults.errnos.has(errno) || ((errno === 'EIO' || errno === 'EROFS') && faults.errnos.size > 0);
}
