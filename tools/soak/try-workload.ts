import { Document, isMap, isSeq, visit } from 'yaml';
import { Bench, SetupFailed } from '../../src/campaign/bench.ts';
import { VOCABULARY } from '../../src/campaign/registry.ts';
import { replayOf } from '../../src/campaign/strategies.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { seededRandom } from '../../src/inject/strategies/seeded-random.ts';
import type { DiskImage } from '../../src/record/image.ts';
import type { Workload } from '../../src/workload/model.ts';
import { parseWorkload } from '../../src/workload/parse.ts';
import type { WorkloadForm } from './generate.ts';

/** What went wrong; `kind` is what must stay the same while the workload is cut down. */
export interface Failure {
  readonly kind: string;
  readonly message: string;
  /** Of the executions of this seed, from 0. */
  readonly execution: number;
}

export interface Tried {
  readonly failure: Failure | null;
  readonly executions: number;
  /** Distinct disks after some executions, for outside judges. */
  readonly images: readonly (readonly DiskImage[])[];
}

const OPTIONS = { decideAt: 'everything', keepEvents: false } as const;
const NO_WORKLOAD = /ENOSPC|wrote only|cannot make this file system|\(corrupt\) ended/;
/** One execution in so many is run again from its tape. */
const REPLAY_EVERY = 8;

export function yamlOf(form: WorkloadForm): string {
  const { inject, ...rest } = form;
  const document = new Document(inject.length === 0 ? rest : { ...rest, inject });
  // One line for each operation and rule.
  visit(document, {
    Seq: (_, list) => {
      for (const item of list.items) if (isMap(item) || isSeq(item)) item.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

/** The checked workload, or what the checker says against it. */
export function checkForm(form: WorkloadForm): Workload | readonly string[] {
  const parsed = parseWorkload(yamlOf(form), { file: 'soak.yaml', vocabulary: VOCABULARY });
  return 'workload' in parsed ? parsed.workload : parsed.problems.map((problem) => problem.message);
}

/** Executes a workload so many times with all fixes on and all laws, until something is wrong. */
export function tryWorkload(workload: Workload, seed: string, executions: number, imagesMax: number): Tried {
  const images = new Map<string, readonly DiskImage[]>();
  let execution = 0;
  const result = (failure: Failure | null): Tried => ({
    failure,
    executions: execution,
    images: [...images.values()],
  });
  try {
    const bench = new Bench(workload, allFixes());
    const strategy = seededRandom({ seed });
    for (; execution < executions; execution++) {
      const done = bench.execute(strategy, { ...OPTIONS, seed });
      if (done === null) break;
      const { record, violations } = done;
      const { eventHash } = record;
      if (violations.length > 0) {
        const [first] = violations;
        const message = violations.map(({ law, message: text }) => `${law}: ${text}`).join('\n  ');
        return result({ kind: first!.law, message, execution });
      }
      if (images.size < imagesMax) images.set(eventHash, record.after);
      if (execution % REPLAY_EVERY !== 0) continue;
      const again = new Bench(workload, allFixes()).execute(replayOf([...record.tape]), { ...OPTIONS, seed });
      if (again?.record.eventHash !== eventHash) {
        const message = `event hash ${eventHash}, then ${again?.record.eventHash ?? 'nothing'}`;
        return result({ kind: 'replay differs', message, execution });
      }
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Too little room for its own setup is no workload, nor is what mkfs refuses, or damage where there is nothing.
    if (error instanceof SetupFailed && NO_WORKLOAD.test(error.message)) return result(null);
    const facts = 'facts' in error ? ` ${showFacts(error.facts)}` : '';
    const kind = `${error.name}: ${error.message}`.replaceAll(/\d+/g, '#');
    return result({ kind, message: `${error.stack ?? error.message}${facts}`, execution });
  }
  return result(null);
}

function showFacts(facts: unknown): string {
  try {
    return JSON.stringify(facts).slice(0, 500);
  } catch {
    return String(facts);
  }
}
