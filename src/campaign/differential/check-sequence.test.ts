import { expect, test } from 'vitest';
import { checkSequence } from './check-sequence.ts';
import type { Operation } from './operation.ts';
import { PROFILES } from './profiles.ts';
import { drawnSource } from './search.ts';

test('every sequence that is drawn can be given again', () => {
  const kinds = new Set<string>();
  for (const profile of PROFILES) {
    const source = drawnSource('given again', profile, 1000);
    const operations: Operation[] = [];
    for (let operation = source.next(); operation !== null; operation = source.next()) {
      operations.push(operation);
      kinds.add(operation.do);
      source.note(operation, { value: undefined });
    }
    expect(checkSequence(JSON.parse(JSON.stringify(operations)))).toEqual(operations);
  }
  expect(kinds.size).toBeGreaterThan(30);
});

test('everything that is wrong in a sequence is named, with its place', () => {
  const wrong = [{ do: 'mkdirr' }, { do: 'mkdir' }, 5, { do: 'reflink', source: '/a', from: 'x', target: 1, to: 0 }];
  expect(checkSequence(wrong)).toEqual({
    problems: [
      'operation 0: there is no "do": "mkdirr"; did you mean "mkdir"?',
      'operation 1: "mkdir" needs "path", text, found nothing',
      'operation 2: expected {"do": …}, found 5',
      'operation 3: "reflink" needs "from", a whole number, found "x"',
      'operation 3: "reflink" needs "length", a whole number, found nothing',
    ],
  });
  expect(checkSequence({})).toMatchObject({ problems: [expect.stringContaining('a list of operations')] });
});
