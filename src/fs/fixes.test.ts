import { expect, test } from 'vitest';
import { allFixes, BadKernelVersion, FIXES, fixesOfKernel, resolveFix, UnknownFix } from './fixes.ts';

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
  expect(ids.filter((id) => !ofBugsNotYetMade.includes(id))).toEqual(expected);
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
