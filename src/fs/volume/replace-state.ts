import type { PhysicalAddress, VirtualNanoseconds } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { Counter, RwSemaphore, WaitQueue, World } from '../../task/world.ts';
import type { Device } from './device.ts';

/** On disk: the index in this list. */
export const REPLACE_STATES = ['never-started', 'started', 'finished', 'canceled', 'suspended'] as const;
export type ReplacePhase = (typeof REPLACE_STATES)[number];

/** For `world.touch` of whoever reads or changes the state of the device replace; phase and devices announce themselves. */
export const DEVICE_REPLACE = resource('device-replace', 0);
/** What every I/O looks at. Apart from the cursors, which move all the time. */
const DEVICE_REPLACE_PHASE = resource('device-replace', 1);

/**
 * The one device replace that a file system can have (the kernel's dev_replace). Readers that map a write hold `lock`
 * shared while it is `started`; the copy moves the cursors, and the end swaps the devices, under it exclusively.
 */
export class ReplaceState {
  private readonly world: World;
  private phaseNow: ReplacePhase = 'never-started';
  private sourceNow: Device | null = null;
  private targetNow: Device | null = null;
  private isBlockingNow = false;
  /** Everything on the source below this has been copied. */
  cursorLeft: PhysicalAddress = 0;
  /** End of the device extent that is being copied; equal to `cursorLeft` between two of them. */
  cursorRight: PhysicalAddress = 0;
  /** As the last committed item says: where a mount would resume. */
  committedCursorLeft: PhysicalAddress = 0;
  cursorLeftLastWrite: PhysicalAddress = 0;
  /** The item differs from what the trees say. */
  needsWriteback = false;
  /** The device tree has an item, so a commit keeps it up to date. */
  hasItem = false;
  readsFromSourceOnlyIfNoMirror = false;
  timeStarted: VirtualNanoseconds = 0;
  timeStopped: VirtualNanoseconds = 0;
  writeErrors = 0;
  uncorrectableReadErrors = 0;
  cancelRequested = false;
  /** Counts starts and resumes. Whoever copies asks at the end whether the replace is still its own. */
  run = 0;
  /** Took the place of a source, and no commit that says so is durable yet: its superblock is written before all others. */
  newcomer: Device | null = null;
  /** Tasks that copy or finish. */
  readonly running: Counter;
  readonly lock: RwSemaphore;
  readonly unblocked: WaitQueue;

  constructor(world: World) {
    this.world = world;
    this.lock = world.rwSemaphore('device-replace', 0);
    this.unblocked = world.waitQueue('device-replace', 0);
    this.running = world.counter('device-replace', 0);
  }

  get phase(): ReplacePhase {
    this.world.touch(DEVICE_REPLACE_PHASE, 'read');
    return this.phaseNow;
  }

  set phase(phase: ReplacePhase) {
    this.world.touch(DEVICE_REPLACE_PHASE, 'write');
    this.phaseNow = phase;
  }

  get source(): Device | null {
    this.world.touch(DEVICE_REPLACE_PHASE, 'read');
    return this.sourceNow;
  }

  set source(device: Device | null) {
    this.world.touch(DEVICE_REPLACE_PHASE, 'write');
    this.sourceNow = device;
  }

  get target(): Device | null {
    this.world.touch(DEVICE_REPLACE_PHASE, 'read');
    return this.targetNow;
  }

  set target(device: Device | null) {
    this.world.touch(DEVICE_REPLACE_PHASE, 'write');
    this.targetNow = device;
  }

  /** New I/O waits on `unblocked` while the devices are being swapped (DEV_REPLACING). */
  get isBlockingIo(): boolean {
    this.world.touch(DEVICE_REPLACE_PHASE, 'read');
    return this.isBlockingNow;
  }

  /** Whoever sets it to false wakes `unblocked`. */
  set isBlockingIo(isBlocking: boolean) {
    this.world.touch(DEVICE_REPLACE_PHASE, 'write');
    this.isBlockingNow = isBlocking;
  }

  /**
   * Writes go to both devices, or would by the rule of the time; also of one that is suspended: what has been copied
   * must not grow old.
   */
  get isRunning(): boolean {
    this.world.touch(DEVICE_REPLACE_PHASE, 'read');
    if (this.phaseNow !== 'started' && this.phaseNow !== 'suspended') return false;
    return this.sourceNow !== null && this.targetNow !== null;
  }
}
