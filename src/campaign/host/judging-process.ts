import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JudgeReport, notJudged } from '../../oracle/judges/report.ts';
import type { DiskImage } from '../../record/image.ts';
import { packImage } from '../../record/packed-image.ts';
import type { JudgeAnswer, JudgeName, JudgeRequest } from './judge-process.ts';

/** `.js` when this is the installed program, `.ts` when it runs from its sources. */
const EXTENSION = extname(import.meta.url);

interface Question {
  readonly judge: JudgeName;
  readonly resolve: (report: JudgeReport) => void;
}

/**
 * Asks judges in a process of their own. A judge starts a dozen programs for each image, and to start one from the
 * process that explores, with its threads and hundreds of megabytes, costs ten times what the judge itself does.
 */
export class JudgingProcess {
  private child: ChildProcess | null = null;
  private readonly questions = new Map<number, Question>();
  private asked = 0;

  /** Any number may be under way at once. */
  ask(judge: JudgeName, images: readonly DiskImage[]): Promise<JudgeReport> {
    const child = this.started();
    const request: JudgeRequest = { id: ++this.asked, judge, images: images.map(packImage) };
    return new Promise((resolve) => {
      this.questions.set(request.id, { judge, resolve });
      child.channel?.ref();
      child.send(request, (error) => {
        if (error !== null) this.answer({ id: request.id, report: notJudged(judge, error.message) });
      });
    });
  }

  /** To be called when all answers are there; the next question starts a new process. */
  close(): void {
    if (this.child?.connected) this.child.disconnect();
    this.child = null;
  }

  private started(): ChildProcess {
    if (this.child?.connected) return this.child;
    const child = fork(fileURLToPath(new URL(`./judge-process${EXTENSION}`, import.meta.url)), {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // An interrupt goes to a whole group of processes: in one of their own, they put away what they have attached.
      detached: true,
      execArgv: EXTENSION === '.ts' ? ['--import', import.meta.resolve('tsx')] : [],
    });
    child.on('message', (answer: JudgeAnswer) => this.answer(answer));
    child.on('error', (error) => this.lose(child, error.message));
    child.on('exit', (code, signal) => this.lose(child, `their process ended (${signal ?? code})`));
    // Nobody waits for it but those with a question.
    child.unref();
    child.channel?.unref();
    this.child = child;
    return child;
  }

  private answer({ id, report }: JudgeAnswer): void {
    const question = this.questions.get(id);
    this.questions.delete(id);
    if (this.questions.size === 0) this.child?.channel?.unref();
    question?.resolve(report);
  }

  private lose(child: ChildProcess, why: string): void {
    if (child !== this.child) return;
    for (const [id, { judge }] of [...this.questions]) this.answer({ id, report: notJudged(judge, why) });
  }
}
