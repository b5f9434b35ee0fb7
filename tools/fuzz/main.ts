import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import type { Finding } from './run-cases.ts';
import type { WorkerMessage, WorkerTask } from './worker.ts';

/**
 * `npm run fuzz -- --count 1000000 --seed 1`: damaged images against every reader of foreign bytes. Anything but a report,
 * an FsError or a FormatError is a finding: another error, twenty cases that take longer than thirty seconds, memory beyond the
 * limit. Exit code 1 with findings. `--only NUMBER` runs one case and shows all of its story.
 */
const SECONDS_MAX = 30;
const MEMORY_MAX_MIB = 512;
const FINDINGS_SHOWN_MAX = 20;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    processes: { type: 'string', default: String(Math.max(1, availableParallelism() - 1)) },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
const first = values.only === undefined ? Number(values.first) : Number(values.only);
const count = values.only === undefined ? first + Number(values.count) : first + 1;
const processes = values.only === undefined ? Number(values.processes) : 1;

const seen = Array.from({ length: processes }, () => ({ number: first, since: performance.now() }));
const endings: Record<string, number> = {};
const findings: Finding[] = [];
const running = new Set<ChildProcess>();
let memory = 0;
let cases = 0;
let slowest = 0;
let nextReport = 0;

for (let index = 0; index < processes; index++) start(index);
const watch = setInterval(watchCases, 500);

function start(index: number): void {
  const heap = `--max-old-space-size=${MEMORY_MAX_MIB / 2}`;
  const worker = fork(join(import.meta.dirname, 'worker.ts'), { execArgv: [...process.execArgv, heap] });
  running.add(worker);
  const task: WorkerTask = { seed, first: first + index, step: processes, count };
  worker.send(task);
  worker.on('message', (message: WorkerMessage) => add(index, message));
  worker.on('exit', (code, signal) => {
    running.delete(worker);
    if (code !== 0) report(index, `the process ended with ${signal ?? code}`);
    if (running.size === 0) finish();
  });
}

function report(index: number, error: string): void {
  const { number } = seen[index]!;
  const story = `one of the twenty from ${number} on in steps of ${processes}; --only NUMBER runs one`;
  findings.push({ seed, number, reader: 'process', story, error });
}

function add(index: number, result: WorkerMessage): void {
  const now = performance.now();
  slowest = Math.max(slowest, now - seen[index]!.since);
  seen[index] = { number: result.next, since: now };
  memory = Math.max(memory, result.mib);
  cases += result.cases;
  findings.push(...result.findings);
  if (findings.length <= FINDINGS_SHOWN_MAX) result.findings.forEach(show);
  for (const [ending, times] of Object.entries(result.endings)) endings[ending] = (endings[ending] ?? 0) + times;
  if (cases < nextReport) return;
  nextReport = cases + 20_000;
  console.log(`${cases} cases, ${findings.length} findings, at most ${Math.round(memory)} MiB`);
}

/** A process that hangs cannot say so itself. */
function watchCases(): void {
  for (const [index, { number, since }] of seen.entries()) {
    if (number >= count || performance.now() - since < SECONDS_MAX * 1000) continue;
    report(index, `takes longer than ${SECONDS_MAX} s`);
    for (const worker of running) worker.kill('SIGKILL');
    finish();
  }
}

function finish(): void {
  clearInterval(watch);
  for (const finding of findings) if (finding.reader === 'process') show(finding);
  for (const [ending, times] of Object.entries(endings).sort()) console.log(`${ending}: ${times}`);
  const most = `at most ${Math.round(memory)} MiB in one process (limit ${MEMORY_MAX_MIB}), no twenty cases longer than ${Math.ceil(slowest / 1000)} s`;
  console.log(`${cases} damaged images, seed ${seed}: ${findings.length} findings, ${most}`);
  process.exit(findings.length > 0 || memory > MEMORY_MAX_MIB ? 1 : 0);
}

function show({ seed, number, reader, story, error }: Finding): void {
  console.log(`--seed ${seed} --only ${number} (${reader})\n  ${story}\n  ${error.replaceAll('\n', '\n  ')}\n`);
}
