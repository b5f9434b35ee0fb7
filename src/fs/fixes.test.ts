import { expect, test } from 'vitest';
import { allFixes, BadKernelVersion, FIXES, fixesOfKernel, resolveFix, UnknownFix } from './fixes.ts';

const OF_EXTENT_MAPS: readonly string[] = [
  'reuse-identical-map',
  'reuse-encompassing-map',
  'reuse-covering-map',
  'set-gap-block-length',
  'merge-only-unshared-maps',
  'keep-end-when-skipping-pinned',
  'advance-compressed-offset',
];

test.each([
  ['4.4', []],
  ['4.8', []],
  ['4.9', ['reuse-identical-map']],
  ['4.15', ['reuse-encompassing-map', 'reuse-identical-map']],
  ['v4.16', ['reuse-covering-map', 'reuse-encompassing-map', 'reuse-identical-map', 'set-gap-block-length']],
  ['5.5', ['reuse-covering-map', 'reuse-encompassing-map', 'reuse-identical-map', 'set-gap-block-length']],
])('kernel %s had these fixes of the extent maps', (kernel, expected) => {
  const ofBugsNotYetMade = ['advance-compressed-offset'];
  const ids = fixesOfKernel(kernel).ids();
  expect(ids.filter((id) => OF_EXTENT_MAPS.includes(id) && !ofBugsNotYetMade.includes(id))).toEqual(expected);
});

/** For each fix of the life of chunks, kernels without the bug or with the fix, and kernels that had the bug. */
const OF_CHUNKS: Readonly<Record<string, { readonly sound: readonly string[]; readonly broken: readonly string[] }>> = {
  'keep-trimmed-chunk': { sound: ['3.19', '4.4'], broken: ['3.18'] },
  'skip-removed-block-group': { sound: ['4.4'], broken: ['3.19', '4.3'] },
  'requeue-unused-after-scrub': { sound: ['4.4'], broken: ['3.19', '4.3'] },
  'duplicate-writes-while-replacing': { sound: ['4.7'], broken: ['4.4', '4.6'] },
  'move-cursor-before-read-write': { sound: ['4.7'], broken: ['4.4', '4.6'] },
  'lock-replace-cursor': { sound: ['4.7'], broken: ['4.4', '4.6'] },
  'lock-devices-while-removing-chunk': { sound: ['4.7'], broken: ['4.4', '4.6'] },
  'repeat-finishing-commit': { sound: ['5.2'], broken: ['4.20', '5.1'] },
  'require-read-only-for-replace': { sound: ['5.4', '5.6'], broken: ['5.5'] },
  'freeze-scrubbed-block-group': { sound: ['5.8'], broken: ['4.4', '5.7'] },
  'delete-item-before-removed': { sound: ['5.8'], broken: ['4.4', '5.7'] },
  'drop-reference-on-failed-removal': { sound: ['5.8'], broken: ['4.4', '5.7'] },
  'transfer-allocation-state': { sound: ['5.1', '5.9'], broken: ['5.2', '5.8'] },
  'mark-new-block-group': { sound: ['6.4', '6.5'], broken: [] },
};

test.each(Object.entries(OF_CHUNKS))('%s is in the kernels that had it', (id, { sound, broken }) => {
  const states = (kernels: readonly string[]) => kernels.map((kernel) => [kernel, fixesOfKernel(kernel).isOn(id)]);
  expect(states(sound)).toEqual(sound.map((kernel) => [kernel, true]));
  expect(states(broken)).toEqual(broken.map((kernel) => [kernel, false]));
});

test('no fix is left out above', () => {
  expect([...OF_EXTENT_MAPS, ...Object.keys(OF_CHUNKS)].sort()).toEqual(FIXES.map(({ id }) => id as string).sort());
});

test('a kernel older than a bug counts as having its fix', () => {
  expect(fixesOfKernel('4.15').isOn('advance-compressed-offset')).toBe(true);
});

test('a new kernel has every fix', () => {
  expect(fixesOfKernel('6.18').ids()).toEqual(allFixes().ids());
});

test('a stable number is cut off', () => {
  expect(fixesOfKernel('4.15.18').ids()).toEqual(fixesOfKernel('4.15').ids());
});

test.each(['', '4', 'latest', '4.x', '-1.2'])('%j is no kernel', (kernel) => {
  expect(() => fixesOfKernel(kernel)).toThrow(BadKernelVersion);
});

test.each([
  'reuse-covering-map',
  '18e83ac75bfe',
  '18e83ac',
  '18e83ac75bfe67009c4ddcdd581bba8eb16f4030',
  ' 18E83AC75BFE ',
])('a fix answers to %j', (name) => {
  expect(resolveFix(name).id).toBe('reuse-covering-map');
});

test('an unknown fix is refused with the nearest name', () => {
  expect(() => resolveFix('reuse-covering-mop')).toThrow(UnknownFix);
  expect(() => resolveFix('reuse-covering-mop')).toThrow("did you mean 'reuse-covering-map'");
  expect(() => resolveFix('18e83ac75bff')).toThrow("did you mean '18e83ac75bfe'");
  expect(() => resolveFix('')).toThrow(UnknownFix);
});

test('requirements and superseded fixes are registered, and ids are unique', () => {
  const ids = FIXES.map((fix) => fix.id as string);
  expect(new Set(ids).size).toBe(ids.length);
  for (const fix of FIXES) {
    for (const id of [...fix.requires, ...fix.supersedes]) expect(ids).toContain(id);
  }
});
