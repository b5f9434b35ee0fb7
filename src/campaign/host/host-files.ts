import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { showName } from '../../base/show-name.ts';
import { argumentBytes } from './argument-bytes.ts';
import { onHost } from './host-failure.ts';
import { lastName } from './image-path.ts';
import { LinuxCalls, type Xattr } from './linux-calls.ts';

/** One file of the host that is to be copied, parents before what is in them. */
export interface HostFile {
  readonly path: Buffer;
  /** Names from the place of the copy down; empty for what was named itself. */
  readonly below: readonly Uint8Array[];
  readonly stat: BigIntStats;
  /** Of a symbolic link. */
  readonly target: Uint8Array | null;
}

/** One source of the command line with all below it. */
export interface HostSource {
  readonly text: string;
  /** Null for `.`, `..` and `/`: what is in them is copied. */
  readonly name: Uint8Array | null;
  readonly files: readonly HostFile[];
}

/** Finds all that is to be copied, and everything that stands in the way of it. Follows no symbolic link. */
export function findHostFiles(texts: readonly string[], recursive: boolean, problems: string[]): HostSource[] {
  return texts.map((text) => {
    const path = argumentBytes(text);
    const files: HostFile[] = [];
    addTree({ path, below: [] }, recursive, files, problems);
    return { text, name: nameOf(path), files };
  });
}

function nameOf(path: Buffer): Uint8Array | null {
  const name = lastName(path);
  return ['', '.', '..'].includes(Buffer.from(name).toString('latin1')) ? null : name;
}

function addTree(
  place: Pick<HostFile, 'path' | 'below'>,
  recursive: boolean,
  files: HostFile[],
  problems: string[],
): void {
  const file = inspect(place, problems);
  if (file === null) return;
  files.push(file);
  if (!file.stat.isDirectory()) return;
  if (!recursive) {
    problems.push(`${showName(place.path)} is a folder: copy it with -r`);
    return;
  }
  for (const name of namesIn(place.path, problems)) {
    const path = Buffer.concat([place.path, Buffer.from('/'), name]);
    addTree({ path, below: [...place.below, name] }, true, files, problems);
  }
}

function inspect({ path, below }: Pick<HostFile, 'path' | 'below'>, problems: string[]): HostFile | null {
  try {
    const stat = lstatSync(path, { bigint: true });
    if (stat.isFile()) closeSync(openSync(path, 'r'));
    const target = stat.isSymbolicLink() ? new Uint8Array(readlinkSync(path, { encoding: 'buffer' })) : null;
    return { path, below, stat, target };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    problems.push(
      code === 'ENOENT' ? `there is no file ${showName(path)}` : `${showName(path)} cannot be read (${code})`,
    );
    return null;
  }
}

function namesIn(path: Buffer, problems: string[]): Buffer[] {
  try {
    return readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare);
  } catch (error) {
    problems.push(`${showName(path)} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return [];
  }
}

/** Fewer bytes than asked for at the end of the file. Throws `HostFailure`. */
export function readHostPiece(path: Buffer, offset: number, length: number): Uint8Array {
  return onHost(`${showName(path)} cannot be read`, () => {
    const bytes = new Uint8Array(length);
    const descriptor = openSync(path, 'r');
    try {
      return bytes.subarray(0, readFully(descriptor, bytes, offset));
    } finally {
      closeSync(descriptor);
    }
  });
}

/** Part of a file. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
  /** Its file system says that there are holes around it; else holes are where zeroes are. */
  readonly isExact: boolean;
}

/** Where a sparse file has data; the whole file where its file system cannot tell. Throws `HostFailure`. */
export function* dataRangesOf(path: Buffer, size: number): Generator<DataRange> {
  const linux = LinuxCalls.load();
  if (typeof linux === 'string') {
    yield { start: 0, end: size, isExact: false };
    return;
  }
  const descriptor = onHost(`${showName(path)} cannot be read`, () => openSync(path, 'r'));
  try {
    for (let offset = 0; offset < size; ) {
      const range = linux.nextData(descriptor, offset);
      if (range === null) return;
      const end = Math.min(range.end, size);
      yield { start: range.start, end, isExact: range.start > 0 || end < size };
      offset = range.end;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Extended attributes, none where they cannot be asked for. Throws `HostFailure`. */
export function xattrsOfHost(path: Buffer): readonly Xattr[] {
  const linux = LinuxCalls.load();
  return typeof linux === 'string' ? [] : linux.xattrsOf(path);
}

/** How many bytes there were: fewer than asked for at the end. */
export function readFully(descriptor: number, bytes: Uint8Array, offset: number): number {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(descriptor, bytes, done, bytes.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

export function writeFully(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}

export function isFolder(path: string | Buffer): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
