import { createHash } from 'node:crypto';
import { btrfsCheck } from '../../oracle/judges/btrfs-check.ts';
import { type ExpectedFile, kernelMount } from '../../oracle/judges/kernel-mount.ts';
import type { JudgeReport } from '../../oracle/judges/report.ts';
import type { Violation } from '../../oracle/law.ts';
import { OPEN_CONTENTS } from '../../oracle/laws.ts';
import type { DiskImage } from '../../record/image.ts';
import type { ImageSample, SettingExploration } from '../explore.ts';

/** How much the outside judges are asked. */
export interface JudgingBudget {
  /** Distinct images that `btrfs check` sees, of each workload and setting; 0: none. */
  readonly checksPerSetting: number;
  /** Images that the kernel mounts, of each workload and setting. */
  readonly mountsPerSetting: number;
  /** Images that the kernel mounts in all. */
  readonly mountsMax: number;
}

export const NO_JUDGING: JudgingBudget = { checksPerSetting: 0, mountsPerSetting: 0, mountsMax: 0 };
export const SAMPLED_JUDGING: JudgingBudget = { checksPerSetting: 2, mountsPerSetting: 1, mountsMax: 4 };
export const THOROUGH_JUDGING: JudgingBudget = {
  checksPerSetting: Number.POSITIVE_INFINITY,
  mountsPerSetting: Number.POSITIVE_INFINITY,
  mountsMax: Number.POSITIVE_INFINITY,
};

/** `btrfs check` runs beside the exploration, which has the other core. */
const CHECKS_AT_ONCE = 2;

/** What one outside judge did. */
export interface JudgeCount {
  readonly name: string;
  readonly judged: number;
  readonly refused: number;
  readonly available: number;
}

/**
 * Asks outside judges about samples while the exploration goes on. The kernel mounts one image at a time, since all
 * images of a workload bear the same uuid, and only images that everybody else found sound.
 */
export class OutsideJudging {
  private readonly budget: JudgingBudget;
  private readonly seen = new Set<string>();
  private readonly running = new Set<Promise<void>>();
  private readonly checks = { name: 'btrfs check', judged: 0, refused: 0, available: 0 };
  private readonly mounts = { name: 'kernel mount', judged: 0, refused: 0, available: 0 };
  private readonly reasons = new Set<string>();
  private readonly mountsOf = new Map<SettingExploration, number>();
  private mountQueue: Promise<void> = Promise.resolve();
  private mountsAsked = 0;
  private isStopped = false;

  constructor(budget: JudgingBudget) {
    this.budget = budget;
  }

  /** Takes a sample; resolves when there is room for the next one, not when it has been judged. */
  async offer(sample: ImageSample, exploration: SettingExploration): Promise<void> {
    const key = sample.fingerprint;
    if (this.seen.has(key) || this.isStopped) return;
    this.seen.add(key);
    while (this.running.size >= CHECKS_AT_ONCE) await Promise.race(this.running);
    const work = this.judge(sample, exploration).finally(() => this.running.delete(work));
    this.running.add(work);
  }

  /** No further images are begun. */
  stop(): void {
    this.isStopped = true;
  }

  /** Waits for all judges. One line in `reasons` for each reason why something was not judged. */
  async finish(available: number): Promise<{ readonly counts: JudgeCount[]; readonly reasons: string[] }> {
    await Promise.all(this.running);
    await this.mountQueue;
    const counts = [this.checks, this.mounts].map((count) => ({ ...count, available }));
    return { counts: counts.filter((count) => count.judged > 0), reasons: [...this.reasons].sort() };
  }

  private async judge(sample: ImageSample, exploration: SettingExploration): Promise<void> {
    const report = await btrfsCheck(sample.images);
    this.count(report, this.checks, sample, exploration);
    const mounted = this.mountsOf.get(exploration) ?? 0;
    const hasRoom = mounted < this.budget.mountsPerSetting && this.mountsAsked < this.budget.mountsMax;
    if (report.verdict === 'faulty' || !sample.isSound || !hasRoom) return;
    this.mountsOf.set(exploration, mounted + 1);
    this.mountsAsked += 1;
    const previous = this.mountQueue;
    this.mountQueue = (async () => {
      await previous;
      if (this.isStopped) return;
      this.count(await kernelMount(sample.images, filesOf(sample.images)), this.mounts, sample, exploration);
    })();
  }

  private count(
    report: JudgeReport,
    count: { judged: number; refused: number },
    sample: ImageSample,
    exploration: SettingExploration,
  ): void {
    if (report.verdict === 'not-judged') {
      this.reasons.add(report.reason);
      return;
    }
    count.judged += 1;
    if (report.verdict === 'clean') return;
    count.refused += 1;
    exploration.addComplaint(sample.origin, complaintOf(report));
  }
}

/** Outside judges speak about the disks: to a workload, their word is the law `structure`. */
function complaintOf(report: JudgeReport): Violation {
  return {
    law: 'structure',
    message: `${report.judge} refuses an image that the run left: ${report.reason}`,
    expected: `${report.judge} finds nothing to complain about`,
    observed: report.reason,
    evidence: [],
  };
}

/** What our own walker reads in the image must be what the kernel reads. */
function filesOf(images: readonly DiskImage[]): ExpectedFile[] {
  const contents = OPEN_CONTENTS(images);
  if (contents === null) return [];
  return contents.entries().flatMap((entry) => {
    if (entry.kind !== 'file') return [];
    const bytes = contents.readFile(entry.path);
    return bytes === null ? [] : [{ path: entry.path, sha256: createHash('sha256').update(bytes).digest('hex') }];
  });
}
