import { expect, test } from 'vitest';
import { FAILURE_SITES } from '../src/fs/points.ts';
import * as sys from '../src/fs/syscalls.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const KIB = 1024;

/** A bit of everything; returns the outcomes. */
function exercise(scratch: ScratchFilesystem): string[] {
  const { fs } = scratch;
  const bytes = (kib: number) => new Uint8Array(kib * KIB).fill(kib);
  return [
    sys.mkdir(fs, '/d'),
    sys.create(fs, '/d/a'),
    sys.write(fs, '/d/a', 0, bytes(32), { direct: true }),
    sys.write(fs, '/d/a', 8 * KIB, bytes(8), { direct: true }),
    sys.create(fs, '/b'),
    sys.write(fs, '/b', 100, bytes(10)),
    sys.fsync(fs, '/b'),
    sys.truncate(fs, '/d/a', 10_000),
    sys.rename(fs, '/d/a', '/b'),
    sys.read(fs, '/b', 0, 20_000),
    sys.sync(fs),
    sys.unlink(fs, '/b'),
    sys.rmdir(fs, '/d'),
    sys.sync(fs),
  ].map((operation) => scratch.outcome(operation));
}

const SYSTEM_ERRORS = new Set(['ok', 'ENOENT', 'EROFS', 'ENOSPC', 'ENOMEM', 'ENOTEMPTY', 'EIO']);

test.each(FAILURE_SITES.map(({ name, errno }) => ({ name, errno })))(
  'whichever time $name fails, the caller gets an errno and the disk stays consistent',
  ({ name, errno }) => {
    let isReached = true;
    for (let nth = 1; isReached && nth < 80; nth++) {
      const scratch = new ScratchFilesystem();
      let calls = 0;
      scratch.world.failure = (site) => (site === name && ++calls === nth ? errno : null);
      for (const outcome of exercise(scratch)) expect(SYSTEM_ERRORS).toContain(outcome);
      isReached = calls >= nth;
      scratch.world.failure = () => null;
      if (scratch.fs.info.aborted === null) scratch.unmount();
      if (hasBtrfsCheck && nth % 4 === 1) expect(btrfsCheck(scratch)).toBe('clean');
      scratch.crash();
      scratch.unmount();
      if (hasBtrfsCheck && nth % 4 === 1) expect(btrfsCheck(scratch)).toBe('clean');
    }
    expect(isReached).toBe(false);
  },
);

test('whichever write fails, the caller gets an errno and the disk stays consistent', () => {
  let isReached = true;
  for (let nth = 1; isReached && nth < 120; nth += 2) {
    const scratch = new ScratchFilesystem();
    let calls = 0;
    scratch.world.ioFailure = (request) => (request.operation === 'write' && ++calls === nth ? 'EIO' : null);
    for (const outcome of exercise(scratch)) expect(SYSTEM_ERRORS).toContain(outcome);
    isReached = calls >= nth;
    scratch.world.ioFailure = () => null;
    scratch.crash();
    scratch.unmount();
    if (hasBtrfsCheck && nth % 8 === 1) expect(btrfsCheck(scratch)).toBe('clean');
  }
  expect(isReached).toBe(false);
});
