import type { Task } from '../task/task.ts';
import { FsError } from './errors.ts';
import type { MountedFilesystem } from './filesystem.ts';

/** From the root, `/`-separated; text is UTF-8, other names are given as bytes. */
export type Path = string | Uint8Array;
/** What `open` returned. */
export type Handle = number;
export type FileTarget = Path | Handle;

export interface OpenOptions {
  /** Make an empty file where there is none. */
  readonly create?: boolean;
  /** With `create`: EEXIST where there is one. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  readonly direct?: boolean;
  readonly append?: boolean;
}

export interface TransferOptions {
  /** Default: as the handle was opened. */
  readonly direct?: boolean;
  readonly append?: boolean;
}

/** As FIEMAP reports: bytes; `physical` is btrfs's logical address; flags are FIEMAP_EXTENT_* names without prefix. */
export interface FiemapExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly flags: readonly string[];
}

export interface FileStatus {
  readonly inode: number;
  readonly kind: 'file' | 'directory' | 'other';
  readonly mode: number;
  readonly size: number;
  /** Bytes of extents that the file refers to. */
  readonly allocatedBytes: number;
  readonly links: number;
}

function* todo(): Task<never> {
  throw new FsError('EOPNOTSUPP', 'not there yet');
}

export function* mkdir(_fs: MountedFilesystem, _path: Path): Task<void> {
  yield* todo();
}
/** Makes an empty file; EEXIST when the name is taken. */
export function* create(_fs: MountedFilesystem, _path: Path): Task<void> {
  yield* todo();
}
export function* open(_fs: MountedFilesystem, _path: Path, _options: OpenOptions = {}): Task<Handle> {
  return yield* todo();
}
export function* close(_fs: MountedFilesystem, _handle: Handle): Task<void> {
  yield* todo();
}
export function* unlink(_fs: MountedFilesystem, _path: Path): Task<void> {
  yield* todo();
}
export function* rmdir(_fs: MountedFilesystem, _path: Path): Task<void> {
  yield* todo();
}
export function* rename(_fs: MountedFilesystem, _from: Path, _to: Path): Task<void> {
  yield* todo();
}
export function* truncate(_fs: MountedFilesystem, _target: FileTarget, _size: number): Task<void> {
  yield* todo();
}
/** `offset` null: append. Returns how many bytes were written. The bytes are copied or kept: do not change them. */
export function* write(
  _fs: MountedFilesystem,
  _target: FileTarget,
  _offset: number | null,
  _bytes: Uint8Array,
  _options: TransferOptions = {},
): Task<number> {
  return yield* todo();
}
/** Fewer bytes than asked at the end of the file. */
export function* read(
  _fs: MountedFilesystem,
  _target: FileTarget,
  _offset: number,
  _length: number,
  _options: TransferOptions = {},
): Task<Uint8Array> {
  return yield* todo();
}
export function* fsync(_fs: MountedFilesystem, _target: FileTarget): Task<void> {
  yield* todo();
}
export function* fdatasync(_fs: MountedFilesystem, _target: FileTarget): Task<void> {
  yield* todo();
}
export function* sync(_fs: MountedFilesystem): Task<void> {
  yield* todo();
}
export function* dropCaches(_fs: MountedFilesystem): Task<void> {
  yield* todo();
}
/** `sync`: write out dirty data first, as FIEMAP_FLAG_SYNC. */
export function* fiemap(
  _fs: MountedFilesystem,
  _target: FileTarget,
  _options: { readonly sync?: boolean } = {},
): Task<readonly FiemapExtent[]> {
  return yield* todo();
}
export function* stat(_fs: MountedFilesystem, _target: FileTarget): Task<FileStatus> {
  return yield* todo();
}
/** Names in the order of their directory index, without `.` and `..`. */
export function* readdir(_fs: MountedFilesystem, _path: Path): Task<Uint8Array[]> {
  return yield* todo();
}
