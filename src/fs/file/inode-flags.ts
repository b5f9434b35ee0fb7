import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { encodeName } from '../format/directory.ts';
import { INODE_FLAG } from '../format/inode.ts';
import { COMPRESSION_PROPERTY } from './compression-property.ts';
import type { Files } from './files.ts';
import type { Inode } from './inode.ts';
import { NODATACOW_FLAGS } from './new-inode-item.ts';
import { checkSubvolumeWritable } from './permission.ts';
import { changeXattrs, checkXattrRoom } from './xattr.ts';
import { dropXattr, putXattr } from './xattr-items.ts';

/** As chattr: absent stays as it is. */
export interface FlagChanges {
  readonly sync?: boolean;
  readonly immutable?: boolean;
  readonly append?: boolean;
  readonly nodump?: boolean;
  readonly noatime?: boolean;
  /** Of directories. */
  readonly dirsync?: boolean;
  /** Of a file with data, it stays as it is without an error. */
  readonly nodatacow?: boolean;
  readonly nocompress?: boolean;
  /** Null: not compressed by this flag. The algorithm is kept as the property `btrfs.compression`. */
  readonly compress?: 'zlib' | 'zstd' | null;
}

const PLAIN = {
  sync: INODE_FLAG.SYNC,
  immutable: INODE_FLAG.IMMUTABLE,
  append: INODE_FLAG.APPEND,
  nodump: INODE_FLAG.NODUMP,
  noatime: INODE_FLAG.NOATIME,
  dirsync: INODE_FLAG.DIRSYNC,
} as const;

type Named = { -readonly [Name in keyof Omit<Required<FlagChanges>, 'compress'>]: boolean } & { compress: boolean };

/** Throws EINVAL for flags that exclude each other, EROFS, ENOSPC. */
export function* changeFlags(files: Files, inode: Inode, changes: FlagChanges): Task<void> {
  const lock = yield* inode.lock.acquire('exclusive');
  try {
    checkSubvolumeWritable(inode);
    const before = namesOf(inode.flags);
    const { compress, ...others } = changes;
    const wanted = { ...before, ...others, ...(compress === undefined ? {} : { compress: compress !== null }) };
    const after = maskByKind(inode, wanted);
    checkTogether(inode, before, after);
    const property = { name: COMPRESSION_PROPERTY, value: encodeName(compress ?? 'zlib') };
    const hasProperty = after.compress && !after.nocompress;
    if (hasProperty) yield* checkXattrRoom(files, inode, property, { create: false, replace: false });
    yield* changeXattrs(files, inode, function* apply(cursor, handle) {
      if (hasProperty) {
        yield* putXattr(cursor, handle, inode, property);
      } else {
        yield* dropXattr(cursor, inode, COMPRESSION_PROPERTY);
      }
      inode.setFlags(flagsOf(inode, after));
    });
  } finally {
    lock.release();
  }
}

function namesOf(flags: number): Named {
  const has = (flag: number) => (flags & flag) !== 0;
  return {
    sync: has(PLAIN.sync),
    immutable: has(PLAIN.immutable),
    append: has(PLAIN.append),
    nodump: has(PLAIN.nodump),
    noatime: has(PLAIN.noatime),
    dirsync: has(PLAIN.dirsync),
    nodatacow: has(INODE_FLAG.NODATACOW),
    nocompress: has(INODE_FLAG.NOCOMPRESS),
    compress: has(INODE_FLAG.COMPRESS) && !has(INODE_FLAG.NOCOMPRESS),
  };
}

/** Flags that the kind of inode cannot have are left out without an error. */
function maskByKind(inode: Inode, wanted: Named): Named {
  if (inode.isDirectory) return wanted;
  if (inode.isRegular) return { ...wanted, dirsync: false };
  return { ...namesOf(0), nodump: wanted.nodump, noatime: wanted.noatime };
}

function checkTogether(inode: Inode, before: Named, after: Named): void {
  const wasCompression = before.compress || before.nocompress;
  const isCompression = after.compress || after.nocompress;
  const clash =
    (after.compress && after.nocompress) ||
    (after.compress && after.nodatacow) ||
    (before.nodatacow && isCompression) ||
    (after.nodatacow && wasCompression);
  if (clash) throw new FsError('EINVAL', `flags of inode ${inode.number} that exclude each other`);
}

function flagsOf(inode: Inode, wanted: Named): number {
  let flags = inode.flags & ~(INODE_FLAG.COMPRESS | INODE_FLAG.NOCOMPRESS);
  for (const [name, flag] of Object.entries(PLAIN)) {
    flags = wanted[name as keyof typeof PLAIN] ? flags | flag : flags & ~flag;
  }
  // A regular file with data keeps what it is: its extents have checksums, or none.
  const mayChange = !inode.isRegular || inode.size === 0;
  const cow = inode.isRegular ? NODATACOW_FLAGS : INODE_FLAG.NODATACOW;
  if (mayChange) flags = wanted.nodatacow ? flags | cow : flags & ~cow;
  if (wanted.nocompress) return flags | INODE_FLAG.NOCOMPRESS;
  return wanted.compress ? flags | INODE_FLAG.COMPRESS : flags;
}
