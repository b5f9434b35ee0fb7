import { expect, test } from 'vitest';
import type { OperationRecord, OperationValue } from '../record/run-record.ts';
import { showOperation, showResult } from './operation-text.ts';

function operation(kind: string, args: Record<string, unknown>, value: OperationValue = null): OperationRecord {
  return { task: 't', index: 0, round: 0, operation: kind, args, started: 1, ended: 2, result: { error: null, value } };
}

test.each([
  [operation('scrub', { devid: null, start: 0, end: null, readOnly: false, resume: false }), 'scrub'],
  [operation('scrub', { devid: 2, start: 1048576, end: null, resume: false }), 'scrub devid 2 [1048576, end)'],
  [operation('scrub', { devid: 2, start: 0, end: null, resume: true }), 'scrub devid 2 resuming'],
  [
    operation('replace', { devid: 1, target: 2, background: true, avoidSource: false }),
    'replace devid 1 by device 2 in the background',
  ],
  [operation('device-add', { device: 3 }), 'device-add device 3'],
  [operation('device-remove', { devid: 'missing' }), 'device-remove missing'],
  [operation('device-resize', { devid: 1, size: 'max' }), 'device-resize devid 1 to max'],
  [operation('reconfigure', { readOnly: true, discard: null }), 'reconfigure ro'],
  [operation('reconfigure', { readOnly: null, discard: false }), 'reconfigure nodiscard'],
  [
    operation('corrupt', { file: { kind: 'path', path: '/f' }, offset: 0, length: 4096, mirror: 2 }),
    'corrupt /f [0, 4096) mirror 2',
  ],
  [
    operation('fallocate', { file: { kind: 'handle', handle: 'h' }, offset: 0, length: 4096, keepSize: true }),
    'fallocate $h [0, 4096) keeping the size',
  ],
])('%# reads like a sentence', (record, text) => {
  expect(showOperation(record)).toBe(text);
});

test('results are figures with their unit', () => {
  expect(showResult(operation('trim', {}, 65536))).toBe('= 65536 bytes');
  expect(showResult(operation('clean', {}, 2))).toBe('= 2 block groups deleted');
  expect(showResult(operation('fiemap', {}, []))).toBe('= 0 extents');
});

test('a scrub is summed up as `btrfs scrub status` does', () => {
  const counts = { data_bytes_scrubbed: 65536, tree_bytes_scrubbed: 16384, csum_errors: 0, corrected_errors: 0 };
  expect(showResult(operation('scrub', {}, { counts }))).toBe('= 81920 bytes scrubbed, no errors found');
  const damaged = { ...counts, csum_errors: 2, super_errors: 1, corrected_errors: 1, uncorrectable_errors: 1 };
  expect(showResult(operation('scrub', {}, { counts: damaged }))).toBe(
    '= 81920 bytes scrubbed, csum=2 super=1, corrected 1, uncorrectable 1, unverified 0',
  );
});
