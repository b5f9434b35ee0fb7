/**
 * The operations of a mounted file system. Each takes plain arguments and throws FsError with the errno that Linux
 * would return. A file is named by its path or by a handle of `open`.
 */

export * from './syscalls/attributes.ts';
export * from './syscalls/data.ts';
export * from './syscalls/durability.ts';
export * from './syscalls/handles.ts';
export * from './syscalls/names.ts';
export * from './syscalls/ranges.ts';
export * from './syscalls/sharing.ts';
export * from './syscalls/statfs.ts';
export type { FileTarget, Handle, Path } from './syscalls/target.ts';
export * from './syscalls/xattrs.ts';

/** What an operation is called in workloads, and what it does. */
export const OPERATIONS = [
  { name: 'mkdir', title: 'make a directory' },
  { name: 'create', title: 'make an empty file' },
  { name: 'open', title: 'open a file for reading and writing' },
  { name: 'close', title: 'close an open file' },
  { name: 'unlink', title: 'remove a name of a file' },
  { name: 'rmdir', title: 'remove an empty directory' },
  { name: 'rename', title: 'give a file or directory another name' },
  { name: 'fallocate', title: 'preallocate space for a range of a file' },
  { name: 'truncate', title: 'change the size of a file' },
  { name: 'write', title: 'write, through the page cache or around it' },
  { name: 'read', title: 'read, through the page cache or around it' },
  { name: 'fsync', title: 'make a file durable' },
  { name: 'fdatasync', title: 'make the data of a file durable' },
  { name: 'sync', title: 'make everything durable' },
  { name: 'drop-caches', title: 'forget what can be read again' },
  { name: 'fiemap', title: 'list the extents of a file' },
  { name: 'stat', title: 'size and kind of a file' },
  { name: 'readdir', title: 'list the names of a directory' },
  { name: 'corrupt', title: 'damage one copy of a range of a file on its device' },
] as const;
