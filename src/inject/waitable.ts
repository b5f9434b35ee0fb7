import type { SimulatedTask } from './simulated-task.ts';

/** Something that a task waits for. */
export interface Waitable {
  /** For people: `mutex inode 257, held by writer`. */
  showWait(): string;
  /** The tasks that all must do something before this wait can end; empty where anybody may end it. */
  blockers(): readonly SimulatedTask[];
  /** The tasks that are expected to end it, if only as far as anybody can tell; asked when all else waits. */
  suspects?(): readonly SimulatedTask[];
  /** Its name among `LockReport.locks`. */
  readonly lockName?: string;
  /** Forgets a waiter that was killed. */
  forget?(task: SimulatedTask): void;
}

/** A wait that ends by itself or by somebody unknown. */
export class PlainWait implements Waitable {
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  showWait(): string {
    return this.text;
  }

  blockers(): readonly SimulatedTask[] {
    return [];
  }
}
