import { expect, test } from 'vitest';
import { Bench } from '../src/campaign/bench.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { parseWorkload } from '../src/workload/parse.ts';

/**
 * What `npm run soak` found once in workloads with devices and administrators, each as the small workload that it
 * printed: faults of the engine, and false alarms of laws. Goal: none of it comes back. Method: 60 random executions
 * with all fixes and all laws.
 */
const FINDINGS: readonly (readonly [string, string])[] = [
  [
    'a device replace whose start meets a read-only remount leaves no superblock on its target',
    `
filesystem: { devices: [16M, 16M], spare: [24M] }
tasks:
  t: [{ replace: { devid: 2, target: 2 } }]
  boss: [{ reconfigure: { read-only: true } }]`,
  ],
  [
    'damage meets the file that was meant, whole, whoever overwrites it in place meanwhile',
    `
filesystem: { mount: { discard: true } }
setup: [{ create: { file: /b, nodatacow: true } }]
tasks:
  u: { repeat: 3, do: [{ write: { file: /b, offset: 28K, length: 12K, direct: true } }] }
  boss: [{ corrupt: { file: /b, offset: 20K, length: 16K, mirror: 1 } }]`,
  ],
  [
    'a write of part of a damaged sector without checksum keeps the damage of the rest',
    `
setup: [{ create: { file: /a, nodatacow: true } }]
tasks:
  t: [{ write: { file: /a, offset: 4K, length: 24K, direct: true } }, { write: { file: /a, offset: 8K, length: 3 } }]
  boss: [{ corrupt: { file: /a, offset: 0, length: 12K, mirror: 1 } }]`,
  ],
  [
    'what was damaged before the run fails to be read, and a device replace does not hand it over',
    `
filesystem: { devices: [16M, 16M, 16M], spare: [24M, 24M] }
setup: [{ create: /b }, { write: { file: /b, offset: 16K, length: 24K } }, { corrupt: { file: /b, offset: 16K, length: 16K, mirror: 1 } }]
tasks:
  t: [{ read: { file: /b, offset: 0, length: 128K } }]
  admin: [{ replace: { devid: 3, target: 4 } }, { replace: { devid: 1, target: 3 } }]`,
  ],
  [
    'what is damaged while it is copied has whatever was on the target',
    `
filesystem: { devices: [16M, 16M, 24M, 16M], spare: [24M] }
setup: [{ create: /b }, { write: { file: /b, offset: 0, length: 64K } }]
tasks:
  admin: [{ replace: { devid: 3, target: 4 } }]
  boss: [{ corrupt: { file: /b, offset: 12K, length: 4K, mirror: 1 } }]`,
  ],
  [
    'what could not be read of the only copy is lost with a device replace',
    `
filesystem: { devices: [16M, 16M], spare: [24M] }
setup: [{ create: /b }, { write: { file: /b, offset: 2905, length: 4096 } }]
tasks: { admin: [{ replace: { devid: 1, target: 2 } }] }
inject: [{ when: { operation: read, probability: 1/4 }, then: { fail: EIO } }]`,
  ],
  [
    'copies that differed before, and have no checksums, differ after a device replace',
    `
filesystem: { spare: [24M], data: dup, block-groups: { system: 256K, metadata: 1M, data: 256K } }
setup:
  - { create: { file: /a, nodatacow: true } }
  - { write: { file: /a, offset: 27929, length: 16K } }
  - { corrupt: { file: /a, offset: 20K, length: 8K, mirror: 1 } }
tasks: { t: [{ replace: { devid: 1, target: 1 } }] }`,
  ],
  [
    'a scrub repairs what was committed when it began, and nothing newer',
    `
filesystem: { devices: [16M, 12M], data: raid1, block-groups: { system: 256K, metadata: 1M, data: 1M } }
setup: [{ create: /a }]
tasks:
  t: [scrub]
  v: [{ write: { file: /a, offset: 12K, length: 20K } }]
  boss: [{ corrupt: { file: /a, offset: 20K, length: 8K, mirror: 2 } }, scrub]`,
  ],
  [
    'a scrub whose reads fail repairs nothing',
    `
filesystem: { devices: [16M, 24M], data: raid1 }
setup: [{ create: /a }, { write: { file: /a, offset: 0, length: 64K } }]
tasks: { admin: [{ corrupt: { file: /a, offset: 8K, length: 16K, mirror: 2 } }, scrub] }
inject: [{ when: { operation: read, purpose: scrub, occurrence: { from: 1 } }, then: { fail: EIO } }]
`,
  ],
  [
    'a scrub of all devices does not owe those that come or go meanwhile',
    `
filesystem: { devices: [16M, 16M, 12M], spare: [24M] }
tasks:
  t: [scrub]
  u: [scrub]
  admin: [{ device-remove: 3 }, { device-add: 3 }]`,
  ],
  [
    'where no other chunk fits, a block group cannot be copied, or nothing written while it is',
    `
filesystem: { devices: [12M, 16M, 16M], spare: [24M], metadata: raid0, data: raid1c3 }
setup: [{ create: /b }]
tasks:
  t: [{ write: { file: /b, offset: 27517, length: 27 } }, { write: { file: /b, offset: 8K, length: 24K, direct: true } }]
  admin: [{ replace: { devid: 1, target: 3 } }]`,
  ],
  [
    'a device that is missing cannot be resized',
    `
filesystem: { devices: [16M, 24M, 16M], metadata: raid1, data: raid1, mount: { degraded: true } }
setup: [{ wipe: 1 }]
tasks: { t: [{ device-resize: { devid: 2, size: 12M } }] }`,
  ],
  [
    'after an abort, a device replace may still be under way',
    `
filesystem: { devices: [16M, 24M], spare: [24M], metadata: dup, data: raid0 }
tasks:
  v: [{ replace: { devid: 1, target: 2 } }]
  admin: [scrub, { scrub: { read-only: true } }]
inject: [{ when: { operation: write, purpose: tree-block, occurrence: 11 }, then: { fail: EIO } }]`,
  ],
  [
    'a device replace that a read-only remount suspended is under way',
    `
filesystem: { devices: [12M, 24M, 12M], spare: [24M, 24M] }
tasks:
  admin: [{ reconfigure: { read-only: true } }]
  boss: [{ replace: { devid: 3, target: 4 } }, { replace: { devid: 2, target: 3 } }]`,
  ],
  [
    'a device that is added while a commit is written gets its superblock with the next one',
    `
filesystem: { devices: [16M, 12M], spare: [24M] }
setup: [{ mkdir: /d }, { create: /d/a }, { create: /a }]
tasks:
  t: [{ truncate: { file: /a, size: 4K } }, { fdatasync: /d/a }]
  w: [{ rename: { from: /a, to: /b } }, { write: { file: /d/a, offset: 40K, length: 32K } }]
  admin: [{ device-remove: 2 }, { device-add: 2 }]
inject: [{ when: { operation: write, purpose: superblock, probability: 1/10 }, then: { fail: EIO } }]`,
  ],
  [
    'a superblock that was not written is older than what it says of its device',
    `
filesystem: { devices: [12M], spare: [12M], block-groups: { system: 256K, metadata: 1M, data: 1M } }
tasks: { boss: [{ replace: { devid: 1, target: 1 } }] }
inject: [{ when: { operation: write, purpose: superblock, probability: 1/2 }, then: { fail: EIO } }]`,
  ],
  [
    'a device replace in the background is still copying when its call is over',
    `
filesystem: { spare: [24M], block-groups: { system: 256K, metadata: 1M, data: 1M } }
setup: [{ create: /a }]
tasks:
  v: [{ write: { file: /a, offset: 0, length: 32K, direct: true } }]
  admin: [{ replace: { devid: 1, target: 1, background: true } }, { corrupt: { file: /a, offset: 4K, length: 12K, mirror: 1 } }]`,
  ],
  [
    'a scrub of a device that is being removed does not find its superblocks grown old',
    `
filesystem: { devices: [16M, 16M, 24M], metadata: dup, block-groups: { system: 256K, metadata: 1M, data: 256K }, mount: { discard: true } }
setup: [{ create: /a }, { create: /filler }, { write: { file: /filler, offset: 0, length: 128K } }, sync, { unlink: /filler }]
tasks:
  v: [{ fallocate: { file: /a, offset: 28K, length: 16K } }]
  w: [{ fdatasync: /a }, sync, { fallocate: { file: /a, offset: 64K, length: 16K } }, sync]
  admin: [{ device-remove: 1 }]
  boss: { repeat: 4, do: [{ scrub: { devid: 1 } }] }`,
  ],
  [
    'a device replace that fails at its end for want of space is not under way any more',
    `
filesystem: { devices: [16M, 16M], spare: [16M] }
setup: [{ create: /b }]
tasks:
  t: [{ fallocate: { file: /b, offset: 36K, length: 28K } }]
  admin: [{ replace: { devid: 2, target: 2 } }, { device-add: 2 }]
inject: [{ when: { site: reserve-metadata-space, probability: 1/2 }, then: { fail: ENOSPC } }]`,
  ],
];

test.each(FINDINGS)('%s', (_, text) => {
  const parsed = parseWorkload(text, { file: 'finding.yaml', vocabulary: VOCABULARY });
  if (!('workload' in parsed) || parsed.workload === undefined) {
    throw new Error(parsed.problems.map(({ message }) => message).join('\n'));
  }
  const bench = new Bench(parsed.workload, allFixes());
  const strategy = seededRandom({ seed: 'soak' });
  for (let execution = 0; execution < 60; execution++) {
    const done = bench.execute(strategy, { decideAt: 'everything', keepEvents: false, seed: 'soak' });
    expect(done!.violations).toEqual([]);
  }
});
