import { parseShownName } from '../../base/parse-name.ts';

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
  const path = parseShownName(parts.path);
  if (path === null) return `${text}: a backslash begins \\xNN or another backslash`;
  return { image: parts.image, path, text };
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
