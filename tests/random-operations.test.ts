import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import * as sys from '../src/fs/syscalls.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const SECTOR = 4096;
const NAMES = ['a', 'b', 'c', 'd/e', 'd/f'];
const FILE_SIZE_MAX = 40 * SECTOR;

/** What the files should hold: path to bytes. */
type Model = Map<string, Uint8Array>;

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, Math.min(size, bytes.length)));
  return result;
}

function randomBytes(random: RandomStream, length: number): Uint8Array {
  const fill = 1 + random.below(255);
  return Uint8Array.from({ length }, (_, i) => (fill + i * 7) & 255);
}

/** As `toEqual`, but quick on long arrays. */
function expectSame(observed: Uint8Array, expected: Uint8Array): void {
  if (!sameBytes(observed, expected)) expect(observed).toEqual(expected);
}

function step(scratch: ScratchFilesystem, model: Model, random: RandomStream): void {
  const { fs } = scratch;
  const path = NAMES[random.below(NAMES.length)]!;
  const bytes = model.get(path);
  const direct = random.chance(1, 3);
  const unit = direct ? SECTOR : random.chance(1, 2) ? SECTOR : 1;
  if (bytes === undefined) {
    expect(scratch.outcome(sys.read(fs, path, 0, 1))).toBe('ENOENT');
    scratch.run(sys.create(fs, path));
    model.set(path, new Uint8Array(0));
    return;
  }
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      const offset = random.below(Math.floor(FILE_SIZE_MAX / 2 / unit)) * unit;
      const length = (1 + random.below(Math.floor(FILE_SIZE_MAX / 2 / unit))) * unit;
      const data = randomBytes(random, length);
      expect(scratch.run(sys.write(fs, path, offset, data, { direct }))).toBe(length);
      const next = resized(bytes, Math.max(bytes.length, offset + length));
      next.set(data, offset);
      model.set(path, next);
      return;
    }
    case 5:
    case 6:
    case 7: {
      const offset = random.below(Math.floor(FILE_SIZE_MAX / unit)) * unit;
      const length = random.below(Math.floor(FILE_SIZE_MAX / unit)) * unit;
      expectSame(scratch.run(sys.read(fs, path, offset, length, { direct })), bytes.subarray(offset, offset + length));
      return;
    }
    case 8: {
      const size = random.chance(1, 2) ? random.below(FILE_SIZE_MAX) : random.below(40) * SECTOR;
      scratch.run(sys.truncate(fs, path, size));
      model.set(path, resized(bytes, size));
      return;
    }
    case 9: {
      const to = NAMES[random.below(NAMES.length)]!;
      scratch.run(sys.rename(fs, path, to));
      if (to === path) return;
      model.delete(path);
      model.set(to, bytes);
      return;
    }
    case 10:
      if (random.chance(1, 2)) {
        scratch.run(sys.unlink(fs, path));
        model.delete(path);
      }
      return;
    case 11:
      scratch.run(random.chance(1, 2) ? sys.fsync(fs, path) : sys.sync(fs));
      return;
    case 12:
      if (random.chance(1, 3)) scratch.remount();
      else scratch.run(sys.dropCaches(fs));
      return;
    default: {
      const data = randomBytes(random, 1 + random.below(3 * SECTOR));
      if (bytes.length + data.length > FILE_SIZE_MAX) return;
      scratch.run(sys.write(fs, path, null, data));
      const next = resized(bytes, bytes.length + data.length);
      next.set(data, bytes.length);
      model.set(path, next);
    }
  }
}

function expectModel(scratch: ScratchFilesystem, model: Model): void {
  for (const path of NAMES) {
    const bytes = model.get(path);
    if (bytes === undefined) expect(scratch.outcome(sys.stat(scratch.fs, path))).toBe('ENOENT');
    else {
      expect(scratch.run(sys.stat(scratch.fs, path)).size).toBe(bytes.length);
      expectSame(scratch.run(sys.read(scratch.fs, path, 0, FILE_SIZE_MAX * 2)), bytes);
    }
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  '400 random operations read back right, survive a remount and leave a clean image (seed %i)',
  (seed) => {
    const random = randomStream(`${seed}`, 'random-operations');
    const scratch = new ScratchFilesystem({ nodeSize: seed % 2 === 0 ? 4096 : 16384 });
    scratch.run(sys.mkdir(scratch.fs, 'd'));
    const model: Model = new Map();
    for (let i = 0; i < 400; i++) {
      step(scratch, model, random);
      // What is on disk is consistent at any time, as if the power went now.
      if (i % 80 === 79 && hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
    }
    expectModel(scratch, model);
    scratch.remount();
    expectModel(scratch, model);
    scratch.unmount();
    if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
  },
);
