import { describe, expect, test } from 'vitest';
import { allFixes, FixSet } from '../fs/fixes.ts';
import { seededRandom } from '../inject/strategies/seeded-random.ts';
import type { Law } from '../oracle/law.ts';
import type { Workload } from '../workload/model.ts';
import { parseWorkload } from '../workload/parse.ts';
import { Bench, SetupFailed } from './bench.ts';
import { SettingExploration } from './explore.ts';
import { parseFixSelection, SelectionError, switchesOf } from './fix-selection.ts';
import { VOCABULARY } from './registry.ts';
import { replaySchedule } from './replay.ts';
import { parseScheduleDocument, ScheduleDocumentError, scheduleOf } from './schedule-document.ts';
import { NO_OVERRIDES, planSettings } from './settings.ts';
import { exitCodeOf, type SettingResult } from './verdict.ts';

const RACE = `
setup:
  - create: /f
  - write: { file: /f, offset: 0, length: 32K }
tasks:
  writer:
    - write: { file: /f, offset: 8K, length: 24K, direct: true }
  reader:
    - read: { file: /f, offset: 0, length: 4K, direct: true }
explore:
  - strategy: exhaustive
    points: [extent-map-lookup, extent-map-insert, extent-map-drop, extent-map-insert-new]
    prune: false
  - { strategy: random, runs: 130, seed: 3 }
`;
const EXPECT_BOTH = `
expect:
  - fixes: { off: [reuse-covering-map] }
    verdict: violation
    law: errors
    errno: EEXIST
  - verdict: clean
`;

function workload(text: string): Workload {
  const { workload: parsed, problems } = parseWorkload(text, { file: 'race.yaml', vocabulary: VOCABULARY });
  if (parsed === undefined) throw new Error(problems.map((problem) => problem.message).join('\n'));
  return parsed;
}

function explore(text: string, options: { readonly laws?: readonly Law[] } = {}): SettingResult[] {
  const parsed = workload(text);
  return planSettings(parsed).map((plan) => {
    const exploration = new SettingExploration(parsed, plan, options);
    while (exploration.step());
    return exploration.conclude({ isInterrupted: false });
  });
}

describe('an exploration', () => {
  const [off, on] = explore(RACE + EXPECT_BOTH);

  test('finds the two of fifteen interleavings that break with the fix off, and none with it on', () => {
    expect(off).toMatchObject({ ending: 'as-expected', reasons: [], switches: { off: ['reuse-covering-map'] } });
    expect(off!.stages[0]).toMatchObject({ explored: 15, violating: 2, isComplete: true, laws: { errors: 2 } });
    expect(on).toMatchObject({ ending: 'as-expected', failure: null });
    expect(on!.stages[0]).toMatchObject({ explored: 15, violating: 0, isComplete: true });
  });

  test('keeps the first failing execution, done again with its events, and the disks before and after', () => {
    const { failure } = off!;
    expect(failure).toMatchObject({ stage: 'exhaustive', isExpected: true });
    expect(failure!.record.events.length).toBeGreaterThan(20);
    expect(failure!.record.operations.map(({ result }) => result?.error ?? null)).toContain('EEXIST');
    expect(failure!.record.before[0]!.fingerprint).not.toBe(failure!.record.after[0]!.fingerprint);
  });

  test('does the first and every 64th execution of a stage twice', () => {
    expect(on!.stages.map(({ selfChecks }) => selfChecks)).toEqual([1, 3]);
  });

  test('is the same every time', () => {
    const [again] = explore(RACE + EXPECT_BOTH);
    expect(again!.stages.map(({ eventHash }) => eventHash)).toEqual(off!.stages.map(({ eventHash }) => eventHash));
  });

  test('can be repeated from its schedule document, text and all', () => {
    const document = scheduleOf(off!.failure!, {
      version: '0',
      name: 'race.yaml',
      text: RACE + EXPECT_BOTH,
      switches: off!.switches,
    });
    const outcome = replaySchedule(parseScheduleDocument(JSON.stringify(document), 'schedule.json'));
    expect(outcome).toMatchObject({ isSameRun: true, isSameVerdict: true, divergence: null });
  });

  test('says when a bound stopped it, and when the bound was just enough', () => {
    const bounded = (bound: number) =>
      explore(RACE.replace('prune: false', `prune: false\n    bound: ${bound}`))[0]!.stages[0]!;
    expect(bounded(14)).toMatchObject({ explored: 14, isComplete: false });
    expect(bounded(15)).toMatchObject({ explored: 15, isComplete: true });
  });
});

describe('expectations', () => {
  const off = 'expect:\n  - fixes: { off: [reuse-covering-map] }\n';

  test('a violation where clean was expected is unexpected', () => {
    const [result] = explore(`${RACE}${off}    verdict: clean\n`);
    expect(result).toMatchObject({ ending: 'unexpected-violation', failure: { isExpected: false } });
    expect(result!.reasons[0]).toMatch(/^stage exhaustive: unexpected violation: errors: reader#0 .* \(and 1 more/);
  });

  test('another law than the one expected is unexpected, and the expected one missing', () => {
    const [result] = explore(`${RACE}${off}    verdict: violation\n    law: data\n`);
    expect(result!.ending).toBe('unexpected-violation');
    expect(result!.reasons.at(-1)).toContain('expected a violation of data');
  });

  test('another errno than the one expected does not count', () => {
    const [result] = explore(`${RACE}${off}    verdict: violation\n    errno: ENOENT\n`);
    expect(result).toMatchObject({ ending: 'missing-violation' });
    expect(result!.reasons[0]).toContain('broke a law, but not in this way');
  });

  test('other counts than expected are told', () => {
    const [result] = explore(
      `${RACE}${off}    verdict: violation\n    stages: exhaustive\n    counts: { explored: 15, violating: 3 }\n`,
    );
    expect(result).toMatchObject({
      ending: 'count-differs',
      reasons: ['stage exhaustive: expected 3 of them to break a law, got 2'],
    });
  });
});

describe('endings are never mixed', () => {
  test('an assertion of ours is a fault of the bench, with its tape, and no verdict', () => {
    const broken: Law = {
      name: 'broken',
      title: 'throws',
      begin: () => ({
        judge: () => {
          throw new TypeError('a mistake in a law');
        },
      }),
    };
    const [result] = explore(RACE + EXPECT_BOTH, { laws: [broken] });
    expect(result).toMatchObject({
      ending: 'bench-fault',
      failure: null,
      fault: { message: 'TypeError: a mistake in a law', stage: 'exhaustive', execution: 1 },
    });
  });

  test('a setup that fails is named with its line, and nothing is explored', () => {
    const text =
      'setup:\n  - create: /f\n  - write: { file: /f, offset: 0, length: 15M, direct: true }\ntasks:\n  a:\n    - sync\n';
    expect(() => new Bench(workload(text), allFixes())).toThrow(SetupFailed);
    expect(() => new Bench(workload(text), allFixes())).toThrow(
      /^setup, line 3: operation 2 \(write\) ended with ENOSPC/,
    );
  });

  test('exit codes: the worst ending wins', () => {
    expect(exitCodeOf([])).toBe(0);
    expect(exitCodeOf(['as-expected', 'interrupted'])).toBe(130);
    expect(exitCodeOf(['interrupted', 'missing-violation'])).toBe(1);
    expect(exitCodeOf(['unexpected-violation', 'setup-failed'])).toBe(2);
    expect(exitCodeOf(['setup-failed', 'bench-fault', 'as-expected'])).toBe(3);
  });
});

describe('switches on the command line', () => {
  const onOf = (list: string | null, kernel: string | null = null, base = RACE) =>
    planSettings(workload(base), { ...NO_OVERRIDES, fixes: parseFixSelection(list, kernel) })[0]!.switches;

  test('lists start from all, from none, from what they name, or from what the workload or kernel has', () => {
    expect(onOf('all,-18e83ac75bfe').off).toEqual(['reuse-covering-map']);
    expect(onOf('none').on).toEqual([]);
    expect(onOf('reuse-identical-map').on).toEqual(['reuse-identical-map']);
    expect(onOf('-reuse-covering-map').label).toBe('all -reuse-covering-map');
    expect(onOf(null, '4.15').off).toContain('reuse-covering-map');
    expect(onOf('+reuse-covering-map', '4.15').label).toBe('kernel 4.15 +reuse-covering-map');
  });

  test('unknown names, kernels and combinations are refused', () => {
    expect(() => parseFixSelection('reuse-covring-map', null)).toThrow(SelectionError);
    expect(() => parseFixSelection(null, 'four')).toThrow(SelectionError);
    expect(() => parseFixSelection(' , ', null)).toThrow(/names no fix/);
    expect(() => parseFixSelection('reuse-covring-map,zzz', 'four')).toThrow(
      /'four' is no .*\nno fix is called "reuse-covring-map"; did you mean reuse-covering-map\?\nno fix is called "zzz"; see/,
    );
    expect(() => onOf('all,-reuse-identical-map')).toThrow(/builds on reuse-identical-map/);
  });

  test('expectations hold for the setting they were written for, none for any other', () => {
    const race = workload(RACE + EXPECT_BOTH);
    const plan = (list: string) => planSettings(race, { ...NO_OVERRIDES, fixes: parseFixSelection(list, null) });
    expect(plan('all,-reuse-covering-map')[0]!.expectations.map(({ verdict }) => verdict)).toEqual(['violation']);
    expect(plan('all')[0]!.expectations.map(({ verdict }) => verdict)).toEqual(['clean']);
    expect(plan('none')[0]!.expectations).toEqual([]);
  });

  test('labels are the shortest true words', () => {
    expect(switchesOf(allFixes().ids(), null).label).toBe('all');
    expect(switchesOf([], null).label).toBe('none');
    expect(switchesOf(['reuse-identical-map'], null).label).toBe('only reuse-identical-map');
  });
});

test('a schedule document names everything that is wrong with it', () => {
  const text = JSON.stringify({ format: 'fsquake-schedule-1', name: 1, tape: [-1] });
  expect(() => parseScheduleDocument(text, 's.json')).toThrow(ScheduleDocumentError);
  expect(() => parseScheduleDocument(text, 's.json')).toThrow(
    /name should be text; workload should be .*; switches should be .*; tape should be a list of whole numbers/,
  );
  expect(() => parseScheduleDocument('{}', 's.json')).toThrow(/expected "fsquake-schedule-1"/);
});

test('two executions of one bench do not touch each other', () => {
  const bench = new Bench(workload(RACE), new FixSet(['reuse-identical-map']));
  const options = { decideAt: 'everything', keepEvents: false, seed: '1' } as const;
  const first = bench.execute(seededRandom({ seed: '5' }), options)!.record;
  for (let i = 0; i < 5; i++) bench.execute(seededRandom({ seed: `${i}` }), options);
  const again = bench.execute(seededRandom({ seed: '5' }), options)!.record;
  expect(again.eventHash).toBe(first.eventHash);
  expect(again.after[0]!.fingerprint).toBe(first.after[0]!.fingerprint);
});
