import { beforeAll, describe, expect, test } from 'vitest';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
import * as sys from '../src/fs/syscalls.ts';
import { makeForeign } from './support/foreign-images.ts';
import { disksWith, expectSound, hashOf, prose } from './support/form-bench.ts';
import { whyNoLoopFilesystem } from './support/loop-filesystem.ts';

/**
 * Goal: data that Linux stored in any form is read, changed and read by Linux again. Method: Linux makes files of many
 * sizes with each compression, splits their extents by overwrites, cuts and holes, and says what it reads; the engine
 * reads the same, changes each file, and all judges look at the result.
 */

const FILES = `
mkdir many
for n in 1 18 100 2047 2048 2049 4095 4096 4097 8192 70000 131072 131073 400000; do
  yes "a text of $n bytes that repeats, though not all the time: $RANDOM" | head -c $n > many/text-$n
  seq $n 300000 | head -c $n > many/seq-$n
  head -c $n /dev/urandom > many/noise-$n
  (seq 1 5000; head -c 50000 /dev/urandom; seq 1 5000) | head -c $n > many/mixed-$n
done
sync -f .
for n in 70000 131073 400000; do
  for at in 3 9 17; do head -c 4096 /dev/urandom | dd of=many/seq-$n bs=4096 seek=$at conv=notrunc status=none; done
  truncate -s $((n - 7777)) many/text-$n
  fallocate -p -o 20480 -l 12288 many/mixed-$n
done
truncate -s 60 many/text-2047; truncate -s 50 many/seq-100; truncate -s 6000 many/text-100
cp --reflink=always many/seq-400000 reflink
sync -f .
`;

const missing = whyNoLoopFilesystem();
if (missing !== null) console.log(`skipped: files that Linux compressed: ${missing}`);

beforeAll(loadZstd);

describe.skipIf(missing !== null)('a file system that Linux wrote', () => {
  test.each(['compress=zlib', 'compress=zstd', 'compress=lzo', 'compress-force=zstd:15', 'compress-force=lzo'])(
    'with %s is read and changed',
    async (mount) => {
      const image = makeForeign({ name: mount, megabytes: [256], mkfs: '', mount, work: FILES, isBare: true });
      const expected = new Map<string, Uint8Array>();
      const disks = disksWith(
        { compress: mount.includes('zlib') ? 'zlib' : 'zstd' },
        function* (fs) {
          for (const { path, sha256 } of image.files) {
            const { size } = yield* sys.stat(fs, path);
            const bytes = (yield* sys.read(fs, path, 0, size)).slice();
            expect(hashOf(bytes), path).toBe(sha256);
            const patch = prose(300, size);
            const changed = new Uint8Array(Math.max(size, Math.floor(size / 2) + patch.length));
            changed.set(bytes);
            changed.set(patch, Math.floor(size / 2));
            yield* sys.write(fs, path, Math.floor(size / 2), patch);
            expected.set(path, changed);
          }
        },
        image.disks,
      );
      await expectSound(disks, expected);
    },
    120_000,
  );
});
