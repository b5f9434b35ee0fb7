import { sameBytes } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import type { DeviceReplaced } from '../../task/observation.ts';
import { type LiveSpace, liveSpaceOf } from '../structure/live-space.ts';
import { type BadCopy, type LiveUnit, liveUnits } from './copies.ts';

/** Something that the target lacks although others had it. */
export interface MissingCopy extends BadCopy {
  /** Indices of the images from which it could have been copied. */
  readonly goodImages: readonly number[];
}

/**
 * What the target of a device replace lacks at the moment of the swap: everything that the committed roots reach on the
 * source must be on the target at the same place. A target may be better than its source, where another mirror was; it
 * owes nothing that nobody has any more.
 */
export function missingOnTarget(images: readonly DiskImage[], replaced: DeviceReplaced): MissingCopy[] {
  const live = liveSpaceOf(images);
  const target = images[replaced.target];
  if (live === null || target === undefined) return [];
  const { devid } = replaced;
  const source = replaced.source === null ? null : images[replaced.source]!;
  const bad: MissingCopy[] = [];
  const isOnDevice = (logical: number) => {
    const chunk = live.chunks.find(logical);
    if (chunk === null) return false;
    for (let stripe = 0; stripe < chunk.stripes; stripe++) if (chunk.deviceOf(stripe) === devid) return true;
    return false;
  };
  for (const unit of liveUnits(live, isOnDevice)) {
    live.eachPiece(unit.logical, unit.length, (piece) => {
      if (piece.device !== devid) return;
      const copied = target.read(piece.offset, piece.length);
      if (source !== null && sameBytes(copied, source.read(piece.offset, piece.length))) return;
      const goodImages = betterThan(copied, unit, piece.copy, replaced, live, images);
      if (goodImages.length === 0) return;
      const { kind } = unit;
      const { logical, length, copy, offset } = piece;
      bad.push({ kind, logical, length, copy, image: replaced.target, device: devid, offset, goodImages });
    });
  }
  return bad;
}

/**
 * The images that have what the target should; none when what the target has is as good. Without a checksum the source
 * is right, and where that is gone, another mirror.
 */
function betterThan(
  copied: Uint8Array,
  unit: LiveUnit,
  copy: number,
  replaced: DeviceReplaced,
  live: LiveSpace,
  images: readonly DiskImage[],
): number[] {
  const { verify, logical, length } = unit;
  const { source, devid } = replaced;
  // What lies in several pieces (no tree block does) is compared with the source alone.
  if (copied.length !== length) return source === null ? [] : [source];
  if (verify?.(copied)) return [];
  const good: number[] = [];
  let isMatched = false;
  live.eachPiece(logical, length, ({ copy: other, device, offset }) => {
    // Between the swap and its commit the trees still call the source by that id.
    const image = device === devid ? source : (live.imageOf.get(device) ?? null);
    if (image === null) return;
    const bytes = images[image]!.read(offset, length);
    if (verify !== null) {
      if (verify(bytes)) good.push(image);
    } else if (source !== null ? other === copy : device !== devid) {
      if (sameBytes(bytes, copied)) isMatched = true;
      else good.push(image);
    }
  });
  return isMatched ? [] : good;
}
