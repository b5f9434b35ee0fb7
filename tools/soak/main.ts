import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { loadZstd } from '../../src/campaign/host/load-zstd.ts';
import { btrfsCheck } from '../../src/oracle/judges/btrfs-check.ts';
import { generateWorkload, type Scope, type WorkloadForm } from './generate.ts';
import { shrink } from './shrink.ts';
import { checkForm, type Failure, tryWorkload, yamlOf } from './try-workload.ts';

/**
 * `npm run soak -- --seed S --minutes M`: random workloads under random interleavings with every fix on, all laws and
 * `btrfs check` judging. Prints what fails, cut down, as a workload file; ends with 1 when something did.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    from: { type: 'string', default: '0' },
    count: { type: 'string' },
    executions: { type: 'string', default: '40' },
    checks: { type: 'string', default: '1' },
    kinds: { type: 'string', default: '3' },
    scope: { type: 'string', default: 'both' },
  },
});
const executionsEach = Number(values.executions);
const checksEach = Number(values.checks);
/** Failures of one kind that are cut down and shown; the others are counted. */
const shownOfKindMax = Number(values.kinds);
/** About a block device of somebody else, which the tool tries too. */
const ELSEWHERE = /^ERROR: cannot scan/;
const SHRINK_MILLISECONDS = 20_000;
const until = performance.now() + Number(values.minutes) * 60_000;
const first = Number(values.from);
const end = values.count === undefined ? Number.POSITIVE_INFINITY : first + Number(values.count);

await loadZstd();
const progress = watchForHangs();
const counts = { workloads: 0, refused: 0, executions: 0, checked: 0, failures: 0 };
const kinds = new Map<string, number>();
const refusals = new Map<string, number>();
const notJudged = new Map<string, number>();

for (let index = first; index < end && performance.now() < until; index++) {
  Atomics.store(progress, 0, index);
  Atomics.add(progress, 1, 1);
  const seed = `${values.seed}/${index}`;
  const form = generateWorkload(seed, scopeOf(index));
  const workload = checkForm(form);
  if (!('tasks' in workload)) {
    counts.refused += 1;
    for (const problem of workload) refusals.set(problem, (refusals.get(problem) ?? 0) + 1);
    continue;
  }
  counts.workloads += 1;
  const tried = tryWorkload(workload, seed, executionsEach, checksEach);
  counts.executions += tried.executions;
  if (tried.failure !== null) report(form, seed, tried.failure);
  else await judgeImages(form, seed, tried.images);
}

for (const [problem, count] of [...refusals].sort((a, b) => b[1] - a[1]).slice(0, 8)) {
  console.log(`refused ${count} times: ${problem}`);
}
for (const [reason, count] of notJudged) console.log(`not judged ${count} times: ${reason}`);
console.log(JSON.stringify({ ...counts, kinds: Object.fromEntries(kinds) }));
process.exit(counts.failures > 0 ? 1 : 0);

/** Half of all workloads are about devices, unless `--scope` names one: files, ranges or devices. */
function scopeOf(index: number): Scope {
  if (values.scope === 'files' || values.scope === 'ranges' || values.scope === 'devices') return values.scope;
  return index % 2 === 0 ? 'devices' : index % 4 === 1 ? 'ranges' : 'files';
}

async function judgeImages(form: WorkloadForm, seed: string, images: ReturnType<typeof tryWorkload>['images']) {
  for (const [execution, disks] of images.entries()) {
    const verdict = await btrfsCheck(disks);
    if (verdict.verdict === 'not-judged') notJudged.set(verdict.reason, (notJudged.get(verdict.reason) ?? 0) + 1);
    else counts.checked += 1;
    if (verdict.verdict !== 'faulty' || isExcused(form, verdict.output)) continue;
    counts.failures += 1;
    console.log(`\n=== seed ${seed}, execution ${execution}: btrfs check\n${verdict.output}\n${yamlOf(form)}`);
  }
}

/**
 * Wiped devices are missing, and the tool warns without finding an error. What was corrupted, or not written because a
 * rule made it fail, has the wrong checksum in one copy: the laws know which.
 */
function isExcused(form: WorkloadForm, output: string): boolean {
  const complaints = output.split('\n').filter((line) => /\bwarning\b|^error\b/i.test(line) && !ELSEWHERE.test(line));
  const mayLackCopies = /"(corrupt|wipe)"|"fail":"EIO"/.test(JSON.stringify(form));
  return complaints.every(
    (line) =>
      /device \d+ is missing/.test(line) ||
      // One that left could not be wiped.
      (mayLackCopies && /adding device .* but found an existing device/.test(line)) ||
      (mayLackCopies && /errors found in csum tree/.test(line)),
  );
}

function report(form: WorkloadForm, seed: string, failure: Failure): void {
  counts.failures += 1;
  const shown = kinds.get(failure.kind) ?? 0;
  kinds.set(failure.kind, shown + 1);
  if (shown >= shownOfKindMax) return;
  let found = failure;
  const deadline = performance.now() + SHRINK_MILLISECONDS;
  const small = shrink(form, (smaller) => {
    Atomics.add(progress, 1, 1);
    if (performance.now() > deadline) return false;
    const workload = checkForm(smaller);
    if (!('tasks' in workload)) return false;
    const again = tryWorkload(workload, seed, executionsEach * 2, 0).failure;
    if (again?.kind !== failure.kind) return false;
    found = again;
    return true;
  });
  console.log(`\n=== seed ${seed}, execution ${found.execution}\n  ${found.message}\n${yamlOf(small)}`);
}

/** An execution that never ends blocks this thread: another one tells which workload it was. */
function watchForHangs(): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const source = `
    const { workerData } = require('node:worker_threads');
    let seen = -1;
    setInterval(() => {
      const now = Atomics.load(workerData, 1);
      if (now === seen) {
        require('node:fs').writeSync(2, 'hang: workload ' + Atomics.load(workerData, 0) + ' does not end\\n');
        process.kill(process.pid, 'SIGKILL');
      }
      seen = now;
    }, 120000);`;
  const worker = new Worker(source, { eval: true, workerData: shared });
  worker.on('error', (error) => writeSync(2, `${error.message}\n`));
  worker.unref();
  return shared;
}
