import { showName } from '../../base/show-name.ts';
import { FsError } from '../errors.ts';

export { showName };

/** Linux's limits, in bytes. */
export const NAME_LENGTH_MAX = 255;
export const PATH_LENGTH_MAX = 4095;

/** A path cut into names; `.` and `..` are kept, empty names are not. */
export interface ParsedPath {
  readonly names: readonly Uint8Array[];
  /** It ended in `/`, so it must lead to a directory. */
  readonly wantsDirectory: boolean;
  /** For messages. */
  readonly text: string;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
const encoder = new TextEncoder();

/**
 * Cuts a path from the root into names. Throws ENOENT for an empty path, ENAMETOOLONG for one of over 4,095 bytes,
 * EINVAL for a zero byte.
 */
export function parsePath(path: string | Uint8Array): ParsedPath {
  const plain = typeof path === 'string' ? parsePlain(path) : null;
  if (plain !== null) return plain;
  const bytes = typeof path === 'string' ? encoder.encode(path) : path;
  const text = showName(bytes);
  if (bytes.length === 0) throw new FsError('ENOENT', 'the path is empty');
  if (bytes.length > PATH_LENGTH_MAX) {
    throw new FsError(
      'ENAMETOOLONG',
      `${text.slice(0, 32)}…: the path has ${bytes.length} bytes of ${PATH_LENGTH_MAX}`,
    );
  }
  if (bytes.includes(0)) throw new FsError('EINVAL', `${text}: a zero byte ends no name`);
  return { names: namesOf(bytes), wantsDirectory: endsInSlash(bytes), text };
}

/** The usual path, of printable ASCII without a backslash, is its own text; null for any other. */
function parsePlain(path: string): ParsedPath | null {
  const { length } = path;
  if (length === 0 || length > PATH_LENGTH_MAX) return null;
  const names: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; at <= length; at++) {
    const code = at < length ? path.charCodeAt(at) : SLASH;
    if (code < 0x20 || code > 0x7e || code === BACKSLASH) return null;
    if (code !== SLASH) continue;
    if (at > start) names.push(asciiBytes(path, start, at));
    start = at + 1;
  }
  return { names, wantsDirectory: path.charCodeAt(length - 1) === SLASH, text: path };
}

function asciiBytes(text: string, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  for (let i = start; i < end; i++) bytes[i - start] = text.charCodeAt(i);
  return bytes;
}

/** The names between the slashes, without empty ones. */
export function namesOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    if (at > start) names.push(path.subarray(start, at));
    start = at + 1;
  }
  return names;
}

export function endsInSlash(path: Uint8Array): boolean {
  return path[path.length - 1] === SLASH;
}

export function startsWithSlash(path: Uint8Array): boolean {
  return path[0] === SLASH;
}

/** Throws ENAMETOOLONG. Asked where a name is looked up: a path that fails before it gets there fails for that reason. */
export function checkNameLength(name: Uint8Array): void {
  if (name.length <= NAME_LENGTH_MAX) return;
  const start = showName(name.subarray(0, 32));
  throw new FsError('ENAMETOOLONG', `${start}…: the name has ${name.length} bytes of ${NAME_LENGTH_MAX}`);
}

export function isDot(name: Uint8Array): boolean {
  return name.length === 1 && name[0] === DOT;
}

export function isDotDot(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === DOT && name[1] === DOT;
}
