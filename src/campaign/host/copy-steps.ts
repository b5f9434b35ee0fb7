import type { BigIntStats } from 'node:fs';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import {
  chmod,
  chown,
  create,
  type FileStatus,
  link,
  mkdir,
  mknod,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  write,
} from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import { dataRangesOf, type HostFile, type HostSource, readHostPiece, xattrsOfHost } from './host-files.ts';
import { joinPath } from './image-path.ts';
import { setXattrsInImage } from './image-xattrs.ts';
import type { NotCarried } from './not-carried.ts';

/** A part of a copy that is done in one go; nothing is kept open from one to the next. */
export interface CopyStep {
  /** In the image. */
  readonly path: Uint8Array;
  /** Begins something new; else goes on with it. */
  readonly isFile: boolean;
  /** Sets times, which must stay when all else is done. */
  readonly setsTimes?: boolean;
  /** Returns how many bytes of data it wrote. */
  run(fs: MountedFilesystem): Task<number>;
}

const PIECE = 2 ** 20;
const SECTOR = 4096;
const ZEROES = new Uint8Array(SECTOR);

/** Steps for everything found, directories first; what is set on a directory comes after what is put into it. */
export function* copySteps(
  sources: readonly HostSource[],
  places: readonly Uint8Array[],
  notCarried: NotCarried,
): Generator<CopyStep> {
  const linked = new Map<string, Uint8Array>();
  for (const [index, { files }] of sources.entries()) {
    const folders: (readonly [HostFile, Uint8Array])[] = [];
    for (const file of files) {
      const path = file.below.reduce<Uint8Array>(joinPath, places[index]!);
      if (file.stat.isDirectory()) {
        folders.push([file, path]);
        yield { path, isFile: true, run: (fs) => makeDirectory(fs, path) };
      } else yield* fileSteps(file, path, linked, notCarried);
    }
    for (const [file, path] of folders.reverse()) yield attributeStep(file, path, notCarried);
  }
}

function* fileSteps(
  file: HostFile,
  path: Uint8Array,
  linked: Map<string, Uint8Array>,
  notCarried: NotCarried,
): Generator<CopyStep> {
  const { stat: host } = file;
  const key = `${host.dev}:${host.ino}`;
  const first = host.nlink > 1n ? linked.get(key) : undefined;
  if (first !== undefined) {
    yield { path, isFile: true, run: (fs) => makeLink(fs, first, path) };
    return;
  }
  if (host.nlink > 1n) linked.set(key, path);
  yield { path, isFile: true, run: (fs) => makeFile(fs, file, path) };
  if (host.isFile()) {
    const size = Number(host.size);
    const isSparse = host.blocks * 512n < host.size;
    for (const range of isSparse ? dataRangesOf(file.path, size) : [{ start: 0, end: size, isExact: true }]) {
      for (let offset = range.start; offset < range.end; offset += PIECE) {
        const length = Math.min(PIECE, range.end - offset);
        const piece = { offset, length, skipsZeroes: !range.isExact };
        yield { path, isFile: false, run: (fs) => copyPiece(fs, file, path, piece) };
      }
    }
    if (isSparse) yield { path, isFile: false, run: (fs) => setSize(fs, path, size) };
  }
  yield attributeStep(file, path, notCarried);
}

function attributeStep(file: HostFile, path: Uint8Array, notCarried: NotCarried): CopyStep {
  return { path, isFile: false, setsTimes: true, run: (fs) => setAttributes(fs, file, path, notCarried) };
}

function* makeDirectory(fs: MountedFilesystem, path: Uint8Array): Task<number> {
  const there = yield* statusOrNull(fs, path);
  if (there?.kind === 'directory') return 0;
  yield* mkdir(fs, path);
  return 0;
}

function* makeLink(fs: MountedFilesystem, first: Uint8Array, path: Uint8Array): Task<number> {
  yield* removeOld(fs, path);
  yield* link(fs, first, path);
  return 0;
}

/** A regular file that is there is written anew and stays the same inode; anything else makes way. */
function* makeFile(fs: MountedFilesystem, file: HostFile, path: Uint8Array): Task<number> {
  const { stat: host, target } = file;
  const there = yield* statusOrNull(fs, path);
  if (there?.kind === 'file' && host.isFile()) {
    yield* truncate(fs, path, 0);
    return 0;
  }
  yield* removeOld(fs, path);
  if (target !== null) yield* symlink(fs, target, path);
  else if (host.isFile()) yield* create(fs, path);
  else yield* mknod(fs, path, { kind: nodeKind(host), device: deviceOf(host) });
  return 0;
}

function* removeOld(fs: MountedFilesystem, path: Uint8Array): Task<void> {
  const there = yield* statusOrNull(fs, path);
  if (there !== null) yield* unlink(fs, path);
}

function* copyPiece(
  fs: MountedFilesystem,
  { path: from }: HostFile,
  path: Uint8Array,
  { offset, length, skipsZeroes }: { readonly offset: number; readonly length: number; readonly skipsZeroes: boolean },
): Task<number> {
  const bytes = readHostPiece(from, offset, length);
  let written = 0;
  for (const { start, end } of skipsZeroes ? dataRanges(bytes) : [{ start: 0, end: bytes.length }]) {
    const part = bytes.subarray(start, end);
    const count = yield* write(fs, path, offset + start, part);
    if (count < part.length) throw new FsError('ENOSPC', `only ${offset + start + count} bytes have room`);
    written += count;
  }
  return written;
}

/** Runs of sectors that are not all zero. */
function dataRanges(bytes: Uint8Array): { readonly start: number; readonly end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const part = bytes.subarray(at, at + SECTOR);
    if (Buffer.compare(part, ZEROES.subarray(0, part.length)) === 0) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.end === at) last.end = at + part.length;
    else ranges.push({ start: at, end: at + part.length });
  }
  return ranges;
}

function* setSize(fs: MountedFilesystem, path: Uint8Array, size: number): Task<number> {
  yield* truncate(fs, path, size);
  return 0;
}

/** The owner first: a change of it takes the set-user-id bit and capabilities away. */
function* setAttributes(
  fs: MountedFilesystem,
  { path: from, stat: host, target }: HostFile,
  path: Uint8Array,
  notCarried: NotCarried,
): Task<number> {
  const itself = { follow: false };
  yield* chown(fs, path, Number(host.uid), Number(host.gid), itself);
  yield* setXattrsInImage(fs, path, xattrsOfHost(from), notCarried);
  if (target === null) yield* chmod(fs, path, Number(host.mode & 0o7777n), itself);
  yield* utimes(fs, path, { access: Number(host.atimeNs), modify: Number(host.mtimeNs) }, itself);
  return 0;
}

function* statusOrNull(fs: MountedFilesystem, path: Uint8Array): Task<FileStatus | null> {
  try {
    return yield* stat(fs, path, { follow: false });
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

function nodeKind(host: BigIntStats): 'fifo' | 'socket' | 'character' | 'block' {
  if (host.isFIFO()) return 'fifo';
  if (host.isSocket()) return 'socket';
  return host.isCharacterDevice() ? 'character' : 'block';
}

/** As Linux packs device numbers: 12 bits of major inside 20 of minor. */
function deviceOf({ rdev }: BigIntStats): { readonly major: number; readonly minor: number } {
  return { major: Number((rdev >> 8n) & 0xfffn), minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n)) };
}
