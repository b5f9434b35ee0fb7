import { expect, test } from 'vitest';
import { allFixes, fixesOfKernel } from '../fixes.ts';
import { extentMapRulesOf, FIXED_EXTENT_MAP_RULES } from './extent-map-rules.ts';

test.each([
  ['4.4', 0, false, 'over-drop', false],
  ['4.8', 0, false, 'over-drop', false],
  ['4.9', 1, false, 'over-drop', false],
  ['4.10', 2, false, 'over-drop', false],
  ['4.15', 2, false, 'over-drop', false],
  ['4.16', 3, true, 'over-drop', false],
  ['5.6', 3, true, 'over-drop', true],
  ['6.0', 3, true, 'over-drop', true],
  ['6.1', 3, true, 'late-right-piece', true],
  ['6.5', 3, true, null, true],
  ['6.10', 3, true, null, true],
  ['6.11', 3, true, null, true],
  ['6.12', 3, true, null, true],
] as const)(
  'the extent maps of kernel %s',
  (kernel, resolution, exactBlockLength, skipPinnedFault, mergeOnlyUnshared) => {
    const rules = { ...FIXED_EXTENT_MAP_RULES, resolution, exactBlockLength, skipPinnedFault, mergeOnlyUnshared };
    expect(extentMapRulesOf(fixesOfKernel(kernel), new Set())).toEqual(rules);
  },
);

test('all switches on are the fixed rules', () => {
  expect(extentMapRulesOf(allFixes(), new Set())).toEqual(FIXED_EXTENT_MAP_RULES);
});
