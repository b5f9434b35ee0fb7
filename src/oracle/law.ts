import type { DiskImage } from '../record/image.ts';
import type { RunRecord, Step } from '../record/run-record.ts';
import type { Observation } from '../task/observation.ts';
import type { IoRequest } from '../task/world.ts';

/** One broken law, with what a reader needs to believe it. */
export interface Violation {
  readonly law: string;
  /** One line: what happened, to what, where. */
  readonly message: string;
  readonly expected: string;
  readonly observed: string;
  /** Steps of the run that prove it, if they are known. */
  readonly evidence: readonly Step[];
}

/** Judges one kind of promise. Shares no code with the engine but the byte layout (`fs/format`). */
export interface Law {
  readonly name: string;
  /** What it promises, one sentence. */
  readonly title: string;
  /** A fresh judge for one run. */
  begin(context: LawContext): LawSession;
}

/** What every judge may know before the run starts: never the fix switches. */
export interface LawContext {
  readonly sectorSize: number;
  /** The disks as reads see them at this moment, by device index; cheap. */
  readonly disks: () => readonly DiskImage[];
}

/** An I/O that is about to take effect on a device. */
export interface WatchedIo {
  /** Index of the device. */
  readonly device: number;
  readonly request: IoRequest;
}

export interface LawSession {
  /** Called for each observation as it happens; must be quick, must copy what it keeps. */
  observe?(observation: Observation, step: Step): void;
  /** Called for each discard, and each I/O of purpose `scrub`, before it takes effect; never for one that fails. */
  io?(io: WatchedIo, step: Step): void;
  /** All violations of the run, in order; never throws for what the engine did. */
  judge(record: RunRecord): Violation[];
}
