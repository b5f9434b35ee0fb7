import type { RandomStream } from '../../base/random.ts';
import type { PathText } from './operation.ts';

/** Pairs whose directory items share a hash (crc32c of names of one length), found by search. */
const COLLIDING = [
  ['brytukz', 'dtwvmmn'],
  ['kcffdnh', 'nfoepkv'],
  ['qoarbvf', 'wiopzpr'],
  ['nizkwsd', 'hotioup'],
] as const;

const ODD_NAMES: readonly PathText[] = [
  '\u00ff\u00fe', // no UTF-8
  'new\nline',
  ' ',
  '-n',
  'gr\u00c3\u00bc\u00c3\u009fe', // UTF-8 of more than one byte a letter
  'L'.repeat(255),
  `${'L'.repeat(254)}M`,
  'x'.repeat(200),
];

/** Few names, so that operations meet each other. */
export function drawName(random: RandomStream): PathText {
  const roll = random.below(100);
  if (roll < 60) return 'abcdefgh'[random.below(8)]!;
  if (roll < 78) return COLLIDING[random.below(COLLIDING.length)]![random.below(2)]!;
  if (roll < 97) return ODD_NAMES[random.below(ODD_NAMES.length)]!;
  return 'T'.repeat(256); // too long
}

/** As user.NAME these share a hash too. */
export function drawXattrName(random: RandomStream): PathText {
  const roll = random.below(100);
  if (roll < 35) return `user.${'abc'[random.below(3)]!}`;
  if (roll < 60) return `user.${COLLIDING[random.below(2)]![random.below(2)]!}`;
  if (roll < 70) return `trusted.${'ab'[random.below(2)]!}`;
  if (roll < 76) return 'security.probe';
  if (roll < 80) return `user.${'n'.repeat(250)}`;
  if (roll < 83) return `user.${'n'.repeat(251)}`;
  if (roll < 86) return `user.${'n'.repeat(300)}`;
  if (roll < 89) return 'user.';
  if (roll < 92) return 'nothing.a';
  if (roll < 95) return 'noprefix';
  if (roll < 97) return 'user.\u00ff';
  return '';
}
