import { expect, test } from 'vitest';
import type { LockReport } from '../record/run-record.ts';
import { locks } from './locks.ts';
import { recordOf } from './testing/records.ts';

const judgeReports = (reports: readonly LockReport[]) =>
  locks
    .begin({ sectorSize: 4096, disks: () => [] })
    .judge(recordOf({ operations: [], record: { locks: reports } }).record);

test('a run without reports is clean', () => {
  expect(judgeReports([])).toEqual([]);
});

test.each([
  ['wait-cycle', /^deadlock \(a, b\): a waits for inode 257/],
  ['order-violation', /^locks taken against their order/],
  ['held-at-end', /^lock left behind/],
  ['waiting-at-end', /^still waiting at the end/],
] as const)('a report of kind %s is a violation with its step and locks', (kind, message) => {
  const report = {
    kind,
    step: 17,
    message: 'a waits for inode 257, held by b',
    tasks: ['a', 'b'],
    locks: ['inode 257'],
  };
  const [violation] = judgeReports([report]);
  expect(violation!.message).toMatch(message);
  expect(violation).toMatchObject({ law: 'locks', evidence: [17] });
  expect(violation!.observed).toContain('[inode 257]');
});
