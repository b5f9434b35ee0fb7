import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { allNameCases, MEASURED, measureOnLinux, type NameOutcomes } from './support/measure-names.ts';
import { NameCaseRunner } from './support/name-case-runner.ts';
import { NAME_CASES, type NameCase } from './support/name-cases.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';

/**
 * Goal: names and attributes behave as on Linux 6.18, errno by errno. Method: a table of cases with what Linux answered;
 * where the running Linux can be asked, it is asked again.
 */
const measured = JSON.parse(readFileSync(MEASURED, 'utf8')) as NameOutcomes;

function scratch(): ScratchFilesystem {
  return new ScratchFilesystem({ devices: [128 * MIB], nodeSize: 16384 });
}

/** The root directory of the measured cases is no root of a subvolume, which has a tree block to its account. */
function withoutRootBlocks(outcome: string, path: unknown): string {
  return path === '/' || path === '/.' ? outcome.replace(/ blocks=\d+/, '') : outcome;
}

function differences({ name, operations, from }: NameCase, theirs: NameOutcomes): string[] {
  const runner = new NameCaseRunner(scratch().fs);
  const ours = operations.map((operation) => runner.perform(operation)).slice(from);
  const found: string[] = [];
  for (const [index, outcome] of ours.entries()) {
    const operation = operations[from + index]!;
    const [mine, expected] = [outcome, theirs[name]?.[index] ?? 'never measured'].map((each) =>
      withoutRootBlocks(each, operation[1]),
    );
    if (mine !== expected) found.push(`${name}: ${operation.join(' ')}: Linux ${expected}, ours ${mine}`);
  }
  return found;
}

test.each(Object.keys(NAME_CASES))('what Linux answers about %s, the engine answers', (group) => {
  expect(NAME_CASES[group]!.flatMap((each) => differences(each, measured))).toEqual([]);
});

const LONG_CASES = allNameCases().filter(({ from }) => from === 0);

test('what the cases leave behind is a whole file system, also after the next mount', () => {
  const faults = LONG_CASES.flatMap(({ name, operations }) => {
    const each = scratch();
    const runner = new NameCaseRunner(each.fs);
    for (const operation of operations) runner.perform(operation);
    runner.closeAll();
    each.remount();
    each.unmount();
    return complaintsAbout(each).map((complaint) => `${name}: ${complaint}`);
  });
  expect(faults).toEqual([]);
});

describe.skipIf(!hasBtrfsCheck)('btrfs check', () => {
  test.each(['links past the room of one item', 'many attributes', 'an exchange of a file and a directory'])(
    'accepts %s',
    (title) => {
      const { operations } = LONG_CASES.find(({ name }) => name === title)!;
      const each = scratch();
      const runner = new NameCaseRunner(each.fs);
      for (const operation of operations) runner.perform(operation);
      runner.closeAll();
      each.unmount();
      expect(btrfsCheck(each)).toBe('clean');
    },
  );
});

const why = whyNoLoopFilesystem();
if (why !== null) console.log(`skipped: asking the running Linux about names: ${why}`);

test.skipIf(why !== null)('the running Linux answers what was measured', { timeout: 300_000 }, () => {
  const cases = LONG_CASES;
  const now = measureOnLinux(cases);
  const changed = cases.filter(({ name }) => JSON.stringify(now[name]) !== JSON.stringify(measured[name]));
  expect(changed.map(({ name }) => ({ name, now: now[name] }))).toEqual([]);
});
