import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { getXattr, listXattrs, setXattr } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import type { Xattr } from './linux-calls.ts';
import type { NotCarried } from './not-carried.ts';

/** Beside an attribute, a leaf has its header, an item and the head of a directory entry. */
const LEAF_OVERHEAD = 101 + 25 + 30;

/** Extended attributes of a file in an image. Throws FsError. */
export function* xattrsInImage(fs: MountedFilesystem, path: Uint8Array): Task<Xattr[]> {
  const itself = { follow: false };
  const names = yield* listXattrs(fs, path, itself);
  const xattrs: Xattr[] = [];
  for (const name of names) xattrs.push({ name, value: yield* getXattr(fs, path, name, itself) });
  return xattrs;
}

/** Sets them on a file in an image; what it cannot hold is noted. Throws FsError where there is no room or damage. */
export function* setXattrsInImage(
  fs: MountedFilesystem,
  path: Uint8Array,
  xattrs: readonly Xattr[],
  notCarried: NotCarried,
): Task<void> {
  for (const { name, value } of xattrs) {
    try {
      yield* setXattr(fs, path, name, value, { follow: false });
    } catch (error) {
      if (!(error instanceof FsError) || !isAboutAttribute(fs, error, name.length + value.length)) throw error;
      notCarried.note(name, error.code);
    }
  }
}

function isAboutAttribute({ info }: MountedFilesystem, { code }: FsError, size: number): boolean {
  if (code === 'ENOSPC') return size > info.nodeSize - LEAF_OVERHEAD;
  return ['EOPNOTSUPP', 'EINVAL', 'EPERM', 'ERANGE', 'E2BIG'].includes(code);
}
