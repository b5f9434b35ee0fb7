import type { RandomStream } from '../../src/base/random.ts';
import { FsError } from '../../src/fs/errors.ts';
import * as sys from '../../src/fs/syscalls.ts';
import type { ScratchFilesystem } from './scratch-filesystem.ts';

const SECTOR = 4096;

export type RangeMode = 'allocate' | 'keep-size' | 'punch-hole' | 'zero-range' | 'zero-range-keep-size';

/** One operation on the ranges of a file, as plain data: `fill` is the value of all bytes. */
export type RangeOperation =
  | {
      readonly kind: 'write' | 'direct' | 'map';
      readonly offset: number;
      readonly length: number;
      readonly fill: number;
    }
  | { readonly kind: 'fallocate'; readonly mode: RangeMode; readonly offset: number; readonly length: number }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'msync'; readonly offset: number; readonly length: number }
  | { readonly kind: 'fsync' | 'drop' };

const MODES: readonly RangeMode[] = ['allocate', 'keep-size', 'punch-hole', 'zero-range', 'zero-range-keep-size'];

/** An operation within `sectors` sectors; half of all edges are those of sectors, and small files are common. */
export function randomRangeOperation(random: RandomStream, sectors: number): RangeOperation {
  const bytesMax = (random.chance(1, 6) ? 1 : sectors) * SECTOR;
  const [offset, length] = randomRange(random, bytesMax, random.chance(1, 2) ? SECTOR : 1);
  const fill = 1 + random.below(255);
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
      return { kind: 'write', offset, length, fill };
    case 3: {
      const [at, bytes] = randomRange(random, sectors * SECTOR, SECTOR);
      return { kind: 'direct', offset: at, length: bytes, fill };
    }
    case 4:
    case 5:
      return { kind: 'map', offset, length: Math.min(length, 3 * SECTOR), fill };
    case 6:
    case 7:
      return { kind: 'truncate', size: random.chance(1, 5) ? random.below(3000) : offset };
    case 8:
      return { kind: 'msync', offset: offset - (offset % SECTOR), length };
    case 9:
      return { kind: random.chance(1, 2) ? 'fsync' : 'drop' };
    default:
      return { kind: 'fallocate', mode: MODES[random.below(MODES.length)]!, offset, length };
  }
}

function randomRange(random: RandomStream, bytesMax: number, unit: number): [offset: number, length: number] {
  const offset = random.below(bytesMax / unit) * unit;
  const room = (bytesMax - offset) / unit;
  const length = 1 + random.below(random.chance(1, 2) ? room : Math.min(room, Math.ceil((3 * SECTOR) / unit)));
  return [offset, length * unit];
}

/** Does the operation on the engine. The errno, or `ok`. */
export function doOnEngine(scratch: ScratchFilesystem, path: string, operation: RangeOperation): string {
  const { fs } = scratch;
  try {
    switch (operation.kind) {
      case 'write':
      case 'direct': {
        const { offset, length, fill, kind } = operation;
        scratch.run(sys.write(fs, path, offset, new Uint8Array(length).fill(fill), { direct: kind === 'direct' }));
        break;
      }
      case 'map': {
        const { offset, length, fill } = operation;
        scratch.run(sys.mapWrite(fs, path, offset, new Uint8Array(length).fill(fill)));
        break;
      }
      case 'fallocate':
        scratch.run(sys.fallocate(fs, path, operation.offset, operation.length, { mode: operation.mode }));
        break;
      case 'truncate':
        scratch.run(sys.truncate(fs, path, operation.size));
        break;
      case 'msync':
        scratch.run(sys.msync(fs, path, operation.offset, operation.length));
        break;
      case 'fsync':
        scratch.run(sys.fsync(fs, path));
        break;
      default:
        scratch.run(sys.dropCaches(fs));
    }
    return 'ok';
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
}

/** What is data by SEEK_DATA and SEEK_HOLE: half-open ranges of bytes. */
export function seekMapOf(scratch: ScratchFilesystem, path: string): [start: number, end: number][] {
  const ranges: [number, number][] = [];
  for (let at = 0; ; ) {
    let start: number;
    try {
      start = scratch.run(sys.seek(scratch.fs, path, at, 'data'));
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENXIO') return ranges;
      throw error;
    }
    at = scratch.run(sys.seek(scratch.fs, path, start, 'hole'));
    ranges.push([start, at]);
  }
}
