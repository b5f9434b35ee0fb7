import { MIB } from '../../src/base/units.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../../src/fs/mkfs.ts';
import { create, fallocate, sync, write } from '../../src/fs/syscalls.ts';
import type { LawContext } from '../../src/oracle/law.ts';
import { LiveSpace, type Piece } from '../../src/oracle/structure/live-space.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { DiskImage } from '../../src/record/image.ts';
import type { OperationRecord, RunRecord } from '../../src/record/run-record.ts';
import { disksAfter } from './simulated-filesystem.ts';

const KIB4 = 4096;

/** Sound disks with files: `/f` has checksums, `/n` none, `/p` is preallocated and holds one written sector. */
export function disksWithFiles(
  options: Omit<MakeFilesystemOptions, 'devices'>,
  sizes: readonly number[],
): BlockTable[] {
  const disks = sizes.map((size) => new BlockTable(size));
  for (const { device, offset, bytes } of makeFilesystem({ devices: sizes, ...options })) {
    disks[device]!.write(offset, bytes);
  }
  return disksAfter(function* (fs) {
    yield* create(fs, '/f');
    yield* write(fs, '/f', 0, new Uint8Array(16 * KIB4).fill(1), {});
    yield* create(fs, '/n', { nodatacow: true });
    yield* write(fs, '/n', 0, new Uint8Array(16 * KIB4).fill(2), {});
    yield* create(fs, '/p');
    yield* fallocate(fs, '/p', 0, 16 * KIB4, {});
    yield* write(fs, '/p', 4 * KIB4, new Uint8Array(KIB4).fill(3), {});
    yield* sync(fs);
  }, disks);
}

export const MIRRORED = { metadataProfile: 'raid1', dataProfile: 'raid1' } as const;
export const SIZE = 16 * MIB;

/** Copies that a test may damage. */
export function copiesOf(images: readonly BlockTable[]): BlockTable[] {
  return images.map((image) => image.snapshot());
}

export interface LivePlace extends Piece {
  readonly image: number;
}

/** Where the copies of something lie: a tree block, or the first sector that is filled with `fill`. */
export function placesOf(images: readonly DiskImage[], what: 'tree-block' | { readonly fill: number }): LivePlace[] {
  const live = LiveSpace.read(images)!;
  const places: LivePlace[] = [];
  const add = (logical: number, length: number) =>
    live.eachPiece(logical, length, (piece) => places.push({ ...piece, image: live.imageOf.get(piece.device)! }));
  if (what === 'tree-block') {
    const block = live.extents.find((extent) => extent.isTree)!;
    add(block.start, block.length);
    return places;
  }
  for (const extent of live.extents) {
    if (extent.isTree) continue;
    for (let logical = extent.start; logical < extent.start + extent.length; logical += KIB4) {
      if (live.chunks.read(logical, KIB4, 0)?.[0] !== what.fill) continue;
      add(logical, KIB4);
      return places;
    }
  }
  return places;
}

/** Overwrites what lies there. */
export function damage(images: readonly BlockTable[], place: LivePlace): void {
  images[place.image]!.write(place.offset, new Uint8Array(place.length).fill(0xee));
}

export function runRecord(parts: Partial<RunRecord>): RunRecord {
  return {
    operations: [],
    events: [],
    locks: [],
    rules: [],
    before: [],
    after: [],
    unmounted: true,
    aborted: null,
    tape: [],
    eventHash: '',
    steps: 1000,
    decisions: 0,
    switches: 0,
    ...parts,
  };
}

export function operation(
  name: string,
  args: OperationRecord['args'],
  started: number,
  ended: number,
  error: 'EIO' | null = null,
): OperationRecord {
  const result = error === null ? { error: null, value: null } : { error, where: 'in a test' };
  return { task: 't', index: 0, round: 0, operation: name, args, started, ended, result };
}

export const WHOLE_SCRUB = { devid: null, start: 0, end: null, readOnly: false, resume: false } as const;

/** A context whose disks the test exchanges. */
export class StagedContext implements LawContext {
  readonly sectorSize = KIB4;
  images: readonly DiskImage[];

  constructor(images: readonly DiskImage[] = []) {
    this.images = images;
  }

  readonly disks = (): readonly DiskImage[] => this.images;
}
