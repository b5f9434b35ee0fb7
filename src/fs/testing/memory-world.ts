import { assert } from '../../base/assert.ts';
import type { Errno } from '../../base/errno.ts';
import { Completed, DONE, runAtomically, type Task } from '../../task/task.ts';
import type {
  BlockDevice,
  Counter,
  Held,
  IoRequest,
  IoResult,
  Mutex,
  PendingIo,
  RangeLock,
  RwSemaphore,
  TaskHandle,
  WaitQueue,
  World,
} from '../../task/world.ts';

/**
 * A world in which every effect completes at once and one task runs: enough to test the engine's data structures
 * without a scheduler. A lock that is taken twice, or a wait that nobody could end, is a failed assertion.
 */
export class MemoryWorld implements World {
  readonly devices: readonly MemoryDevice[];
  readonly observed = false;
  /** Asked before each `mayFail`; tests replace it. */
  failure: (site: string) => Errno | null = () => null;
  /** Asked before each I/O; tests replace it. */
  ioFailure: (request: IoRequest, device: number) => Errno | null = () => null;
  /** Names of points that were passed. */
  readonly points: string[] = [];

  constructor(sizes: readonly number[]) {
    this.devices = sizes.map((size, index) => new MemoryDevice(this, index, size));
  }

  now(): number {
    return 0;
  }

  point(name: string): Task<void> {
    if (this.points.length < 100_000) this.points.push(name);
    return DONE;
  }

  touch(): void {}

  mayFail(site: string): Errno | null {
    return this.failure(site);
  }

  mutex(lockClass: string, id: number): Mutex {
    return new MemoryLock(lockClass, id);
  }

  rwSemaphore(lockClass: string, id: number): RwSemaphore {
    return new MemoryRwSemaphore(lockClass, id);
  }

  rangeLock(): RangeLock {
    return { acquire: () => new Completed<Held>({ release() {} }) };
  }

  waitQueue(name: string): WaitQueue {
    return {
      wait: () => {
        throw new Error(`a single task waits for ever: ${name}`);
      },
      wakeOne() {},
      wakeAll() {},
    };
  }

  counter(): Counter {
    const counter = {
      value: 0,
      add(change: number) {
        counter.value += change;
      },
      waitZero(): Task<void> {
        assert(counter.value === 0, 'a single task cannot wait for others');
        return DONE;
      },
    };
    return counter;
  }

  spawn<T>(name: string, body: Task<T>): TaskHandle<T> {
    const result = runAtomically(body);
    return { id: 0, name, isDone: true, join: () => new Completed(result), kill() {} };
  }

  sleep(): Task<void> {
    return DONE;
  }

  observe(): void {}
}

class MemoryLock implements Mutex {
  private readonly name: string;
  isHeld = false;

  constructor(lockClass: string, id: number) {
    this.name = `${lockClass} ${id}`;
  }

  acquire(): Task<Held> {
    assert(!this.isHeld, 'a single task takes a lock once', { lock: this.name });
    this.isHeld = true;
    return new Completed<Held>({ release: () => (this.isHeld = false) });
  }
}

class MemoryRwSemaphore implements RwSemaphore {
  readonly isContended = false;
  private readonly name: string;
  private readers = 0;
  private isWritten = false;

  constructor(lockClass: string, id: number) {
    this.name = `${lockClass} ${id}`;
  }

  get isHeld(): boolean {
    return this.readers > 0 || this.isWritten;
  }

  acquire(mode: 'shared' | 'exclusive'): Task<Held> {
    assert(!this.isWritten && (mode === 'shared' || this.readers === 0), 'a single task takes a lock once', {
      lock: this.name,
    });
    if (mode === 'shared') this.readers++;
    else this.isWritten = true;
    let isReleased = false;
    const release = () => {
      assert(!isReleased, 'a lock is released once', { lock: this.name });
      isReleased = true;
      if (mode === 'shared') this.readers--;
      else this.isWritten = false;
    };
    return new Completed<Held>({ release });
  }

  changesGuarded(): void {}

  tryAcquire(mode: 'shared' | 'exclusive'): Task<Held | null> {
    if (this.isWritten || (mode === 'exclusive' && this.readers > 0)) return new Completed<Held | null>(null);
    return this.acquire(mode);
  }
}

const BLOCK = 4096;
const ZEROS = new Uint8Array(BLOCK);

/** A device whose blocks are byte arrays by number; what is written is durable at once. */
export class MemoryDevice implements BlockDevice {
  readonly index: number;
  readonly size: number;
  readonly blocks = new Map<number, Uint8Array>();
  /** Writes and flushes that were performed, oldest first. */
  readonly log: IoRequest[] = [];
  private readonly world: MemoryWorld;

  constructor(world: MemoryWorld, index: number, size: number) {
    this.world = world;
    this.index = index;
    this.size = size;
  }

  submit(request: IoRequest): Task<PendingIo> {
    const result = this.performNow(request);
    return new Completed<PendingIo>({ wait: () => new Completed(result) });
  }

  perform(request: IoRequest): Task<IoResult> {
    return new Completed(this.performNow(request));
  }

  private performNow(request: IoRequest): IoResult {
    if (request.operation !== 'read') this.log.push(request);
    request.countedBy?.add(-1);
    const failure = this.world.ioFailure(request, this.index);
    if (failure !== null) return { error: failure };
    const { offset, length } = request;
    if (offset + length > this.size) return { error: 'EIO' };
    if (request.operation === 'read') return { error: null, bytes: this.read(offset, length) };
    if (request.operation === 'write') this.write(offset, request.bytes!);
    if (request.operation === 'discard') this.write(offset, new Uint8Array(length));
    return { error: null, bytes: ZEROS.subarray(0, 0) };
  }

  read(offset: number, length: number): Uint8Array {
    assert(offset % BLOCK === 0 && length % BLOCK === 0, 'the engine reads whole blocks', { offset, length });
    if (length === BLOCK) return this.blocks.get(offset / BLOCK) ?? ZEROS;
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += BLOCK) {
      const block = this.blocks.get((offset + at) / BLOCK);
      if (block !== undefined) bytes.set(block, at);
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    assert(offset % BLOCK === 0 && bytes.length % BLOCK === 0, 'the engine writes whole blocks', { offset });
    for (let at = 0; at < bytes.length; at += BLOCK) {
      this.blocks.set((offset + at) / BLOCK, bytes.subarray(at, at + BLOCK));
    }
  }
}
