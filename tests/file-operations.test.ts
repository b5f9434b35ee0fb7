import { expect, test } from 'vitest';
import * as sys from '../src/fs/syscalls.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const KIB = 1024;

function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 255);
}

function expectClean(scratch: ScratchFilesystem): void {
  scratch.unmount();
  if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
}

test('what a direct write wrote is there after a remount', () => {
  const scratch = new ScratchFilesystem();
  scratch.run(sys.create(scratch.fs, '/a'));
  const bytes = pattern(32 * KIB);
  expect(scratch.run(sys.write(scratch.fs, '/a', 0, bytes, { direct: true }))).toBe(bytes.length);
  expect(scratch.run(sys.read(scratch.fs, '/a', 0, 64 * KIB, { direct: true }))).toEqual(bytes);
  scratch.remount();
  expect(scratch.run(sys.read(scratch.fs, '/a', 0, 64 * KIB))).toEqual(bytes);
  expect(scratch.run(sys.read(scratch.fs, '/a', 4096, 8192, { direct: true }))).toEqual(bytes.subarray(4096, 12288));
  expectClean(scratch);
});
