import { parseShownName } from '../../base/parse-name.ts';
import { showName } from '../../base/show-name.ts';
import { argumentBytes } from './argument-bytes.ts';

/** A place in an image, as `IMAGE:/path` on the command line. */
export interface ImagePath {
  /** File of the host. */
  readonly image: string;
  /** From the root of the file system. */
  readonly path: Uint8Array;
  /** As typed. */
  readonly text: string;
}

const SLASH = Buffer.from('/');

/** The image is what stands before the first `:/`. Null where there is none: a path of the host. */
export function splitImagePath(text: string): { readonly image: string; readonly path: string } | null {
  const at = text.indexOf(':/');
  return at <= 0 ? null : { image: text.slice(0, at), path: text.slice(at + 1) };
}

/** Null when it is a path of the host; a message when an escape in it is wrong. */
export function parseImagePath(text: string): ImagePath | string | null {
  const parts = splitImagePath(text);
  if (parts === null) return null;
  const path = text.includes('\ufffd') ? pathOfBytes(argumentBytes(text)) : parseShownName(parts.path);
  if (path === null) return `${text}: a backslash begins \\xNN or another backslash`;
  return { image: parts.image, path, text };
}

/** Bytes that are no UTF-8 mean themselves; escapes are as in any other path. */
function pathOfBytes(typed: Buffer): Uint8Array | null {
  const path = typed.subarray(typed.indexOf(':/') + 1);
  const backslash = 0x5c;
  const shown = [...path].map((byte) => (byte === backslash ? '\\' : showByte(byte))).join('');
  return parseShownName(shown);
}

function showByte(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : showName(Uint8Array.of(byte));
}

export function joinPath(folder: Uint8Array, name: Uint8Array): Uint8Array {
  const isRoot = folder.length > 0 && folder[folder.length - 1] === SLASH[0];
  return new Uint8Array(Buffer.concat(isRoot ? [folder, name] : [folder, SLASH, name]));
}

/** The last name of a path; empty for the root. */
export function lastName(path: Uint8Array): Uint8Array {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH[0]) end--;
  const start = path.lastIndexOf(SLASH[0]!, end - 1) + 1;
  return path.subarray(end === 0 ? 0 : start, end);
}
