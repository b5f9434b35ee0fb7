import { beforeAll, expect, test } from 'vitest';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
import * as sys from '../src/fs/syscalls.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { Task } from '../src/task/task.ts';
import { disksWith, type FormOptions, formsOf, hashOf, noise, prose } from './support/form-bench.ts';
import { blankDisks, type Work } from './support/simulated-filesystem.ts';

/**
 * Goal: whatever forms follow each other in one file, its bytes are those of a plain array. Method: random writes, cuts,
 * preallocations and syncs of three files under each option, with the model beside them; each image is checked whole.
 */

type Fs = Parameters<Work>[0];
const STEPS = 60;
const PATHS = ['/a', '/b', '/c'];
/** Small ones most of the time, so that files go in and out of their items. */
const SIZES = [10, 700, 1900, 2300, 4096, 9000, 70_000, 200_000];

beforeAll(loadZstd);

class Model {
  readonly files = new Map(PATHS.map((path) => [path, new Uint8Array(0)]));
  private state: number;

  constructor(seed: number) {
    this.state = seed * 2654435761 + 1;
  }

  below(bound: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * bound);
  }

  *step(fs: Fs): Task<void> {
    const path = PATHS[this.below(PATHS.length)]!;
    const old = this.files.get(path)!;
    const length = 1 + this.below(SIZES[this.below(SIZES.length)]!);
    const offset = this.below(3) === 0 ? 0 : this.below(old.length + 5000);
    const kind = this.below(10);
    if (kind < 5) {
      const isDirect = kind === 4;
      const start = isDirect ? offset - (offset % 4096) : offset;
      const size = isDirect ? length + 4096 - (length % 4096 || 4096) : length;
      const bytes = this.below(3) === 0 ? noise(size, this.below(1000)) : prose(size, this.below(1000));
      const grown = new Uint8Array(Math.max(old.length, start + size));
      grown.set(old);
      grown.set(bytes, start);
      this.files.set(path, grown);
      yield* sys.write(fs, path, start, bytes, { direct: isDirect });
    } else if (kind < 7) {
      const size = this.below(2) === 0 ? this.below(old.length + 1) : this.below(6000);
      const cut = new Uint8Array(size);
      cut.set(old.subarray(0, size));
      this.files.set(path, cut);
      yield* sys.truncate(fs, path, size);
    } else if (kind === 7) yield* sys.sync(fs);
    else if (kind === 8) yield* sys.dropCaches(fs);
    else yield* sys.fsync(fs, path);
  }
}

const OPTIONS: readonly FormOptions[] = [
  {},
  { compress: 'zlib' },
  { compress: 'zstd', compressForce: true },
  { compress: 'zlib', maxInline: 0 },
  { maxInline: 4096 },
];

test.each(OPTIONS)('files with the options %j hold what was written', (options) => {
  for (let seed = 1; seed <= 6; seed++) {
    const model = new Model(seed);
    let disks = blankDisks();
    for (let mounts = 0; mounts < 2; mounts++) {
      const work: Work = function* (fs) {
        if (mounts === 0) for (const path of PATHS) yield* sys.create(fs, path);
        for (let step = 0; step < STEPS; step++) {
          yield* model.step(fs);
          const path = PATHS[model.below(PATHS.length)]!;
          const expected = model.files.get(path)!;
          const found = yield* sys.read(fs, path, 0, expected.length + 10);
          const forms = found.length === expected.length ? '' : (yield* formsOf(fs, path)).join();
          expect(hashOf(found), `seed ${seed}, step ${step}, ${path} ${forms}`).toBe(hashOf(expected));
        }
      };
      disks = disksWith(options, work, disks);
      expect(checkImage(disks).errors, `seed ${seed}`).toEqual([]);
    }
  }
});
