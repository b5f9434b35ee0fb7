import { assert } from '../base/assert.ts';
import type { ByteCount } from '../base/units.ts';
import type { BlockTable } from '../record/block-table.ts';
import { TABLE_BLOCK_SIZE } from '../record/block-table.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { BlockDevice, IoRequest, IoResult, PendingIo } from '../task/world.ts';
import type { Scheduler } from './scheduler.ts';
import { type SimulatedIo, showRequest } from './simulated-io.ts';
import type { SimulatedCounter } from './wait-queue.ts';

const NO_BYTES = new Uint8Array(0);
const DONE_WITHOUT_BYTES: IoResult = { error: null, bytes: NO_BYTES };
const SECTOR = 512;
/** Blocks of one device in the space of resource ids. */
const DEVICE_UNIT = 2 ** 36;

/** A completed write or discard that a power cut may still take away. */
export interface CachedWrite {
  /** Counts the completed writes of this device from 1. */
  readonly sequence: number;
  readonly request: IoRequest;
  /** Durable by FUA, kept only because an older overlapping write still may, or may not, survive below it. */
  readonly isDurable: boolean;
}

/**
 * A disk with a volatile write cache. A write is seen by reads from its completion on; it survives a power cut for sure
 * from the completion of a flush that was submitted after that, or at once with FUA. Until then any subset of the
 * cached writes may survive; the cache promises no order among them.
 */
export class SimulatedDevice implements BlockDevice {
  readonly index: number;
  readonly scheduler: Scheduler;
  private media: BlockTable;
  private durableMedia: BlockTable;
  private cache: CachedWrite[] = [];
  private completedWrites = 0;
  private readonly pending: SimulatedIo[] = [];
  private readonly cacheResource: ResourceId;

  constructor(index: number, scheduler: Scheduler, image: BlockTable) {
    this.index = index;
    this.scheduler = scheduler;
    this.media = image.snapshot();
    this.durableMedia = image.snapshot();
    this.cacheResource = resource('device-cache', index);
  }

  /** Back to the start of a run, with this content. */
  reset(image: BlockTable): void {
    this.media = image.snapshot();
    this.durableMedia = image.snapshot();
    if (this.cache.length !== 0) this.cache.length = 0;
    if (this.pending.length !== 0) this.pending.length = 0;
    this.completedWrites = 0;
  }

  get size(): ByteCount {
    return this.media.size;
  }

  submit(request: IoRequest): Task<PendingIo> {
    return this.scheduler.submit(this, request, 'submit') as Task<PendingIo>;
  }

  perform(request: IoRequest): Task<IoResult> {
    return this.scheduler.submit(this, request, 'submit-and-wait') as Task<IoResult>;
  }

  /** What reads see now. */
  visible(): BlockTable {
    return this.media.snapshot();
  }

  /** What is left if the power goes now and the cache is lost entirely. */
  durable(): BlockTable {
    return this.durableMedia.snapshot();
  }

  /** Completed writes that a power cut may take away, oldest first; those in between that are durable say so. */
  unflushed(): readonly CachedWrite[] {
    return this.cache.slice();
  }

  /** Submitted and not completed, oldest first: a power cut may find each done, undone or torn. */
  inFlight(): readonly IoRequest[] {
    return this.pending.map((io) => io.request);
  }

  get pendingIos(): readonly SimulatedIo[] {
    return this.pending;
  }

  /** How many writes have completed; what a flush submitted now will cover. */
  get completed(): number {
    return this.completedWrites;
  }

  check(request: IoRequest): void {
    const law = brokenBy(request, this.media.size);
    if (law === null) return;
    const facts = { request: showRequest(this.index, request), size: this.size, bytes: request.bytes?.length };
    assert(false, law, facts);
  }

  begin(io: SimulatedIo): void {
    this.pending.push(io);
    // A flush covers the writes completed by now, so it may not change places with their completions.
    if (io.request.operation === 'flush') this.scheduler.touchWhat(this.cacheResource, true);
  }

  /** Takes effect: the instant at which the medium changes, or is read. */
  complete(io: SimulatedIo): void {
    const { pending } = this;
    let at = 0;
    while (pending[at] !== io) at++;
    for (const last = pending.length - 1; at < last; at++) pending[at] = pending[at + 1]!;
    pending.pop();
    if (this.scheduler.keepsFootprint) this.touchFor(io.request);
    (io.request.countedBy as SimulatedCounter | undefined)?.addFor(io.submitter, -1);
    if (io.failWith !== null) {
      io.result = { error: io.failWith };
      return;
    }
    const { request } = io;
    const { ioWatcher } = this.scheduler;
    if (ioWatcher !== null && (request.operation === 'discard' || request.purpose.kind === 'scrub')) {
      ioWatcher(this.index, request, this.scheduler.steps);
    }
    switch (request.operation) {
      case 'read':
        io.result = { error: null, bytes: this.media.read(request.offset, request.length) };
        return;
      case 'write':
      case 'discard':
        apply(this.media, request);
        this.store(request);
        break;
      case 'flush':
        this.flush(io.completedBefore);
        break;
    }
    io.result = DONE_WITHOUT_BYTES;
  }

  private store(request: IoRequest): void {
    this.completedWrites += 1;
    const isDurable = request.fua === true;
    if (isDurable) {
      if (this.cache.length === 0) {
        this.makeAllDurable();
        return;
      }
      apply(this.durableMedia, request);
    }
    this.cache.push({ sequence: this.completedWrites, request, isDurable });
  }

  /** Makes all writes up to this sequence durable, and lays those that FUA made durable since over them again. */
  private flush(covered: number): void {
    if (covered === this.completedWrites) {
      this.makeAllDurable();
      return;
    }
    const rest: CachedWrite[] = [];
    for (const write of this.cache) {
      if (write.sequence <= covered || write.isDurable) apply(this.durableMedia, write.request);
      if (write.sequence > covered && !(write.isDurable && rest.length === 0)) rest.push(write);
    }
    this.cache = rest;
  }

  /** No completed write is left out: both tables hold the same, and share it, so that it is hashed once. */
  private makeAllDurable(): void {
    if (this.cache.length !== 0) this.cache.length = 0;
    this.durableMedia = this.media.snapshot();
  }

  private touchFor(request: IoRequest): void {
    const { scheduler, index } = this;
    const { operation, offset, length } = request;
    scheduler.touchWhat(this.cacheResource, operation === 'flush');
    const first = Math.floor(offset / TABLE_BLOCK_SIZE);
    const end = Math.ceil((offset + length) / TABLE_BLOCK_SIZE);
    for (let block = first; block < end; block++) {
      scheduler.touchWhat(resource('device-block', index * DEVICE_UNIT + block), operation !== 'read');
    }
  }
}

/** The first rule of block devices that a request breaks; null when it keeps them all. */
function brokenBy({ operation, offset, length, bytes }: IoRequest, size: ByteCount): string | null {
  if (operation === 'flush') return offset === 0 && length === 0 ? null : 'a flush has no range';
  const isAligned = offset % SECTOR === 0 && length % SECTOR === 0;
  if (!isAligned || length <= 0) return 'an I/O covers whole 512-byte sectors';
  if (offset < 0 || offset + length > size) return 'an I/O lies inside its device';
  if (operation === 'write' && bytes?.length !== length) return 'a write brings exactly its length in bytes';
  return null;
}

function apply(table: BlockTable, request: IoRequest): void {
  if (request.operation === 'discard') table.discard(request.offset, request.length);
  else table.write(request.offset, request.bytes!);
}
