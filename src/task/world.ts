import type { Errno } from '../base/errno.ts';
import type {
  ByteCount,
  DeviceId,
  LogicalAddress,
  PhysicalAddress,
  TreeId,
  VirtualNanoseconds,
} from '../base/units.ts';
import type { Observation } from './observation.ts';
import type { AccessMode, ResourceId } from './resource.ts';
import type { Task } from './task.ts';

/**
 * The vocabulary of effects: all that the engine may do to anything outside its own plain functions. The engine sees
 * only this; `inject` implements it. Each effect announces itself (kind, resource, access mode) before it happens, and
 * the world may run somebody else first, delay it, fail it, or never resume it.
 *
 * Factories (`mutex`, `rwSemaphore` …) are cheap and plain. Two calls with the same class and id make two locks: keep
 * the object.
 */
export interface World {
  /** Virtual time. It moves only when everybody waits for a timer. */
  now(): VirtualNanoseconds;

  /**
   * A named place in the engine (see `src/fs/points.ts`) where the schedule may switch, a rule may delay, and an exact
   * interleaving may be written. Put it immediately before the step it is named after.
   */
  point(name: string, on?: ResourceId): Task<void>;

  /** Records that the running transition reads or writes shared state. Plain: never suspends. */
  touch(resource: ResourceId, mode: AccessMode): void;

  /**
   * May this step fail? Null, or the errno that a rule chose. For allocations (`ENOMEM`), space reservations
   * (`ENOSPC`) and other failures that are not I/O. Plain: never suspends. `site` is a name of `src/fs/points.ts`.
   */
  mayFail(site: string): Errno | null;

  mutex(lockClass: string, id: number): Mutex;
  rwSemaphore(lockClass: string, id: number): RwSemaphore;
  rangeLock(lockClass: string, id: number): RangeLock;
  waitQueue(name: string, id: number): WaitQueue;
  counter(name: string, id: number): Counter;

  /** Starts a task; it first runs when the schedule says so. Names show in traces: `ordered-extent 257 8192`. */
  spawn<T>(name: string, body: Task<T>): TaskHandle<T>;
  sleep(duration: VirtualNanoseconds): Task<void>;

  /** The devices plugged in, by index 0, 1 …; what btrfs calls devid is in their superblocks. */
  readonly devices: readonly BlockDevice[];

  /** Tells whoever judges what the engine saw or did; an observer must copy what it keeps. Plain: never suspends. */
  observe(observation: Observation): void;
  /** False when nobody judges: lets the engine skip the making of costly observations. */
  readonly observed: boolean;
}

/** Releases what an acquire took. Releasing twice is a fault of the bench. */
export interface Held {
  release(): void;
}

export interface Mutex {
  acquire(): Task<Held>;
  readonly isHeld: boolean;
}

/** A waiting writer blocks new readers, as in the kernel. */
export interface RwSemaphore {
  acquire(mode: 'shared' | 'exclusive'): Task<Held>;
  /** Null when it would have to wait. Announced, but never suspends for the lock. */
  tryAcquire(mode: 'shared' | 'exclusive'): Task<Held | null>;
  /** True while somebody waits for it: a long reader asks and makes way. */
  readonly isContended: boolean;
  /**
   * The current task changes `field`, which this lock protects. Plain: never suspends. The law `locks` reports it when
   * another task holds the lock at this moment: its critical section saw a change.
   */
  changesGuarded(field: string): void;
}

/**
 * Locks byte ranges [start, start + length). A wish waits for holders of overlapping ranges only, never behind others
 * that wait (as btrfs's extent lock): whoever holds a range may extend it past a waiter.
 */
export interface RangeLock {
  acquire(start: number, length: number, mode?: 'shared' | 'exclusive'): Task<Held>;
}

/** Sleepers are woken in the order they came. Always wait in a loop that tests the condition again. */
export interface WaitQueue {
  wait(): Task<void>;
  wakeOne(): void;
  wakeAll(): void;
}

/** Counts what is under way (writers, I/Os, holders); somebody may wait until none is. Never negative. */
export interface Counter {
  readonly value: number;
  add(change: number): void;
  waitZero(): Task<void>;
}

export interface TaskHandle<T> {
  readonly id: number;
  readonly name: string;
  readonly isDone: boolean;
  /** Waits for the end; rethrows what the task threw. Joining a killed task throws `TaskKilled`. */
  join(): Task<T>;
  /** As a power cut for this task alone: no `catch`, no `finally` of it runs. Its locks stay held and are reported. */
  kill(): void;
}

export class TaskKilled extends Error {}

export type IoOperation = 'read' | 'write' | 'flush' | 'discard';

/** What an I/O is for; rules and reports select on it. */
export type IoPurpose =
  | { readonly kind: 'superblock' }
  | { readonly kind: 'tree-block'; readonly tree: TreeId }
  | { readonly kind: 'data' }
  /** Reads and writes of a scrub, and of the copying part of a device replace. */
  | { readonly kind: 'scrub' }
  | { readonly kind: 'log' };

export interface IoRequest {
  readonly operation: IoOperation;
  /** Bytes from the start of the device; a multiple of 512, as is the length. Flush: 0, 0. */
  readonly offset: PhysicalAddress;
  readonly length: ByteCount;
  /** Write: exactly `length` bytes, which nobody changes afterwards (the device keeps the array, not a copy). */
  readonly bytes?: Uint8Array;
  /** Force unit access: this write alone is durable when it completes; it orders nothing else. */
  readonly fua?: boolean;
  readonly purpose: IoPurpose;
  /** Where the range lies in the logical address space, if it does. */
  readonly logical?: LogicalAddress;
  /** Goes down by one at the instant of completion, whether anybody waits for it or not. */
  readonly countedBy?: Counter;
}

export type IoResult =
  /** `bytes`: of a read, exactly `length` of them, not to be changed; else empty. */
  { readonly error: null; readonly bytes: Uint8Array } | { readonly error: Errno };

/** An I/O under way. Its completion is scheduled like a task; requests complete in any order. */
export interface PendingIo {
  /** Waits for the completion. May be called once or never. */
  wait(): Task<IoResult>;
}

/** One disk with a volatile write cache, which orders nothing until a flush. */
export interface BlockDevice {
  readonly index: number;
  readonly size: ByteCount;
  /** Announces and submits; the completion comes later. */
  submit(request: IoRequest): Task<PendingIo>;
  /** Submit and wait. */
  perform(request: IoRequest): Task<IoResult>;
}

export type { DeviceId };
