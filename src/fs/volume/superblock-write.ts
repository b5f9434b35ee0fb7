import type { Errno } from '../../base/errno.ts';
import type { DeviceId, PhysicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import type { PendingIo } from '../../task/world.ts';
import { SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE } from '../format/superblock.ts';
import type { VolumeHost } from './volume.ts';

const SUPERBLOCK_PURPOSE = { kind: 'superblock' } as const;

/** One device's superblock for each place it has room for; the bytes belong to the device from now on. */
export interface DeviceSuperblocks {
  readonly device: DeviceId;
  readonly copies: readonly { readonly offset: PhysicalAddress; readonly bytes: Uint8Array }[];
}

/**
 * Writes every copy with forced unit access, all in flight at once. Null when at least one device took its primary
 * superblock, else the first errno. The caller has flushed what the superblocks point to.
 */
export function* writeSuperblocks(fs: VolumeHost, superblocks: readonly DeviceSuperblocks[]): Task<Errno | null> {
  const pending: { readonly io: PendingIo; readonly isPrimary: boolean }[] = [];
  for (const { device, copies } of superblocks) {
    for (const { offset, bytes } of copies) {
      const io = yield* fs.volume.device(device).submit({
        operation: 'write',
        offset,
        length: SUPERBLOCK_SIZE,
        bytes,
        fua: true,
        purpose: SUPERBLOCK_PURPOSE,
      });
      pending.push({ io, isPrimary: offset === SUPERBLOCK_OFFSETS[0] });
    }
  }
  let firstError: Errno | null = null;
  let primariesWritten = 0;
  for (const { io, isPrimary } of pending) {
    const result = yield* io.wait();
    if (result.error !== null) firstError ??= result.error;
    else if (isPrimary) primariesWritten++;
  }
  return primariesWritten > 0 ? null : (firstError ?? 'EIO');
}
