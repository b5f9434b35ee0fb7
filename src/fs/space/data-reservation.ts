import { assert } from '../../base/assert.ts';
import { type ByteCount, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import { Completed, DONE, type Task } from '../../task/task.ts';
import type { World } from '../../task/world.ts';
import { FsError } from '../errors.ts';
import type { Space } from './space.ts';

/** What reservations need of a file system. */
export interface SpaceHost {
  readonly world: World;
  readonly space: Space;
  /** Adds a chunk for data: true when there is more space now. Not for callers that hold a transaction handle. */
  growData(): Task<boolean>;
}

/** A run of the logical address space that was given out for data. */
export interface DataReservation {
  readonly logical: LogicalAddress;
  readonly length: ByteCount;
}

/**
 * Gives out up to `length` bytes for data, at least `minimum`, in one piece; both are multiples of the sector size.
 * The space is the caller's until `addDataReference(…, 'new')` or `releaseDataReservation`. Where there is none, chunks
 * are added while the devices have room: not for callers that hold a transaction handle. Throws ENOSPC.
 */
export function reserveDataExtent(fs: SpaceHost, length: ByteCount, minimum: ByteCount): Task<DataReservation> {
  assert(minimum > 0 && minimum <= length, 'a reservation has a size', { length, minimum });
  assert(length % SECTOR_SIZE === 0 && minimum % SECTOR_SIZE === 0, 'data is allocated in sectors', {
    length,
    minimum,
  });
  const failure = fs.world.mayFail('reserve-data-space');
  if (failure !== null) throw new FsError(failure, `reservation of ${length} bytes of data space`);
  const extent = fs.space.allocateData(length, minimum);
  return extent === null ? reserveWithChunks(fs, length, minimum) : new Completed(extent);
}

function* reserveWithChunks(fs: SpaceHost, length: ByteCount, minimum: ByteCount): Task<DataReservation> {
  while (yield* fs.growData()) {
    const extent = fs.space.allocateData(length, minimum);
    if (extent !== null) return extent;
  }
  const free = fs.space.freeDataBytes();
  throw new FsError('ENOSPC', `reservation of ${length} bytes of data space (at least ${minimum}): ${free} are free`);
}

/** Gives back a reservation that no extent item was made for. */
export function releaseDataReservation(fs: SpaceHost, reservation: DataReservation): Task<void> {
  fs.space.releaseReserved(reservation.logical, reservation.length);
  return DONE;
}
