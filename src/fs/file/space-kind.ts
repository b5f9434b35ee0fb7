import type { FileOffset } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { getExtentMap, putExtentMap } from './extent-map-access.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';

/** What a file has on disk from some offset up to `end`, dirty pages left out of account. */
export interface Space {
  readonly kind: 'hole' | 'prealloc' | 'data';
  readonly end: FileOffset;
}

/** What there is at `at`, and how far, at most to `end`; both whole sectors. The caller holds the range. Throws EIO, EUCLEAN. */
export function* spaceAt(files: Files, inode: Inode, at: FileOffset, end: FileOffset): Task<Space> {
  const map = yield* getExtentMap(files, inode, at, end - at, false);
  inode.touchMaps();
  const kind = map.isHole ? 'hole' : map.isPrealloc ? 'prealloc' : 'data';
  const mapEnd = Math.min(map.end, end);
  putExtentMap(inode, map);
  if (mapEnd <= at) {
    throw new FsError('EUCLEAN', `the extent map of inode ${inode.number} ends before the ${at} it was asked for`);
  }
  return { kind, end: mapEnd };
}
