import { describe, expect, test } from 'vitest';
import { allFixes } from '../fs/fixes.ts';
import { seededRandom } from '../inject/strategies/seeded-random.ts';
import type { Law } from '../oracle/law.ts';
import { LAWS } from '../oracle/laws.ts';
import type { OperationRecord } from '../record/run-record.ts';
import type { Workload } from '../workload/model.ts';
import { parseWorkload } from '../workload/parse.ts';
import { Bench, SetupFailed } from './bench.ts';
import { VOCABULARY } from './registry.ts';

const OPTIONS = { decideAt: 'everything', keepEvents: false, seed: '1' } as const;

function workload(text: string): Workload {
  const { workload: parsed, problems } = parseWorkload(text, { file: 'admin.yaml', vocabulary: VOCABULARY });
  if (parsed === undefined) throw new Error(problems.map((problem) => problem.message).join('\n'));
  return parsed;
}

/** One execution with every law; the results of the operations, in their order. */
function resultsOf(text: string, laws: readonly Law[] = LAWS) {
  const { record, violations } = new Bench(workload(text), allFixes(), laws).execute(
    seededRandom({ seed: '1' }),
    OPTIONS,
  )!;
  expect(violations).toEqual([]);
  return { record, results: record.operations.map(showResult) };
}

function showResult({ operation, result }: OperationRecord): string {
  return `${operation}: ${result === null ? 'no result' : (result.error ?? 'ok')}`;
}

const MIRRORED = `
filesystem:
  devices: [32M, 32M]
  spare: [32M, 16M]
  data: raid1
  metadata: raid1
  block-groups: { system: 1M, metadata: 2M, data: 2M }
setup:
  - create: { file: /n, nodatacow: true }
  - fallocate: { file: /n, length: 64K }
  - create: /f
  - write: { file: /f, length: 256K, direct: true }
`;

test('every operation of administrators reaches the engine', () => {
  const { record, results } = resultsOf(`${MIRRORED}
tasks:
  t:
    - corrupt: { file: /f, offset: 8K, length: 8K, mirror: 2 }
    - scrub
    - { scrub: { devid: 3 }, expect: ENODEV }
    - { scrub-cancel: , expect: ENOTCONN }
    - { replace-cancel: , expect: ENOTCONN }
    - { replace: { devid: 2, target: 3 }, expect: EINVAL }
    - { replace: { devid: 2, target: 0 }, expect: EEXIST }
    - replace: { devid: 2, target: 2 }
    - read: { file: /f, length: 256K }
    - trim
    - clean
    - device-add: 3
    - device-resize: { devid: 3, size: max }
    - device-remove: 3
    - fallocate: { file: /n, offset: 64K, length: 64K, keep-size: true }
    - write: { file: /n, length: 64K, direct: true }
    - reconfigure: { read-only: true }
    - { write: { file: /f, length: 4K }, expect: EROFS }
    - reconfigure: { read-only: false, discard: true }
`);
  expect(results.slice(0, 3)).toEqual(['corrupt: ok', 'scrub: ok', 'scrub: ENODEV']);
  const [, scrub] = record.operations;
  expect(scrub!.result).toMatchObject({
    value: { counts: { csum_errors: 2, corrected_errors: 2, uncorrectable_errors: 0 } },
  });
  expect(record.before).toHaveLength(4);
  expect(record.before[3]!.size).toBe(16 * 2 ** 20);
});

test('a device that setup wiped is missing', () => {
  const text = `
filesystem: { devices: [32M, 32M], data: raid1, metadata: raid1, mount: { degraded: true } }
setup:
  - create: /f
  - write: { file: /f, length: 64K }
  - wipe: 1
  - write: { file: /f, offset: 64K, length: 64K }
  - remount
tasks:
  t:
    - { scrub: { devid: 2 }, expect: ENODEV }
    - read: { file: /f, length: 128K }
`;
  const { record } = resultsOf(text);
  const [first, second] = record.after.map((image) => image.read(65536, 4096).some((byte) => byte !== 0));
  expect([first, second]).toEqual([true, false]);
});

test('a file system that cannot be mounted in this way is not explored', () => {
  const text = `
filesystem: { devices: [32M, 32M], mount: { degraded: true } }
setup: [ wipe: 0 ]
tasks: { t: [ sync ] }
`;
  const bench = new Bench(workload(text), allFixes());
  expect(() => bench.execute(seededRandom({ seed: '1' }), OPTIONS)).toThrow(SetupFailed);
});

test('a read-only mount refuses writers, and the record says so', () => {
  const { record } = resultsOf(`
filesystem: { mount: { read-only: true } }
tasks:
  t:
    - mkdir: /d
`);
  expect(record.mountedReadOnly).toBe(true);
  expect(record.operations.map(showResult)).toEqual(['mkdir: EROFS']);
});

describe('laws that look at I/O', () => {
  test('see discards and what a scrub reads, and the disks as they are at that moment', () => {
    const seen: string[] = [];
    const law: Law = {
      name: 'nosy',
      title: 'looks at everything',
      begin: (context) => {
        // Before the run, the disks are those from which it starts.
        seen.push(`begin ${context.disks().length}`);
        return {
          io: ({ device, request }) => {
            const { size } = context.disks()[device]!;
            const isInside = request.offset + request.length <= size;
            seen.push(`${request.operation} ${request.purpose.kind} ${isInside}`);
          },
          judge: () => [],
        };
      },
    };
    resultsOf(
      `${MIRRORED.replace(', 16M]', ']')}
tasks:
  t: [ scrub, trim, replace: { devid: 1, target: 2 } ]
`,
      [law],
    );
    expect(seen[0]).toBe('begin 3');
    expect([...new Set(seen.slice(1))].sort()).toEqual(expect.arrayContaining(['read scrub true', 'write scrub true']));
    expect(seen.some((line) => /^discard \S+ true$/.test(line))).toBe(true);
    expect(seen.every((line) => !line.endsWith('false'))).toBe(true);
  });
});
