import { randomStream } from '../../base/random.ts';
import { UUID_SIZE } from '../format/uuid.ts';

/** All identifiers of a new file system. */
export interface Identity {
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
  readonly deviceUuids: readonly Uint8Array[];
  /** Of the first subvolume. */
  readonly subvolumeUuid: Uint8Array;
}

/** The same seed gives the same identifiers, all different from each other and from those of other seeds. */
export function identityOf(seed: string, deviceCount: number): Identity {
  return {
    fsid: uuidOf(seed, 'fsid'),
    chunkTreeUuid: uuidOf(seed, 'chunk-tree'),
    deviceUuids: Array.from({ length: deviceCount }, (_, index) => uuidOf(seed, `device-${index + 1}`)),
    subvolumeUuid: uuidOf(seed, 'subvolume-5'),
  };
}

function uuidOf(seed: string, purpose: string): Uint8Array {
  const random = randomStream(seed, `uuid-${purpose}`);
  const uuid = Uint8Array.from({ length: UUID_SIZE }, () => random.below(256));
  // The bits of RFC 9562 that say: version 4, made at random.
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}
