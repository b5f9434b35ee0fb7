import type { Errno } from '../base/errno.ts';
import type { ByteCount, FileOffset, LogicalAddress, PhysicalAddress, VirtualNanoseconds } from '../base/units.ts';
import type { FileChangeOperation } from './model-files.ts';

export type * from './model-files.ts';

/**
 * A workload after all checks: names resolved, sizes in bytes, times in nanoseconds, defaults filled in. What its YAML
 * form may say is in `schema.ts`; this is what the bench runs.
 */
export interface Workload {
  /** Kebab-case; the file's name without extension unless the file says otherwise. */
  readonly name: string;
  /** One sentence, may be empty. */
  readonly title: string;
  readonly description: string;
  /** As handed to the parser; for messages only. */
  readonly file: string;
  readonly filesystem: FilesystemSettings;
  readonly fixes: FixSetting;
  /** Run one after the other, undisturbed; then the file system is unmounted: the start of every execution. */
  readonly setup: readonly Operation[];
  /** In the order of the file; never empty. */
  readonly tasks: readonly TaskScript[];
  readonly inject: readonly FaultRule[];
  /** Never empty; names are unique. */
  readonly explore: readonly ExploreStage[];
  /** The exact interleaving of strategy `script`; empty when there is none. */
  readonly schedule: readonly ScheduleStep[];
  /** Never empty: without `expect`, one entry says that the base setting is clean. */
  readonly expect: readonly Expectation[];
}

/** Where something stands in the file: both from 1, columns count characters. */
export interface SourcePosition {
  readonly line: number;
  readonly column: number;
}

export interface FilesystemSettings {
  /** Size of each device, by index; never empty. */
  readonly devices: readonly ByteCount[];
  readonly nodeSize: ByteCount;
  /** Sizes of further devices that mkfs leaves blank; their indices follow those of `devices`. */
  readonly spares: readonly ByteCount[];
  readonly metadata: ProfileName;
  readonly data: ProfileName;
  readonly mount: MountSettings;
  readonly label: string;
  /** Sizes of newly made block groups; null leaves the choice to mkfs. */
  readonly blockGroups: {
    readonly system: ByteCount | null;
    readonly metadata: ByteCount | null;
    readonly data: ByteCount | null;
  };
}

export const PROFILE_NAMES = ['single', 'dup', 'raid0', 'raid1', 'raid1c3', 'raid1c4'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Options of every mount, in setup and in executions. */
export interface MountSettings {
  readonly degraded: boolean;
  readonly discard: boolean;
  readonly readOnly: boolean;
  /** New data is compressed where that saves space; null: only where a file asks for it. */
  readonly compress: CompressionName | null;
  /** Also where the first try does not save any. */
  readonly compressForce: boolean;
  /** Files up to so many bytes lie in the tree; 0: none. */
  readonly maxInline: ByteCount;
  readonly nodatacow: boolean;
  readonly nodatasum: boolean;
}

export const COMPRESSION_NAMES = ['zlib', 'zstd'] as const;
export type CompressionName = (typeof COMPRESSION_NAMES)[number];

/** Fix switches as written and as they come out. All are ids of the registry, in its order. */
export interface FixSetting {
  /** `4.15`: all switches as that kernel had them, before `on` and `off`. Null: all on. */
  readonly kernel: string | null;
  readonly on: readonly string[];
  readonly off: readonly string[];
  /** What is on in the end, requirements checked. */
  readonly enabled: readonly string[];
}

export interface TaskScript {
  readonly name: string;
  /** How often the list is run, at least once. */
  readonly repeat: number;
  /** Never empty. */
  readonly operations: readonly Operation[];
}

/** A path from the root, or a handle opened earlier in the same list (`$log` is the handle `log`). */
export type FileReference =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'handle'; readonly handle: string };

/** How an operation may end. */
export type Outcome = 'ok' | Errno;

export interface OperationBase {
  /** The only endings that are right, as the user wrote them; null leaves that to the law `errors`. */
  readonly expect: readonly Outcome[] | null;
  readonly at: SourcePosition;
}

export interface MkdirOperation extends OperationBase {
  readonly kind: 'mkdir';
  readonly path: string;
}
/** Makes a new, empty file; EEXIST when the path exists. */
export interface CreateOperation extends OperationBase {
  readonly kind: 'create';
  readonly path: string;
  /** The handle under which it stays open, if any. */
  readonly as: string | null;
  /** Writes go in place and have no checksums (`chattr +C` on the empty file). */
  readonly nodatacow: boolean;
  /** How its data is compressed; null: as the mount says. */
  readonly compress: CompressionName | null;
}
export interface OpenOperation extends OperationBase {
  readonly kind: 'open';
  readonly path: string;
  readonly as: string;
  readonly direct: boolean;
  readonly append: boolean;
}
export interface CloseOperation extends OperationBase {
  readonly kind: 'close';
  readonly handle: string;
}
export interface UnlinkOperation extends OperationBase {
  readonly kind: 'unlink';
  readonly path: string;
}
export interface RenameOperation extends OperationBase {
  readonly kind: 'rename';
  readonly from: string;
  readonly to: string;
  /** Both names stay, and change places. */
  readonly exchange: boolean;
  /** EEXIST where the new name is taken. */
  readonly noReplace: boolean;
}
export interface TruncateOperation extends OperationBase {
  readonly kind: 'truncate';
  readonly file: FileReference;
  readonly size: ByteCount;
}
export interface WriteOperation extends OperationBase {
  readonly kind: 'write';
  readonly file: FileReference;
  /** Null when appending. */
  readonly offset: FileOffset | null;
  readonly length: ByteCount;
  /** Of the operation, or inherited from the handle; offset and length are then whole sectors. */
  readonly direct: boolean;
  readonly append: boolean;
  /** Through a shared mapping: within the file's size. */
  readonly mapped: boolean;
}
export interface ReadOperation extends OperationBase {
  readonly kind: 'read';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
  readonly direct: boolean;
}
/** fsync, fdatasync: make the file durable; fiemap: list its extents. */
export interface FileOperation extends OperationBase {
  readonly kind: 'fsync' | 'fdatasync' | 'fiemap';
  readonly file: FileReference;
}
/** Preallocates space; `keepSize` leaves the size of the file as it is. Whole sectors. */
export interface FallocateOperation extends OperationBase {
  readonly kind: 'fallocate';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
  readonly keepSize: boolean;
}
/** Overwrites the bytes of one copy of a range of a file on its device, behind the file system's back. */
export interface CorruptOperation extends OperationBase {
  readonly kind: 'corrupt';
  readonly file: FileReference;
  readonly offset: FileOffset;
  readonly length: ByteCount;
  /** From 1, as btrfs counts mirrors. */
  readonly mirror: number;
}
/** In setup only: the device with this index loses its superblocks, so that the next mount misses it. */
export interface WipeOperation extends OperationBase {
  readonly kind: 'wipe';
  readonly device: number;
}
/** `device`: index of a blank device. */
export interface DeviceAddOperation extends OperationBase {
  readonly kind: 'device-add';
  readonly device: number;
}
export interface DeviceRemoveOperation extends OperationBase {
  readonly kind: 'device-remove';
  readonly devid: number | 'missing';
}
export interface DeviceResizeOperation extends OperationBase {
  readonly kind: 'device-resize';
  readonly devid: number;
  readonly size: ByteCount | 'max';
}
/** Scrubs one device, or one after the other (`devid` null). Range: half-open bytes of the device. */
export interface ScrubOperation extends OperationBase {
  readonly kind: 'scrub';
  readonly devid: number | null;
  readonly start: PhysicalAddress;
  /** Null: to the end of the device. */
  readonly end: PhysicalAddress | null;
  readonly readOnly: boolean;
  /** From where the last scrub of this device was cancelled. */
  readonly resume: boolean;
}
/** Replaces the member `devid` by the blank device with index `target`. */
export interface ReplaceOperation extends OperationBase {
  readonly kind: 'replace';
  readonly devid: number;
  readonly target: number;
  /** Ends when the copy has begun; the copy goes on in the task `device-replace`. */
  readonly background: boolean;
  /** Read from the source only where no other mirror is good (`btrfs replace start -r`). */
  readonly avoidSource: boolean;
}
/** Discards what is free: block groups in this range of logical addresses, and unallocated space of all devices. */
export interface TrimOperation extends OperationBase {
  readonly kind: 'trim';
  readonly offset: LogicalAddress;
  /** Null: to the end. */
  readonly length: ByteCount | null;
  /** Shorter free ranges are left alone. */
  readonly minimum: ByteCount;
}
/** `mount -o remount,…`: what is null stays as it is. */
export interface ReconfigureOperation extends OperationBase {
  readonly kind: 'reconfigure';
  readonly readOnly: boolean | null;
  readonly discard: boolean | null;
}
/**
 * Operations on the whole file system. `remount` (unmount, then mount) occurs in setup only; `clean` is one run of the
 * cleaner: it deletes unused block groups.
 */
export interface GlobalOperation extends OperationBase {
  readonly kind: 'sync' | 'drop-caches' | 'remount' | 'clean' | 'scrub-cancel' | 'replace-cancel';
  /** Of drop-caches: only the extent maps of this range, pinned ones stay, as relocation drops them. */
  readonly range?: { readonly file: FileReference; readonly offset: FileOffset; readonly length: ByteCount };
}
/** Virtual time passes for this task. */
export interface SleepOperation extends OperationBase {
  readonly kind: 'sleep';
  readonly duration: VirtualNanoseconds;
}
/** A point of the workload's own: schedules and delays may name it like a point of the engine. */
export interface MarkOperation extends OperationBase {
  readonly kind: 'mark';
  readonly point: string;
}

export type Operation =
  | MkdirOperation
  | CreateOperation
  | OpenOperation
  | CloseOperation
  | UnlinkOperation
  | RenameOperation
  | TruncateOperation
  | WriteOperation
  | ReadOperation
  | FileOperation
  | FallocateOperation
  | FileChangeOperation
  | CorruptOperation
  | WipeOperation
  | DeviceAddOperation
  | DeviceRemoveOperation
  | DeviceResizeOperation
  | ScrubOperation
  | ReplaceOperation
  | TrimOperation
  | ReconfigureOperation
  | GlobalOperation
  | SleepOperation
  | MarkOperation;

export type OperationKind = Operation['kind'];

/** Device I/O, as rules select it. */
export type IoOperationName = 'read' | 'write' | 'flush' | 'discard';
export type IoPurposeName = 'superblock' | 'tree-block' | 'data' | 'log' | 'scrub';

/** When something happens that `when` matches, do `then`. */
export interface FaultRule {
  /** Unique; for reports. */
  readonly name: string;
  readonly when: FaultMatch;
  readonly then: FaultEffect;
  readonly at: SourcePosition;
}

/** All fields that are not null must match. `target` says which kind of event the rule is about. */
export interface FaultMatch {
  readonly target: 'io' | 'lock' | 'point' | 'site';
  /** A task of the workload, or the first word of an engine task's name. */
  readonly task: string | null;
  readonly operations: readonly IoOperationName[] | null;
  readonly device: number | null;
  /** Half-open range of bytes of the device that the I/O overlaps. */
  readonly physical: { readonly start: PhysicalAddress; readonly length: ByteCount } | null;
  readonly logical: { readonly start: LogicalAddress; readonly length: ByteCount } | null;
  readonly purpose: IoPurposeName | null;
  /** Object id of the tree whose blocks are meant. */
  readonly tree: number | null;
  /** A lock class. */
  readonly lock: string | null;
  readonly point: string | null;
  readonly site: string | null;
  /** Counts matching events from 1; null: every one. */
  readonly occurrence: Occurrence | null;
  /** Fires in `numerator` of `denominator` matching cases; both whole, 0 ≤ numerator ≤ denominator. */
  readonly probability: { readonly numerator: number; readonly denominator: number } | null;
}

export type Occurrence =
  | { readonly kind: 'nth'; readonly nth: number }
  /** The n-th, 2n-th, 3n-th … */
  | { readonly kind: 'every'; readonly every: number }
  /** Both included; `to` null: from then on. */
  | { readonly kind: 'range'; readonly from: number; readonly to: number | null };

export type FaultEffect =
  | { readonly kind: 'delay'; readonly duration: VirtualNanoseconds }
  | { readonly kind: 'delay-until'; readonly task: string; readonly point: string }
  /** Until so many other events have happened. */
  | { readonly kind: 'delay-events'; readonly events: number }
  | { readonly kind: 'fail'; readonly errno: Errno }
  /** The completion waits until so many later ones are through. */
  | { readonly kind: 'reorder-hold'; readonly hold: number }
  /** Completions between two flushes come last first, or in random order. */
  | { readonly kind: 'reorder-last-first' }
  | { readonly kind: 'reorder-shuffle' };

/** `priorities`: probabilistic concurrency testing, which lets one task stand still for long. */
export type RandomisedStrategy = 'random' | 'priorities';

export type ExploreStage = ScriptStage | ExhaustiveStage | RandomStage;

/** The schedule of the file, once. */
export interface ScriptStage {
  readonly strategy: 'script';
  readonly name: string;
}
/** Every interleaving. */
export interface ExhaustiveStage {
  readonly strategy: 'exhaustive';
  readonly name: string;
  /** Switch tasks only at these points; null: at every effect. */
  readonly points: readonly string[] | null;
  /** Leave out interleavings that cannot differ from one already seen. */
  readonly prune: boolean;
  /** Stop, incomplete, after so many executions. */
  readonly bound: number;
}
export interface RandomStage {
  readonly strategy: RandomisedStrategy;
  readonly name: string;
  readonly points: readonly string[] | null;
  readonly runs: number;
  readonly seed: string;
}

export function isRandomised(stage: ExploreStage): stage is RandomStage {
  return stage.strategy === 'random' || stage.strategy === 'priorities';
}

/**
 * One line of an interleaving: the task passes the point now. A task that stands at a point which the rest of the
 * schedule names for it waits until its turn comes; points that the schedule does not name are passed freely.
 */
export interface ScheduleStep {
  readonly task: string;
  readonly point: string;
  readonly at: SourcePosition;
}

/** What must come out under one setting of the switches. */
export interface Expectation {
  /** The base setting with this entry's changes applied. */
  readonly fixes: FixSetting;
  readonly verdict: 'clean' | 'violation';
  /** Laws of which at least one must break; empty: any. Only with verdict `violation`. */
  readonly laws: readonly string[];
  /** The errno that an operation must have returned. */
  readonly errno: Errno | null;
  /** Text that a violation's message must contain. */
  readonly message: string | null;
  /** Names of the stages that this entry speaks about; never empty. */
  readonly stages: readonly string[];
  /** Exact counts, of exhaustive stages only. */
  readonly counts: { readonly explored: number | null; readonly violating: number | null } | null;
  readonly at: SourcePosition;
}
