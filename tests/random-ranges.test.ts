import { beforeAll, expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { randomStream } from '../src/base/random.ts';
import { loadZstd } from '../src/campaign/host/load-zstd.ts';
import type { MountOptions } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { doOnEngine, type RangeOperation, randomRangeOperation, seekMapOf } from './support/range-operations.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const SECTOR = 4096;
const SECTORS = 40;
const FILE = 'f';

beforeAll(loadZstd);

/** What the file must hold, by plain array arithmetic. Returns the outcome that the operation must have. */
class ByteModel {
  bytes = new Uint8Array(0);

  apply(operation: RangeOperation): string {
    switch (operation.kind) {
      case 'write':
      case 'direct':
        this.resize(Math.max(this.bytes.length, operation.offset + operation.length));
        this.bytes.fill(operation.fill, operation.offset, operation.offset + operation.length);
        return 'ok';
      case 'map':
        // The array ends where the file does, and so does what is kept.
        this.bytes.fill(operation.fill, operation.offset, operation.offset + operation.length);
        return operation.offset + operation.length <= this.pagesEnd ? 'ok' : 'EFAULT';
      case 'truncate':
        this.resize(operation.size);
        return 'ok';
      case 'fallocate': {
        const { mode, offset, length } = operation;
        if (mode !== 'allocate' && mode !== 'keep-size') this.bytes.fill(0, offset, offset + length);
        const grows = mode === 'allocate' || mode === 'zero-range';
        if (grows) this.resize(Math.max(this.bytes.length, offset + length));
        return 'ok';
      }
      default:
        return 'ok';
    }
  }

  private get pagesEnd(): number {
    return Math.ceil(this.bytes.length / SECTOR) * SECTOR;
  }

  private resize(size: number): void {
    const old = this.bytes;
    this.bytes = new Uint8Array(size);
    this.bytes.set(old.subarray(0, Math.min(size, old.length)));
  }
}

function complaints(scratch: ScratchFilesystem): string[] {
  const device = scratch.world.devices[0]!;
  const image = new BlockTable(device.size);
  for (const [block, bytes] of device.blocks) image.write(block * SECTOR, bytes);
  const report = checkImage([image]);
  return [...report.errors, ...report.warnings].map((fault) => fault.message).concat(report.unsupported);
}

/** What fiemap says is written, cut at the end of the file. */
function dataByFiemap(scratch: ScratchFilesystem, size: number): [number, number][] {
  const ranges: [number, number][] = [];
  for (const { logical, length, flags } of scratch.run(sys.fiemap(scratch.fs, FILE))) {
    if (flags.includes('UNWRITTEN') || logical >= size) continue;
    const last = ranges[ranges.length - 1];
    const end = Math.min(logical + length, size);
    if (last !== undefined && last[1] === logical) last[1] = end;
    else ranges.push([logical, end]);
  }
  return ranges;
}

function look(scratch: ScratchFilesystem, model: ByteModel, when: string): void {
  const { fs } = scratch;
  const { bytes } = model;
  expect({ when, size: scratch.run(sys.stat(fs, FILE)).size }).toEqual({ when, size: bytes.length });
  const read = scratch.run(sys.read(fs, FILE, 0, SECTORS * SECTOR + 1));
  if (!sameBytes(read, bytes)) {
    const at = bytes.findIndex((value, index) => value !== read[index]);
    expect({ when, at, value: read[at] }).toEqual({ when, at, value: bytes[at] });
  }
  const data = seekMapOf(scratch, FILE);
  const isData = new Uint8Array(bytes.length);
  for (const [start, end] of data) isData.fill(1, start, end);
  const lost = bytes.findIndex((value, index) => value !== 0 && isData[index] === 0);
  expect({ when, 'byte in a hole': lost }).toEqual({ when, 'byte in a hole': -1 });
  expect({ when, data }).toEqual({ when, data: dataByFiemap(scratch, bytes.length) });
}

const FORMS: readonly (readonly [name: string, mount: Omit<MountOptions, 'fixes'>, hasHoleItems: boolean])[] = [
  ['as mounted by default', {}, false],
  ['without inline extents', { maxInline: 0 }, false],
  ['without NO_HOLES', {}, true],
  ['without NO_HOLES and checksums', { nodatasum: true }, true],
  ['nodatacow', { nodatacow: true }, false],
  ['compressed by zlib', { compress: 'zlib', compressForce: true }, false],
  ['compressed by zstd, without NO_HOLES', { compress: 'zstd', compressForce: true }, true],
];
const SEEDS = Number(process.env['FSQUAKE_RANGE_SEEDS'] ?? 2);

// Goal: whatever the form of its extents, a file holds what an array of bytes would, and its image is clean after each
// sync. Method: random operations on one file; sizes, contents, SEEK_DATA and SEEK_HOLE against fiemap after each.
test.each(
  FORMS.flatMap(([name, mount, hasHoleItems]) =>
    Array.from({ length: SEEDS }, (_, index) => ({ name, mount, hasHoleItems, seed: index + 1 })),
  ),
)('300 random operations on ranges of a file do what an array does: $name (seed $seed)', (given) => {
  const { name, mount, hasHoleItems, seed } = given;
  const random = randomStream(`${seed}`, `random-ranges ${name}`);
  const options = { ...mount, fixes: allFixes() };
  const scratch = new ScratchFilesystem({ seed: `random-ranges-${process.pid}-${name}-${seed}` }, options, {
    edit: hasHoleItems ? withoutNoHoles : (bytes) => bytes,
  });
  scratch.run(sys.create(scratch.fs, FILE));
  const model = new ByteModel();
  const done: string[] = [];
  for (let step = 0; step < 300; step++) {
    const operation = randomRangeOperation(random, SECTORS);
    done.push(JSON.stringify(operation));
    const when = done.slice(-12).join('\n');
    const expected = model.apply(operation);
    expect({ when, outcome: doOnEngine(scratch, FILE, operation) }).toEqual({ when, outcome: expected });
    look(scratch, model, when);
    if (step % 10 !== 9) continue;
    scratch.run(sys.sync(scratch.fs));
    look(scratch, model, `${when}\nsync`);
    expect({ when, complaints: complaints(scratch) }).toEqual({ when, complaints: [] });
    if (random.chance(1, 3)) scratch.remount();
    if (step % 100 === 99 && hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
  }
});
