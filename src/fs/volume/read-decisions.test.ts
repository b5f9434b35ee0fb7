import { expect, test } from 'vitest';
import { decideRead, MirrorTrial, READ_DECISIONS, type ReadState, rowMatches } from './read-decisions.ts';
import type { VolumeHost } from './volume.ts';

function* everyState(): Iterable<ReadState> {
  for (const device of ['present', 'missing'] as const)
    for (const io of ['ok', 'error'] as const)
      for (const content of ['good', 'bad', 'unverifiable'] as const)
        for (const further of ['left', 'none'] as const)
          for (const earlier of ['none', 'failed'] as const)
            for (const repairable of ['yes', 'no'] as const)
              yield { device, io, content, further, earlier, repairable };
}

test('each of the 96 states has exactly one row, and each row a state', () => {
  const used = new Set<string>();
  let states = 0;
  for (const state of everyState()) {
    const rows = READ_DECISIONS.filter((row) => rowMatches(row, state));
    expect(rows.length, JSON.stringify(state)).toBe(1);
    used.add(rows[0]!.id);
    states++;
  }
  expect(states).toBe(96);
  expect([...used].sort()).toEqual(READ_DECISIONS.map(({ id }) => id));
});

test('bytes are used only if a device that is there gave them and nothing speaks against them', () => {
  for (const state of everyState()) {
    const isGood = state.device === 'present' && state.io === 'ok' && state.content !== 'bad';
    expect(decideRead(state).startsWith('use'), JSON.stringify(state)).toBe(isGood);
  }
});

test('nothing is written while the file system is read-only, nor where nothing failed', () => {
  for (const state of everyState()) {
    if (state.repairable === 'no' || state.earlier === 'none') expect(decideRead(state)).not.toBe('use-and-repair');
  }
});

test('a read fails only when no copy is left', () => {
  for (const state of everyState()) {
    if (decideRead(state) === 'fail-EIO') expect(state.further).toBe('none');
    if (decideRead(state) === 'try-next') expect(state.further).toBe('left');
  }
});

test('a trial goes round all copies from any of them and lists those that can be repaired', () => {
  const host = { isReadOnly: false } as VolumeHost;
  const trial = new MirrorTrial(3, 2);
  expect(trial.decide(host, false, 'bad')).toBe('try-next');
  trial.next(false);
  expect(trial.mirror).toBe(0);
  expect(trial.decide(host, true, null)).toBe('try-next');
  trial.next(true);
  expect(trial.mirror).toBe(1);
  expect(trial.decide(host, false, 'good')).toBe('use-and-repair');
  expect(trial.decide({ isReadOnly: true } as VolumeHost, false, 'good')).toBe('use');
  expect(trial.decide(host, false, 'bad')).toBe('fail-EIO');
  expect(trial.failed).toEqual([2]);
});
