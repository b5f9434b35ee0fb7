import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type RandomStream, randomStream } from '../base/random.ts';
import { formatProblems } from './format-problems.ts';
import { parseWorkload } from './parse.ts';
import { TEST_VOCABULARY } from './testing/vocabulary.ts';

const FOLDER = new URL('../../workloads/', import.meta.url);
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .sort();
const TEXTS = FILES.map((name) => readFileSync(new URL(name, FOLDER), 'utf8'));
const WORDS = [
  '[',
  ']',
  '{',
  '}',
  ':',
  '- ',
  '\n',
  '  ',
  '"',
  "'",
  '&a ',
  '*a',
  '!x ',
  '|',
  '>',
  '#',
  '---\n',
  '%',
  '\t',
  '\0',
  '\ufeff',
  '\ud800',
  '日',
  '-1',
  '1e999',
  '0x',
  '99999999999999999999',
  'null',
  '~',
  'true',
  '.nan',
  '<<: ',
  '? ',
  '__proto__: 1',
  'constructor',
  'toString',
  '$',
  '/',
];

/** Goal: no text breaks the checker. Method: real files, damaged in one to six places. */
function damaged(text: string, random: RandomStream): string {
  let result = text;
  const wounds = 1 + random.below(6);
  for (let i = 0; i < wounds; i++) {
    const at = random.below(result.length + 1);
    const length = random.below(12);
    switch (random.below(5)) {
      case 0:
        result = result.slice(0, at) + result.slice(at + length);
        break;
      case 1:
        result = result.slice(0, at) + WORDS[random.below(WORDS.length)]! + result.slice(at);
        break;
      case 2:
        result = result.slice(0, at) + WORDS[random.below(WORDS.length)]! + result.slice(at + length);
        break;
      case 3: {
        const from = random.below(result.length + 1);
        result = result.slice(0, at) + result.slice(from, from + length * 3) + result.slice(at);
        break;
      }
      default: {
        const lines = result.split('\n');
        const [line = ''] = lines.splice(random.below(lines.length), 1);
        if (random.below(2) === 0) lines.splice(random.below(lines.length + 1), 0, line, line);
        result = lines.join('\n');
      }
    }
  }
  return result;
}

function checkResult(text: string): void {
  const { workload, problems } = parseWorkload(text, { file: 'fuzz.yaml', vocabulary: TEST_VOCABULARY });
  if (workload !== undefined) {
    expect(workload.tasks.length).toBeGreaterThan(0);
    expect(workload.expect.length).toBeGreaterThan(0);
    return;
  }
  expect(problems.length).toBeGreaterThan(0);
  const lines = text.split('\n');
  let before = -1;
  for (const { start, end, line, column, frame } of problems) {
    if (start < before || end < start || end > text.length)
      throw new Error(`a place outside the text: ${start}–${end}`);
    if (line < 1 || line > lines.length || column < 1 || column > lines[line - 1]!.length + 1)
      throw new Error(`no such place: ${line}:${column}`);
    if (!frame.includes('^')) throw new Error('a frame without a caret');
    before = start;
  }
  formatProblems(problems, text, { color: false });
}

test('a damaged file is a workload or has problems inside its text', () => {
  const random = randomStream('1', 'damage');
  for (let round = 0; round < 700; round++) {
    const text = damaged(TEXTS[random.below(TEXTS.length)]!, random);
    try {
      checkResult(text);
    } catch (error) {
      throw new Error(`round ${round}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
});

test('any text at all is a workload or has problems inside it', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), checkResult), { seed: 7, numRuns: 200 });
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...WORDS, 'tasks', 'setup', 'write', 'expect', 'a', ' '), { maxLength: 60 }),
      (words) => checkResult(words.join('')),
    ),
    { seed: 7, numRuns: 300 },
  );
});

test('any value where any key of a workload stands is accepted or refused in words', () => {
  const key = fc.constantFrom(
    'name',
    'title',
    'filesystem',
    'fixes',
    'setup',
    'tasks',
    'inject',
    'explore',
    'schedule',
    'expect',
    'do',
    'write',
    'when',
    'then',
    'fail',
    'delay',
    'devices',
    'on',
    'off',
    'kernel',
    'strategy',
    'points',
    'verdict',
    'stages',
    'counts',
    'spare',
    'mount',
    'scrub',
    'replace',
    'device-resize',
    'trim',
    'wipe',
    'fallocate',
    'corrupt',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      tie('leaf'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
    leaf: fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('sync', '/f', '8K', 'random', 'EIO', 'clean', '18e83ac75bfe', 't'),
    ),
  }));
  const file = fc.dictionary(key, value, { maxKeys: 6 });
  fc.assert(
    fc.property(file, (form) => checkResult(JSON.stringify({ tasks: { t: ['sync'] }, ...form }, null, 1))),
    { seed: 7, numRuns: 400 },
  );
});
