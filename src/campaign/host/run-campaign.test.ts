import { expect, test } from 'vitest';
import type { Workload } from '../../workload/model.ts';
import { parseWorkload } from '../../workload/parse.ts';
import { VOCABULARY } from '../registry.ts';
import { type CampaignOutcome, runCampaign } from './run-campaign.ts';

/** One race and one that is none, under each of several settings, and one that cannot be set up. */
const TEXTS: Readonly<Record<string, string>> = {
  race: `
setup:
  - create: /f
  - write: { file: /f, length: 64K, direct: true }
  - sync
tasks:
  writer:
    - write: { file: /f, offset: 8K, length: 24K, direct: true }
  reader:
    - read: { file: /f, length: 64K, direct: true }
explore:
  - { strategy: random, name: first, runs: 40 }
  - { strategy: random, name: second, runs: 40, seed: 2 }
expect:
  - { verdict: clean }
  - { fixes: { off: [reuse-covering-map] }, verdict: clean }
  - { fixes: { off: [reuse-encompassing-map, reuse-covering-map] }, verdict: clean }
  - { fixes: { off: [reuse-identical-map, reuse-encompassing-map, reuse-covering-map] }, verdict: clean }
`,
  names: `
tasks:
  a: [ create: /x, rename: { from: /x, to: /y } ]
  b: [ { create: /y, expect: [ok, EEXIST] }, { unlink: /y, expect: [ok, ENOENT] } ]
explore: { strategy: random, runs: 30 }
expect:
  - { verdict: clean }
  - { fixes: { off: [set-gap-block-length] }, verdict: clean }
  - { fixes: { kernel: '4.15' }, verdict: clean }
`,
  broken: `
setup: [ { create: /f, expect: ENOSPC } ]
tasks: { t: [ sync ] }
`,
};

const WORKLOADS = Object.entries(TEXTS).map(([name, text]): Workload => {
  const { workload, problems } = parseWorkload(text, { file: `${name}.yaml`, vocabulary: VOCABULARY });
  if (workload === undefined) throw new Error(problems.map(({ message }) => message).join('\n'));
  return workload;
});

/** Everything but what the host's clock says; images by their fingerprints. */
function plain(outcome: CampaignOutcome) {
  return outcome.results.map(({ result }) => {
    if (result.failure === null) return result;
    const { record, ...failure } = result.failure;
    const fingerprints = (images: typeof record.before) => images.map((image) => image.fingerprint);
    return {
      ...result,
      failure: {
        ...failure,
        record: { ...record, before: fingerprints(record.before), after: fingerprints(record.after) },
      },
    };
  });
}

test('verdicts and their order do not depend on how many threads explore', { timeout: 60_000 }, async () => {
  const alone = await runCampaign(WORKLOADS);
  expect(alone.results.map(({ result }) => result.ending)).toContain('unexpected-violation');
  expect(alone.results.at(-1)!.result.ending).toBe('setup-failed');
  expect(alone.results.some(({ result }) => (result.failure?.record.events.length ?? 0) > 0)).toBe(true);
  for (const threads of [2]) {
    const shared = await runCampaign(WORKLOADS, { threads });
    expect(plain(shared)).toEqual(plain(alone));
  }
});

test('what was begun when the signal came is there, as interrupted', { timeout: 60_000 }, async () => {
  const stopping = new AbortController();
  const many = WORKLOADS.map((workload) => ({
    ...workload,
    explore: workload.explore.map((stage) => (stage.strategy === 'random' ? { ...stage, runs: 1_000_000 } : stage)),
  }));
  const outcome = await runCampaign(many, {
    threads: 2,
    signal: stopping.signal,
    onProgress: ({ explored }) => {
      if (explored > 10) stopping.abort();
    },
  });
  expect(outcome.isInterrupted).toBe(true);
  expect(outcome.results.length).toBeGreaterThan(0);
  expect(outcome.results.length).toBeLessThan(9);
  for (const { result } of outcome.results) expect(['interrupted', 'unexpected-violation']).toContain(result.ending);
});
