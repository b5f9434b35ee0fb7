import { suggest } from '../base/nearest.ts';
import { findWorkloads, globToRegExp, type WorkloadFile, WorkloadNotFound } from '../campaign/host/workload-files.ts';
import { VOCABULARY } from '../campaign/registry.ts';
import type { TextStyle } from '../report/run-report.ts';
import { formatProblems } from '../workload/format-problems.ts';
import type { Workload } from '../workload/model.ts';
import { parseWorkload } from '../workload/parse.ts';
import type { Problem } from '../workload/problem.ts';
import { UsageError } from './exit.ts';

/** Checked workloads, or all problems of all files. */
export type Loaded =
  | { readonly workloads: readonly Workload[]; readonly textOf: (file: string) => string }
  | {
      readonly problems: readonly Problem[];
      readonly document: object;
      readonly show: (style: TextStyle) => string;
    };

/** Finds and checks workloads; nothing has run yet. Throws `UsageError` when a word names nothing. */
export function loadWorkloads(words: readonly string[], filter: string | null): Loaded {
  const files = findFiles(words, filter);
  const workloads: Workload[] = [];
  const faulty: { readonly file: WorkloadFile; readonly problems: readonly Problem[] }[] = [];
  for (const file of files) {
    const { workload, problems } = parseWorkload(file.text, { file: file.path, vocabulary: VOCABULARY });
    if (workload === undefined) faulty.push({ file, problems });
    else workloads.push(workload);
  }
  if (faulty.length > 0) {
    const problems = faulty.flatMap((entry) => entry.problems);
    return {
      problems,
      document: { format: 'fsquake-problems-1', exitCode: 2, problems },
      show: (style) => faulty.map((entry) => formatProblems(entry.problems, entry.file.text, style)).join('\n'),
    };
  }
  const texts = new Map(files.map((file) => [file.path, file.text]));
  return { workloads, textOf: (path) => texts.get(path) ?? '' };
}

function findFiles(words: readonly string[], filter: string | null): WorkloadFile[] {
  let files: WorkloadFile[];
  try {
    files = findWorkloads(words);
  } catch (error) {
    throw error instanceof WorkloadNotFound ? new UsageError(error.message) : error;
  }
  if (files.length === 0) throw new UsageError('no workload is there to run');
  if (filter === null) return files;
  const pattern = globToRegExp(filter);
  const kept = files.filter((file) => file.name.includes(filter) || pattern.test(file.name));
  if (kept.length > 0) return kept;
  const hint = suggest(
    filter,
    files.map((file) => file.name),
  );
  throw new UsageError(`--filter ${JSON.stringify(filter)} leaves no workload; ${hint}`);
}
