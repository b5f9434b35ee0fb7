import type { PhysicalAddress, VirtualNanoseconds } from '../../base/units.ts';
import { resource } from '../../task/resource.ts';
import type { RwSemaphore, WaitQueue, World } from '../../task/world.ts';
import type { Device } from './device.ts';

/** On disk: the index in this list. */
export const REPLACE_STATES = ['never-started', 'started', 'finished', 'canceled', 'suspended'] as const;
export type ReplacePhase = (typeof REPLACE_STATES)[number];

/** For `world.touch` of whoever reads or changes the state of the device replace. */
export const DEVICE_REPLACE = resource('device-replace', 0);

/**
 * The one device replace that a file system can have (the kernel's dev_replace). Readers that map a write hold `lock`
 * shared while it is `started`; the copy moves the cursors, and the end swaps the devices, under it exclusively.
 */
export class ReplaceState {
  phase: ReplacePhase = 'never-started';
  source: Device | null = null;
  target: Device | null = null;
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
  /** New I/O waits on `unblocked` while the devices are being swapped (DEV_REPLACING). */
  isBlockingIo = false;
  readonly lock: RwSemaphore;
  readonly unblocked: WaitQueue;

  constructor(world: World) {
    this.lock = world.rwSemaphore('device-replace', 0);
    this.unblocked = world.waitQueue('device-replace', 0);
  }

  /** Writes go to both devices, or would by the rule of the time. */
  get isRunning(): boolean {
    return this.phase === 'started' && this.source !== null && this.target !== null;
  }
}
