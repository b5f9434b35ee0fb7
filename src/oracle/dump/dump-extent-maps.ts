import { parseShownName } from '../../base/parse-name.ts';
import { MODE_TYPE } from '../../fs/format/inode.ts';
import type { DiskImage } from '../../record/image.ts';
import { openImage } from '../structure/open-image.ts';
import { type DumpRecord, plainNumber } from './dump-value.ts';
import type { RawFilesystem } from './raw-filesystem.ts';

/** The extent maps of one file as its items give them. */
export interface DumpedExtentMaps {
  readonly path: string;
  readonly inode: number;
  readonly subvolume: number;
  readonly size: number;
  readonly maps: readonly DumpRecord[];
}

/**
 * What each range of a file leads to: `start`, `length`, `kind`, the extent on disk, and each copy of it on its device.
 * Gaps between items are holes. Null where there is no such regular file, or the way to it is damaged. `path` has escapes as
 * names are shown.
 */
export function dumpExtentMaps(images: readonly DiskImage[], fs: RawFilesystem, path: string): DumpedExtentMaps | null {
  const bytes = parseShownName(path);
  const reader = openImage(images);
  if (bytes === null || reader === null) return null;
  // The reader's names have one character for each byte.
  const stat = reader.stat(normal(Buffer.from(bytes).toString('latin1')));
  if (stat !== null && (stat.mode & MODE_TYPE.MASK) !== MODE_TYPE.REGULAR) return null;
  const extents = stat === null ? null : reader.extentsOf(stat.tree, stat.inode);
  if (stat === null || extents === null) return null;
  const maps: DumpRecord[] = [];
  let end = 0;
  for (const extent of extents) {
    if (extent.start > end) maps.push(hole(end, extent.start));
    maps.push(mapOf(fs, extent));
    end = Math.max(end, extent.start + extent.length);
  }
  if (end < stat.size) maps.push(hole(end, stat.size));
  return { path, inode: stat.inode, subvolume: stat.tree, size: stat.size, maps };
}

function normal(path: string): string {
  return `/${path
    .split('/')
    .filter((name) => name !== '')
    .join('/')}`;
}

function hole(start: number, end: number): DumpRecord {
  return { start, length: end - start, kind: 'hole' };
}

type Extent = NonNullable<ReturnType<NonNullable<ReturnType<typeof openImage>>['extentsOf']>>[number];

function mapOf(fs: RawFilesystem, extent: Extent): DumpRecord {
  const head = { start: plainNumber(extent.start), length: plainNumber(extent.length), kind: extent.kind };
  if (extent.kind === 'hole') return head;
  if (extent.kind === 'inline') return { ...head, compressed: extent.isCompressed };
  const first = extent.isCompressed ? extent.diskStart : extent.diskStart + extent.offset;
  return {
    ...head,
    compressed: extent.isCompressed,
    diskStart: plainNumber(extent.diskStart),
    diskLength: plainNumber(extent.diskLength),
    offset: plainNumber(extent.offset),
    places: Array.from({ length: fs.chunks.copiesAt(first) }, (_, copy) => fs.chunks.describe(first, copy)),
  };
}
