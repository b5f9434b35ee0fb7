import { expect, test } from 'vitest';
import type { RunRecord } from '../record/run-record.ts';
import { drawRace } from './race-diagram.ts';
import { PLAIN, type RunReport, type SettingReport } from './run-report.ts';
import { showBad, showSummary } from './summary-text.ts';
import { showTable } from './table.ts';
import { showCount, showDuration } from './wording.ts';
import { wrap } from './wrap.ts';

const RECORD: RunRecord = {
  operations: [
    {
      task: 'writer',
      index: 0,
      round: 0,
      operation: 'write',
      args: { file: { kind: 'path', path: '/f' }, offset: 8192, length: 24576, direct: true },
      started: 10,
      ended: 30,
      result: { error: null, value: 24576 },
    },
    {
      task: 'reader',
      index: 0,
      round: 0,
      operation: 'read',
      args: { file: { kind: 'path', path: '/f' }, offset: 0, length: 4096, direct: true },
      started: 12,
      ended: 25,
      result: { error: 'EEXIST', where: 'lookup' },
    },
  ],
  events: [
    { step: 11, time: 0, task: 'writer', kind: 'point', what: 'extent-map-lookup' },
    { step: 13, time: 0, task: 'reader', kind: 'point', what: 'extent-map-lookup' },
    { step: 14, time: 0, task: 'main', kind: 'wait', what: 'task writer' },
    { step: 20, time: 0, task: 'writer', kind: 'submit', what: 'write device=0' },
    { step: 24, time: 0, task: 'reader', kind: 'point', what: 'extent-map-insert' },
  ],
  locks: [],
  rules: [],
  before: [],
  after: [],
  unmounted: true,
  aborted: null,
  tape: [2, 4],
  eventHash: '0123456789abcdef',
  steps: 40,
  decisions: 2,
  switches: 3,
};

const RACE: SettingReport = {
  workload: 'race',
  title: 'a race',
  file: 'race.yaml',
  switches: { label: 'all -reuse-covering-map', kernel: null, on: [], off: ['reuse-covering-map'] },
  expected: 'violation of errors (EEXIST)',
  ending: 'as-expected',
  reasons: [],
  stages: [
    {
      name: 'exhaustive',
      strategy: 'exhaustive',
      explored: 15,
      pruned: 1200,
      isComplete: true,
      violating: 2,
      firstViolation: 7,
      laws: { errors: 2 },
      idleRules: [],
      notFollowed: null,
      selfChecks: 1,
      eventHash: '00',
    },
  ],
  failure: {
    stage: 'exhaustive',
    seed: null,
    execution: 7,
    violations: [
      {
        law: 'errors',
        message: 'reader#0 returned EEXIST',
        expected: 'not that',
        observed: 'EEXIST',
        evidence: [12, 25],
      },
    ],
    record: RECORD,
    isExpected: true,
  },
  fault: null,
  milliseconds: 87.4,
  violationAfter: 12.3,
};

const CLEAN: SettingReport = {
  ...RACE,
  switches: { label: 'all', kernel: null, on: ['reuse-covering-map'], off: [] },
  expected: 'clean',
  stages: [{ ...RACE.stages[0]!, pruned: 0, violating: 0, firstViolation: null, laws: {} }],
  failure: null,
  violationAfter: null,
};

const MISSING: SettingReport = {
  ...CLEAN,
  workload: 'other',
  ending: 'missing-violation',
  reasons: ['expected a violation in exhaustive: of 15 executions none broke a law'],
};

function report(settings: readonly SettingReport[]): RunReport {
  return { settings, judges: [], notJudged: [], milliseconds: 1234, results: null, exitCode: 0 };
}

test('the table has a row for each workload and setting', () => {
  expect(showTable([RACE, CLEAN], { ...PLAIN, width: 140 })).toBe(
    [
      '┌──────────┬─────────────────────────┬───────────────────────────────────────┬──────────────────────────────────┬───────┐',
      '│ workload │ switches                │ schedules explored                    │ verdict                          │  time │',
      '├──────────┼─────────────────────────┼───────────────────────────────────────┼──────────────────────────────────┼───────┤',
      '│ race     │ all -reuse-covering-map │ exhaustive 15 + 1,200 pruned, 2 broke │ ✓ violation, as expected: errors │ 87 ms │',
      '│          │ all                     │ exhaustive 15                         │ ✓ clean                          │ 87 ms │',
      '└──────────┴─────────────────────────┴───────────────────────────────────────┴──────────────────────────────────┴───────┘',
    ].join('\n'),
  );
});

test('the table never grows beyond the width, nor loses a letter', () => {
  const settings = [{ ...RACE, workload: 'dio-write-splits-extent-map-reader-at-the-split' }, MISSING];
  for (const width of [72, 80, 100, 140]) {
    const lines = showTable(settings, { ...PLAIN, width }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    const names = lines.map((line) => line.split('│')[1]?.trim() ?? '').join('');
    expect(names).toContain('dio-write-splits-extent-map-reader-at-the-split');
  }
});

test('below 72 columns there are lines instead of a table', () => {
  expect(showTable([RACE], { ...PLAIN, width: 60 })).toBe(
    'race [all -reuse-covering-map]\n  exhaustive 15 + 1,200 pruned, 2 broke\n  ✓ violation, as expected: errors (87 ms)',
  );
});

test('a dumb terminal gets ASCII only', () => {
  const text = showSummary(report([RACE, MISSING]), { ...PLAIN, ascii: true });
  expect([...text].filter((character) => character > '\x7f')).toEqual([]);
});

test('the diagram has a column for each task and shows operations and points in their order', () => {
  expect(drawRace(RECORD, [12, 25], { ...PLAIN, width: 90 })).toBe(
    [
      ' step  writer                                   reader',
      '       ──────                                   ──────',
      '   10  write /f [8192, 32768) direct',
      '   11    extent-map-lookup',
      '   12                                           read /f [0, 4096) direct',
      '   13                                             extent-map-lookup',
      '   24                                             extent-map-insert',
      '   25                                           = EEXIST (lookup)',
      '   30  = 24576 bytes',
    ].join('\n'),
  );
});

test('where columns do not fit, each line of the diagram names its task', () => {
  const lines = drawRace(RECORD, [], { ...PLAIN, width: 50 }).split('\n');
  expect(lines[0]).toBe('   10  writer  write /f [8192, 32768) direct');
  expect(lines[4]).toBe('   24  reader    extent-map-insert');
});

test('a long run keeps both sides of every switch and says how many rows it left out', () => {
  const events = Array.from({ length: 100 }, (_, n) => ({
    step: 12 + n / 100,
    time: 0,
    task: n < 60 ? 'writer' : 'reader',
    kind: 'point',
    what: `p${n}`,
  }));
  const text = drawRace({ ...RECORD, events }, []);
  expect(text).toMatch(/\.\.\. \d+ more/);
  expect(text).toContain('p59');
  expect(text).toContain('p60');
});

test('the summary tells expected violations in two lines and what is wrong in full', () => {
  const text = showSummary(report([RACE, CLEAN, MISSING]), PLAIN);
  expect(text).toContain('other [all]: expected violation missing\n  expected a violation in exhaustive: of 15');
  expect(text).toContain(
    'As expected:\n  race [all -reuse-covering-map]: errors: reader#0 returned EEXIST\n    first shown by execution 7 of stage exhaustive, after 12 ms',
  );
  expect(text).toMatch(/1 of 3 settings not as expected: 45 executions in 1\.23 s\n$/);
});

test('one setting alone is shown with its diagram', () => {
  const text = showSummary(report([RACE]), PLAIN);
  expect(text).toContain('errors: reader#0 returned EEXIST\n    expected: not that\n    observed: EEXIST');
  expect(text).toContain('= EEXIST (lookup)');
});

test('quiet text is empty when all is as expected', () => {
  expect(showBad(report([RACE, CLEAN]), PLAIN)).toBe('');
  expect(showBad(report([RACE, MISSING]), PLAIN)).toContain('other [all]');
});

test('judges, idle rules and what was not judged are named', () => {
  const stages = [{ ...CLEAN.stages[0]!, idleRules: ['late write'], notFollowed: 'entry 2 was not reached' }];
  const text = showSummary(
    {
      ...report([{ ...CLEAN, stages }]),
      judges: [{ name: 'btrfs check', judged: 4, refused: 0, available: 1371 }],
      notJudged: ['not judged by kernel mount: needs root and loop devices'],
    },
    PLAIN,
  );
  expect(text).toContain('btrfs check: 4 images of 1,371 judged, all clean');
  expect(text).toContain('not judged by kernel mount: needs root and loop devices');
  expect(text).toContain('rule "late write" of race never fired in stage exhaustive [all]');
  expect(text).toContain('clean, but the schedule was not followed');
});

test('figures read the same everywhere', () => {
  expect([0, 999, 1000, 1234567].map(showCount)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect([0.4, 87, 1240, 125_000].map(showDuration)).toEqual(['0 ms', '87 ms', '1.24 s', '2 min 5 s']);
});

test('cells break at blanks, long words after a hyphen', () => {
  expect(wrap('all -reuse-covering-map', 12)).toBe('all\n-reuse-\ncovering-map');
  expect(wrap('abcdefgh', 3)).toBe('abc\ndef\ngh');
});
