import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { complaintOf } from './support/complaint.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';

const SECTOR = 4096;
const SECTORS_MAX = 48;
const NAMES = ['plain', 'plain too', 'in place', 'in place too'];

/** What a sector of a file has: no place, a place without data, or data. */
type Sector = 'hole' | 'prealloc' | 'data';

/** What a file should be: its bytes, and by sector, beyond its size too, what it has and where that was seen to lie. */
interface Model {
  readonly isNodatacow: boolean;
  bytes: Uint8Array;
  readonly sectors: Sector[];
  /** As of the last look; null where nothing was looked at since the sector got its place. */
  readonly places: (number | null)[];
}

function newModel(isNodatacow: boolean): Model {
  const { length } = { length: SECTORS_MAX };
  return {
    isNodatacow,
    bytes: new Uint8Array(0),
    sectors: Array.from({ length }, () => 'hole' as const),
    places: Array.from({ length }, () => null),
  };
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, Math.min(size, bytes.length)));
  return result;
}

function noteWritten(model: Model, index: number): void {
  // Only what had a place and need not be copied keeps it.
  const staysInPlace = model.sectors[index] === 'prealloc' || (model.sectors[index] === 'data' && model.isNodatacow);
  if (!staysInPlace) model.places[index] = null;
  model.sectors[index] = 'data';
}

function noteWrite(model: Model, offset: number, data: Uint8Array): void {
  const oldSize = model.bytes.length;
  model.bytes = resized(model.bytes, Math.max(oldSize, offset + data.length));
  model.bytes.set(data, offset);
  for (let index = Math.floor(offset / SECTOR); index * SECTOR < offset + data.length; index++) {
    noteWritten(model, index);
  }
  if (offset > oldSize) noteZeroedTail(model, oldSize);
}

/** The rest of the last page is written as zeros when the file is to reach over it, whatever there is. */
function noteZeroedTail(model: Model, size: number): void {
  if (size % SECTOR !== 0) noteWritten(model, Math.floor(size / SECTOR));
}

function noteTruncate(model: Model, size: number): void {
  const oldSize = model.bytes.length;
  if (size > oldSize) noteZeroedTail(model, oldSize);
  // Where the file is cut, only data needs zeros.
  else if (size < oldSize && model.sectors[Math.floor(size / SECTOR)] === 'data') noteZeroedTail(model, size);
  model.bytes = resized(model.bytes, size);
  if (size > oldSize) return;
  for (let index = Math.ceil(size / SECTOR); index < SECTORS_MAX; index++) {
    model.sectors[index] = 'hole';
    model.places[index] = null;
  }
}

function noteFallocate(model: Model, offset: number, length: number, keepSize: boolean): void {
  const oldSize = model.bytes.length;
  const end = offset + length;
  if (end > oldSize) noteZeroedTail(model, oldSize);
  if (end > oldSize && !keepSize) model.bytes = resized(model.bytes, end);
  for (let index = Math.floor(offset / SECTOR); index * SECTOR < end; index++) {
    if (model.sectors[index] === 'hole') model.sectors[index] = 'prealloc';
  }
}

function expectSame(observed: Uint8Array, expected: Uint8Array): void {
  if (!sameBytes(observed, expected)) expect(observed).toEqual(expected);
}

/** What fiemap says of each sector. */
function sectorsOf(extents: readonly sys.FiemapExtent[]): { sectors: Sector[]; places: (number | null)[] } {
  const { sectors, places } = newModel(false);
  for (const { logical, physical, length, flags } of extents) {
    for (let at = 0; at < length; at += SECTOR) {
      sectors[(logical + at) / SECTOR] = flags.includes('UNWRITTEN') ? 'prealloc' : 'data';
      places[(logical + at) / SECTOR] = physical + at;
    }
  }
  return { sectors, places };
}

/** Compares size, content, extents and bytes used; a sector written in place lies where it lay, a copied one does not. */
function look(scratch: ScratchFilesystem, path: string, model: Model): void {
  const { fs } = scratch;
  const { sectors, places } = sectorsOf(scratch.run(sys.fiemap(fs, path, { sync: true })));
  expect({ path, sectors }).toEqual({ path, sectors: model.sectors });
  const status = scratch.run(sys.stat(fs, path));
  expect(status.size).toBe(model.bytes.length);
  expect(status.allocatedBytes).toBe(sectors.filter((sector) => sector !== 'hole').length * SECTOR);
  expectSame(scratch.run(sys.read(fs, path, 0, SECTORS_MAX * SECTOR)), model.bytes);
  places.forEach((place, index) => {
    if (model.places[index] !== null)
      expect({ path, index, place }).toEqual({ path, index, place: model.places[index] });
    model.places[index] = place;
  });
}

function step(scratch: ScratchFilesystem, models: Map<string, Model>, random: RandomStream): void {
  const { fs } = scratch;
  const path = NAMES[random.below(NAMES.length)]!;
  const model = models.get(path);
  if (model === undefined) {
    const nodatacow = path.startsWith('in place');
    scratch.run(sys.create(fs, path, { nodatacow }));
    models.set(path, newModel(nodatacow));
    return;
  }
  const direct = random.chance(1, 2);
  const unit = direct || random.chance(1, 2) ? SECTOR : 1;
  const unitsMax = (SECTORS_MAX * SECTOR) / unit;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const offset = random.below(unitsMax - 1) * unit;
      const length = Math.min(
        SECTORS_MAX * SECTOR - offset,
        (1 + random.below(Math.ceil((12 * SECTOR) / unit))) * unit,
      );
      const fill = 1 + random.below(255);
      const data = Uint8Array.from({ length }, (_, i) => (fill + i * 7) & 255);
      expect(scratch.run(sys.write(fs, path, offset, data, { direct }))).toBe(length);
      noteWrite(model, offset, data);
      return;
    }
    case 4:
    case 5:
    case 6: {
      const offset = random.below(unitsMax - 1) * unit;
      const length = Math.min(
        SECTORS_MAX * SECTOR - offset,
        (1 + random.below(Math.ceil((24 * SECTOR) / unit))) * unit,
      );
      const keepSize = random.chance(1, 2);
      scratch.run(sys.fallocate(fs, path, offset, length, { keepSize }));
      noteFallocate(model, offset, length, keepSize);
      return;
    }
    case 7: {
      const size = random.chance(1, 4) ? model.bytes.length : random.below(unitsMax) * unit;
      scratch.run(sys.truncate(fs, path, size));
      noteTruncate(model, size);
      return;
    }
    case 8: {
      const offset = random.below(unitsMax) * unit;
      const length = random.below(unitsMax) * unit;
      const bytes = scratch.run(sys.read(fs, path, offset, length, { direct }));
      expectSame(bytes, model.bytes.subarray(offset, offset + length));
      return;
    }
    case 9:
      if (random.chance(1, 3)) {
        scratch.run(sys.unlink(fs, path));
        models.delete(path);
      } else look(scratch, path, model);
      return;
    case 10:
      if (random.chance(1, 2)) scratch.run(sys.dropCaches(fs));
      else scratch.run(random.chance(1, 2) ? sys.fsync(fs, path) : sys.sync(fs));
      return;
    default:
      if (random.chance(1, 3)) scratch.remount();
      else {
        scratch.run(sys.sync(fs));
        scratch.crash();
      }
  }
}

function imagesOf(scratch: ScratchFilesystem): BlockTable[] {
  return scratch.world.devices.map((device) => {
    const image = new BlockTable(device.size);
    for (const [block, bytes] of device.blocks) image.write(block * SECTOR, bytes);
    return image;
  });
}

function complaints(scratch: ScratchFilesystem): string[] {
  const report = checkImage(imagesOf(scratch));
  return [...report.errors, ...report.warnings].map((fault) => fault.message).concat(report.unsupported);
}

// Goal: preallocation and writing in place against a model that knows nothing of extents but what each sector has.
test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  '600 random operations on preallocated and nodatacow files do what the model does and leave clean images (seed %i)',
  async (seed) => {
    const random = randomStream(`${seed}`, 'random-preallocation');
    // A kernel takes no two file systems of one id at a time.
    const id = `random-preallocation-${process.pid}-${seed}`;
    const nodeSize = seed % 2 === 0 ? 4096 : 16384;
    const scratch = new ScratchFilesystem({ seed: id, nodeSize }, { fixes: allFixes(), maxInline: 0 });
    const models = new Map<string, Model>();
    for (let i = 0; i < 600; i++) {
      step(scratch, models, random);
      if (i % 60 === 59) {
        for (const [path, model] of models) look(scratch, path, model);
        expect(complaints(scratch)).toEqual([]);
      }
      // What is on disk is consistent at any time, as if the power went now.
      if (i % 150 === 149 && hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
    }
    scratch.remount();
    for (const [path, model] of models) look(scratch, path, model);
    scratch.unmount();
    expect(complaints(scratch)).toEqual([]);
    if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
    if (seed > 2) return;
    const files = [...models].map(([path, { bytes }]) => ({
      path: `/${path}`,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    }));
    const judged = await kernelMount(imagesOf(scratch), files);
    if (judged.verdict !== 'not-judged') expect(complaintOf(judged)).toBeNull();
  },
  60_000,
);
