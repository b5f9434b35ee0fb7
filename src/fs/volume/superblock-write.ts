import type { Errno } from '../../base/errno.ts';
import type { PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { PendingIo } from '../../task/world.ts';
import { SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE } from '../format/superblock.ts';
import type { Device } from './device.ts';
import type { VolumeHost } from './volume.ts';

const SUPERBLOCK_PURPOSE = { kind: 'superblock' } as const;

/** One device's superblock for each place it has room for; the bytes belong to the device from now on. */
export interface DeviceSuperblocks {
  readonly device: Device;
  /** False of the target of a device replace; as it was when the superblock was made. */
  readonly isMember: boolean;
  readonly copies: readonly { readonly offset: PhysicalAddress; readonly bytes: Uint8Array }[];
}

interface SuperblockWrite {
  readonly device: Device;
  readonly io: PendingIo;
  /** The first copy of a member: where a mount looks for it. */
  readonly isDecisive: boolean;
}

/**
 * Writes every copy with forced unit access, all in flight at once; a missing device has none. Null when at least one
 * member took its primary superblock (the target of a device replace is none), else the first errno. The caller has
 * flushed what the superblocks point to.
 */
export function* writeSuperblocks(fs: VolumeHost, superblocks: readonly DeviceSuperblocks[]): Task<Errno | null> {
  const { newcomer } = fs.volume.replace;
  // A commit may still be at it that knows nothing of the newcomer, which came in the next transaction.
  if (!superblocks.some(({ device }) => device === newcomer)) return yield* writeAtOnce(fs, superblocks);
  // Until its superblock says so, a mount would take the source of the device replace for the member, whatever the others
  // say; and the source no longer gets what is written.
  const error = yield* writeAtOnce(
    fs,
    superblocks.filter(({ device }) => device === newcomer),
  );
  if (error !== null || superblocks.length === 1) return error;
  return yield* writeAtOnce(
    fs,
    superblocks.filter(({ device }) => device !== newcomer),
  );
}

function* writeAtOnce(fs: VolumeHost, superblocks: readonly DeviceSuperblocks[]): Task<Errno | null> {
  const pending: SuperblockWrite[] = [];
  for (const { device, isMember, copies } of superblocks) {
    for (const { offset, bytes } of copies) {
      if (device.block === null) break;
      const isDecisive = offset === SUPERBLOCK_OFFSETS[0] && isMember;
      const io = yield* device.block.submit({
        operation: 'write',
        offset,
        length: SUPERBLOCK_SIZE,
        bytes,
        fua: true,
        purpose: SUPERBLOCK_PURPOSE,
      });
      pending.push({ device, io, isDecisive });
    }
  }
  let firstError: Errno | null = null;
  let primariesWritten = 0;
  for (const { device, io, isDecisive } of pending) {
    const result = yield* io.wait();
    if (result.error !== null) {
      fs.volume.countError(device, 'write');
      firstError ??= result.error;
    } else if (isDecisive) primariesWritten++;
  }
  return primariesWritten > 0 ? null : (firstError ?? 'EIO');
}
