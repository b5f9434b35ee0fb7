import { sameBytes } from '../../base/bytes.ts';
import type { DiskImage } from '../../record/image.ts';
import type { DeviceReplaced } from '../../task/observation.ts';
import { type LiveSpace, liveSpaceOf } from '../structure/live-space.ts';
import { type BadCopy, type LiveUnit, liveUnits } from './copies.ts';

/**
 * What the target of a device replace lacks at the moment of the swap: everything that the committed roots reach on the
 * source must be on the target at the same place. A target may be better than its source, where another mirror was; it
 * owes nothing that nobody has any more.
 */
export function missingOnTarget(images: readonly DiskImage[], replaced: DeviceReplaced): BadCopy[] {
  const live = liveSpaceOf(images);
  const target = images[replaced.target];
  if (live === null || target === undefined) return [];
  const { devid } = replaced;
  const source = replaced.source === null ? null : images[replaced.source]!;
  const bad: BadCopy[] = [];
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
      if (mayDiffer(unit, copied, piece.copy, source === null, live, devid)) return;
      const { kind } = unit;
      const { logical, length, copy, offset } = piece;
      bad.push({ kind, logical, length, copy, image: replaced.target, device: devid, offset });
    });
  }
  return bad;
}

/** Why a target may hold something else than its source: that was bad or gone, and this is as good as it gets. */
function mayDiffer(
  unit: LiveUnit,
  copied: Uint8Array,
  copy: number,
  isSourceGone: boolean,
  live: LiveSpace,
  devid: number,
): boolean {
  const { verify } = unit;
  // A unit that lies in several pieces (no tree block does) is compared with the source alone.
  if (copied.length !== unit.length) return isSourceGone;
  if (verify?.(copied)) return true;
  const others: { readonly copy: number; readonly bytes: Uint8Array }[] = [];
  for (let other = 0; other < live.chunks.copiesAt(unit.logical); other++) {
    const bytes = live.chunks.read(unit.logical, unit.length, other);
    if (bytes !== null && !(isSourceGone && other === copy)) others.push({ copy: other, bytes });
  }
  if (verify !== null) return !others.some(({ bytes }) => verify(bytes));
  if (!isSourceGone) return false;
  // On DUP the other copy was on the source too.
  const elsewhere = others.filter((other) => !liesOn(live, unit.logical, other.copy, devid));
  return elsewhere.length === 0 || elsewhere.some(({ bytes }) => sameBytes(bytes, copied));
}

function liesOn(live: LiveSpace, logical: number, copy: number, devid: number): boolean {
  const place = { device: 0, offset: 0, length: 0 };
  const chunk = live.chunks.find(logical);
  if (chunk === null) return false;
  chunk.locate(logical, copy, place);
  return place.device === devid;
}
