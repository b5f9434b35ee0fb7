import type { DiskImage } from '../../record/image.ts';
import type { ScrubStarted } from '../../task/observation.ts';
import { liveUnits } from '../replication/copies.ts';
import { liveSpaceOf } from '../structure/live-space.ts';

/** Where, in the scrubbed range, something that a checksum guards is not what it should be; null where nowhere. */
export function damageOn(images: readonly DiskImage[], scrub: ScrubStarted): number | null {
  const live = liveSpaceOf(images);
  const image = images[scrub.device];
  if (live === null || image === undefined) return null;
  let found: number | null = null;
  for (const { logical, length, verify } of liveUnits(live, () => true)) {
    if (verify === null || found !== null) continue;
    live.eachPiece(logical, length, (piece) => {
      const { device, offset } = piece;
      if (device !== scrub.devid || piece.length !== length || found !== null) return;
      if (offset < scrub.start || offset + length > scrub.end) return;
      if (!verify(image.read(offset, length))) found = offset;
    });
  }
  return found;
}
