import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { randomStream } from '../src/base/random.ts';
import { MIB } from '../src/base/units.ts';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { shellOnItsOwn, whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { doOnEngine, type RangeOperation, randomRangeOperation, seekMapOf } from './support/range-operations.ts';
import { ScratchFilesystem, writeImage } from './support/scratch-filesystem.ts';

const RUNNER = new URL('./support/linux_ranges.py', import.meta.url).pathname;
const SECTORS = 40;
const STEPS = 40;
const FILES = Number(process.env['FSQUAKE_RANGE_FILES'] ?? 12);

const hasPython = spawnSync('python3', ['--version']).status === 0;
const missing = whyNoLoopFilesystem() ?? (hasPython ? null : 'needs python3');
if (missing !== null) console.log(`skipped: comparison of file ranges with Linux: ${missing}`);

/** `$1` the image, `$2` mount options, `$3` the runner; asked on stdin, answers on stdout. */
const FRAME = `
set -e
loop=$(losetup -f --show $1)
dir=$(mktemp -d)
cleanup() { cd /; umount $dir 2>/dev/null || true; btrfs device scan --forget $loop 2>/dev/null || true; losetup -d $loop; rmdir $dir; }
trap cleanup EXIT
own_devices $loop
mount -t btrfs -o $2 $loop $dir
python3 $3 $dir
`;

function askLinux(image: string, mount: string, requests: readonly object[]): unknown[] {
  const input = requests.map((request) => `${JSON.stringify(request)}\n`).join('');
  const output = shellOnItsOwn(FRAME, [image, mount, RUNNER], {
    input,
    maxBuffer: 256 * MIB,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

beforeAll(loadZstd);

interface Step {
  readonly outcome: string;
  readonly size: number;
  readonly data: [number, number][];
  readonly blocks: number;
}

const FORMS = [
  { name: 'by default', linux: 'rw', engine: {}, hasHoleItems: false },
  { name: 'without inline extents', linux: 'max_inline=0', engine: { maxInline: 0 }, hasHoleItems: false },
  { name: 'without NO_HOLES', linux: 'rw', engine: {}, hasHoleItems: true },
  { name: 'nodatacow', linux: 'nodatacow', engine: { nodatacow: true }, hasHoleItems: false },
  { name: 'nodatasum', linux: 'nodatasum', engine: { nodatasum: true }, hasHoleItems: false },
  {
    name: 'compressed',
    linux: 'compress-force=zstd',
    engine: { compress: 'zstd', compressForce: true },
    hasHoleItems: false,
  },
] as const;

// Goal: on a file of any form, each operation gives the errno, the size and the map of data and holes that it gives in Linux,
// and Linux finds in the engine's image the extents and bytes that the engine says are there.
test.skipIf(missing !== null).each(FORMS)(
  'operations on ranges of files mounted $name end as in Linux, which agrees on the extents',
  ({ name, linux, engine, hasHoleItems }) => {
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-ranges-'));
    try {
      const seed = process.env['FSQUAKE_RANGE_SEED'] ?? '1';
      const files = Array.from({ length: FILES }, (_, index) => {
        const random = randomStream(`${seed}-${index}`, `linux-ranges ${name}`);
        const operations = Array.from({ length: STEPS }, () => randomRangeOperation(random, SECTORS));
        return { file: `f${index}`, operations: [...operations, { kind: 'fsync' as const }] };
      });
      const theirs = join(folder, 'linux');
      execFileSync('truncate', ['-s', '256M', theirs]);
      execFileSync('mkfs.btrfs', ['-q', '-f', ...(hasHoleItems ? ['-O', '^no-holes'] : []), theirs], {
        stdio: 'ignore',
      });
      const byLinux = askLinux(theirs, linux, files) as { steps: Step[]; sha256: string }[];

      const scratch = new ScratchFilesystem(
        { devices: [64 * MIB], seed: `linux-ranges-${process.pid}-${name}` },
        { ...engine, fixes: allFixes() },
        { edit: hasHoleItems ? withoutNoHoles : (bytes) => bytes },
      );
      files.forEach(({ file, operations }, index) => {
        compare(scratch, file, operations, byLinux[index]!);
      });

      scratch.remount();
      const own = files.map(({ file }) => ({
        extents: scratch.run(sys.fiemap(scratch.fs, file)),
        data: seekMapOf(scratch, file),
        sha256: digest(scratch.run(sys.read(scratch.fs, file, 0, SECTORS * 4096))),
      }));
      scratch.unmount();
      const ours = join(folder, 'engine');
      writeImage(scratch, ours);
      const seen = askLinux(
        ours,
        'ro',
        files.map(({ file }) => ({ file })),
      );
      expect(seen).toEqual(own);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);

function compare(
  scratch: ScratchFilesystem,
  file: string,
  operations: readonly RangeOperation[],
  linux: { readonly steps: readonly Step[]; readonly sha256: string },
): void {
  scratch.run(sys.create(scratch.fs, file));
  let isApart = false;
  operations.forEach((operation, index) => {
    const outcome = doOnEngine(scratch, file, operation);
    const { size, blocks } = scratch.run(sys.stat(scratch.fs, file));
    const observed = { outcome, size, data: seekMapOf(scratch, file), blocks };
    const expected = linux.steps[index]!;
    const done = operations.slice(0, index + 1).map((op) => JSON.stringify(op));
    // Linux counts the blocks of a direct write some time after it has returned: they are compared after the last fsync.
    const counted = index === operations.length - 1 ? expected.blocks : blocks;
    isApart ||= leavesZeroBlock(operation, expected.data, observed.data);
    const places = isApart ? { data: observed.data, blocks } : { data: expected.data, blocks: counted };
    expect({ file, done, ...observed }).toEqual({ file, done, ...expected, ...places });
  });
  const bytes = scratch.run(sys.read(scratch.fs, file, 0, SECTORS * 4096));
  expect({ file, sha256: digest(bytes) }).toEqual({ file, sha256: linux.sha256 });
}

/**
 * Whether Linux has zeroed the last sector of a hole to be punched although there was a hole: it looks at one extent map
 * only, and which there are depends on what is cached. From then on the file has one extent more than here.
 */
function leavesZeroBlock(operation: RangeOperation, theirs: [number, number][], ours: [number, number][]): boolean {
  if (operation.kind !== 'fallocate' || operation.mode !== 'punch-hole') return false;
  const end = operation.offset + operation.length;
  const sectors = (map: [number, number][]) =>
    map.reduce((sum, range) => sum + Math.ceil((range[1] - range[0]) / 4096), 0);
  const isData = (map: [number, number][]) =>
    map.some(([start, stop]) => start < end && end <= Math.ceil(stop / 4096) * 4096);
  return end % 4096 !== 0 && sectors(theirs) === sectors(ours) + 1 && isData(theirs) && !isData(ours);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
