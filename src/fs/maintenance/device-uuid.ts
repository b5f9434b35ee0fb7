import { randomStream } from '../../base/random.ts';
import type { DeviceId } from '../../base/units.ts';
import { UUID_SIZE } from '../format/uuid.ts';
import type { FsInfo } from '../transaction/fs-info.ts';

/**
 * A uuid for a device that becomes a member, or the target of a replace (`id` 0), now: the same in every execution, and
 * another one for each device and each transaction.
 */
export function newDeviceUuid(fs: FsInfo, id: DeviceId, index: number): Uint8Array {
  const seed = `${Buffer.from(fs.fsid).toString('hex')}-${id}-${index}-${fs.generation}`;
  const random = randomStream(seed, 'device-uuid');
  const uuid = Uint8Array.from({ length: UUID_SIZE }, () => random.below(256));
  // The bits of RFC 9562 that say: version 4, made at random.
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}
