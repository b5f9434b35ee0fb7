import { expect, test } from 'vitest';
import { Bench } from '../src/campaign/bench.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { strategyOf } from '../src/campaign/strategies.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { parseWorkload } from '../src/workload/parse.ts';

/**
 * Goal: nothing that a device replace, or a remount, once did wrong beside the historical bugs comes back. Method: each as a small
 * workload, under all laws: a script, or random executions of which more than one in ten failed with the code as it was
 * (the third: with a cancellation that waits for the copy but not for the commit; the last: with the law as it was).
 */
const MIRRORED = `{ devices: [8M, 8M], spare: [8M], metadata: raid1, data: raid1,
  block-groups: { system: 256K, metadata: 1M, data: 256K } }`;

const FINDINGS: readonly (readonly [string, string])[] = [
  [
    'the old disk does not become a member again before it has lost its superblocks',
    `
filesystem: ${MIRRORED}
setup: [{ create: /f }, { write: { file: /f, offset: 0, length: 64K } }]
tasks:
  replacer: [{ replace: { devid: 2, target: 2 } }]
  adder:
    repeat: 60
    do: [{ device-add: 1 }, { sleep: 300us }]
inject: [{ name: slow, when: { operation: write, purpose: superblock }, then: { delay: 1ms } }]
explore: { strategy: random, runs: 30 }`,
  ],
  [
    'nor does the target of a replace that was cancelled',
    `
filesystem: ${MIRRORED}
setup: [{ create: /f }, { write: { file: /f, offset: 0, length: 64K } }]
tasks:
  replacer: [{ replace: { devid: 2, target: 2 } }]
  canceller:
    repeat: 20
    do: [replace-cancel, { sleep: 500us }]
  adder:
    repeat: 60
    do: [{ device-add: 2 }, { sleep: 300us }]
inject: [{ name: slow, when: { operation: write, purpose: superblock }, then: { delay: 1ms } }]
explore: { strategy: random, runs: 30 }`,
  ],
  [
    'a commit that says that a replace is under way brings all it writes to the target',
    `
filesystem: { devices: [10M], spare: [10M], block-groups: { system: 256K, metadata: 1M, data: 256K } }
setup:
  - create: { file: /n, nodatacow: true }
  - write: { file: /n, offset: 0, length: 64K, direct: true }
  - create: /gone
  - write: { file: /gone, offset: 0, length: 256K }
  - sync
  - unlink: /gone
  - sync
tasks:
  writer: [{ write: { file: /n, offset: 8K, length: 16K, direct: true } }, { write: { file: /n, offset: 128K, length: 64K, direct: true } }]
  cleaner:
    repeat: 4
    do: [clean, { sleep: 300us }]
  replacer: [{ replace: { devid: 1, target: 1 } }]
  remounter:
    repeat: 6
    do: [{ reconfigure: { read-only: true } }, { reconfigure: { read-only: false } }, { sleep: 300us }]
  canceller:
    repeat: 5
    do: [{ sleep: 700us }, replace-cancel]
  trimmer:
    repeat: 4
    do: [trim, { sleep: 300us }]
inject: [{ name: slow, when: { operation: write, purpose: scrub }, then: { delay: 100us } }]
explore: { strategy: random, runs: 30 }`,
  ],
  [
    'the end of a replace does not wait for the commit that waits for it',
    `
filesystem: { devices: [8M], spare: [8M], block-groups: { system: 256K, metadata: 1M, data: 256K } }
setup:
  - create: /keep
  - write: { file: /keep, offset: 0, length: 256K, direct: true }
  - create: /gone
  - write: { file: /gone, offset: 0, length: 64K, direct: true }
  - sync
  - unlink: /gone
  - sync
tasks:
  replacer: [{ replace: { devid: 1, target: 1 } }]
  cleaner: [clean]
  syncer: [{ mkdir: /d }, sync]
explore: { strategy: script }
schedule:
  - replacer: replace-swap
  - cleaner: cleaner-pick
  - syncer: commit-start
  - replacer: replace-lock
  - cleaner: chunk-remove-device-extents`,
  ],
  [
    'a replace that a remount suspends and resumes still excludes others, and can be cancelled',
    `
filesystem: { devices: [8M, 8M], spare: [8M, 8M], metadata: raid1, data: raid1 }
setup: [{ create: { file: /n, nodatacow: true } }, { write: { file: /n, offset: 0, length: 32K, direct: true } }]
tasks:
  replacer: [{ replace: { devid: 2, target: 2 } }, { reconfigure: { read-only: false } }, { replace: { devid: 1, target: 3 } }]
  remounter:
    repeat: 10
    do: [{ reconfigure: { read-only: true } }, { reconfigure: { read-only: false } }, { sleep: 200us }]
  other:
    repeat: 10
    do: [{ reconfigure: { read-only: false } }, { sleep: 100us }]
  canceller:
    repeat: 10
    do: [{ sleep: 100us }, replace-cancel]
inject: [{ name: slow, when: { operation: write, purpose: scrub }, then: { delay: 1ms } }]
explore: { strategy: random, runs: 30 }`,
  ],
];

test.each(FINDINGS)('%s', (_, text) => {
  const parsed = parseWorkload(text, { file: 'finding.yaml', vocabulary: VOCABULARY });
  if (!('workload' in parsed) || parsed.workload === undefined) {
    throw new Error(parsed.problems.map(({ message }) => message).join('\n'));
  }
  const { workload } = parsed;
  const stage = workload.explore[0]!;
  const bench = new Bench(workload, allFixes());
  const strategy = strategyOf(stage, workload);
  const runs = stage.strategy === 'random' ? stage.runs : 1;
  for (let execution = 0; execution < runs; execution++) {
    const done = bench.execute(strategy, { decideAt: 'everything', keepEvents: false, seed: 'finding' });
    expect(done!.violations).toEqual([]);
  }
});
