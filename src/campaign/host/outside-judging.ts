import type { JudgeReport } from '../../oracle/judges/report.ts';
import type { Violation } from '../../oracle/law.ts';
import type { Complaint, ExecutionOrigin } from '../conclude.ts';
import type { ImageSample } from '../explore.ts';
import { JudgingProcess } from './judging-process.ts';

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

/** They mostly wait, for the kernel and for programs to start, while the exploration has the processors. */
const JUDGED_AT_ONCE = 4;

/** What one outside judge did. */
export interface JudgeCount {
  readonly name: string;
  readonly judged: number;
  readonly refused: number;
  readonly available: number;
}

/** A setting, by its number, and the execution of it that left an image. */
interface Owner {
  readonly setting: number;
  readonly origin: ExecutionOrigin;
}

/**
 * Asks outside judges about samples while the exploration goes on, several at once: each judge gives the images an
 * identity of their own. The kernel mounts only images that everybody else found sound.
 */
export class OutsideJudging {
  private readonly budget: JudgingBudget;
  /** Who left each image, by its fingerprint. */
  private readonly owners = new Map<string, Owner[]>();
  /** What judges said of images, by fingerprint. */
  private readonly complaints = new Map<string, Violation[]>();
  private readonly judges = new JudgingProcess();
  private readonly running = new Set<Promise<void>>();
  private readonly checks = { name: 'btrfs check', judged: 0, refused: 0, available: 0 };
  private readonly mounts = { name: 'kernel mount', judged: 0, refused: 0, available: 0 };
  private readonly reasons = new Set<string>();
  private readonly mountsOf = new Map<number, number>();
  private mountsAsked = 0;
  private isStopped = false;

  constructor(budget: JudgingBudget) {
    this.budget = budget;
  }

  /**
   * Takes a sample of the setting with this number; resolves when there is room for the next one, not when it has been
   * judged.
   */
  async offer(sample: ImageSample, setting: number): Promise<void> {
    const key = sample.fingerprint;
    if (this.isStopped) return;
    const owners = this.owners.get(key);
    owners?.push({ setting, origin: sample.origin });
    if (owners !== undefined) return;
    this.owners.set(key, [{ setting, origin: sample.origin }]);
    while (this.running.size >= JUDGED_AT_ONCE) await Promise.race(this.running);
    const work = this.judge(sample, setting).finally(() => this.running.delete(work));
    this.running.add(work);
  }

  /** No further images are begun. */
  stop(): void {
    this.isStopped = true;
  }

  /** Waits for all judges. One line in `reasons` for each reason why something was not judged. */
  async finish(available: number): Promise<{ readonly counts: JudgeCount[]; readonly reasons: string[] }> {
    await Promise.all(this.running);
    this.judges.close();
    const counts = [this.checks, this.mounts].map((count) => ({ ...count, available }));
    return { counts: counts.filter((count) => count.judged > 0), reasons: [...this.reasons].sort() };
  }

  /**
   * What the judges said of images that this setting left: of an image that several left, the first of them hears it.
   * To be asked after `finish`.
   */
  complaintsAbout(setting: number): Complaint[] {
    return [...this.complaints].flatMap(([key, violations]) => {
      const owners = this.owners.get(key)!;
      const first = owners.reduce((least, owner) => (owner.setting < least.setting ? owner : least));
      return first.setting === setting ? violations.map((violation) => ({ origin: first.origin, violation })) : [];
    });
  }

  private async judge(sample: ImageSample, setting: number): Promise<void> {
    const report = await this.judges.ask('btrfs check', sample.images);
    this.count(report, this.checks, sample);
    const mounted = this.mountsOf.get(setting) ?? 0;
    const hasRoom = mounted < this.budget.mountsPerSetting && this.mountsAsked < this.budget.mountsMax;
    if (report.verdict === 'faulty' || !sample.isSound || !hasRoom || this.isStopped) return;
    this.mountsOf.set(setting, mounted + 1);
    this.mountsAsked += 1;
    this.count(await this.judges.ask('kernel mount', sample.images), this.mounts, sample);
  }

  private count(report: JudgeReport, count: { judged: number; refused: number }, { fingerprint }: ImageSample): void {
    if (report.verdict === 'not-judged') {
      this.reasons.add(report.reason);
      return;
    }
    count.judged += 1;
    if (report.verdict === 'clean') return;
    count.refused += 1;
    this.complaints.set(fingerprint, [...(this.complaints.get(fingerprint) ?? []), complaintOf(report)]);
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
