/** One step of a sequence that two file systems are to answer alike; plain data, so that it can be printed and repeated. */

/** One character per byte (U+0000 to U+00FF): a name need not be text. */
export type PathText = string;
/** A path, or the number of a slot in which an open file is kept. */
export type Target = PathText | number;

export type OpenFlag =
  | 'create'
  | 'exclusive'
  | 'truncate'
  | 'append'
  | 'direct'
  | 'noFollow'
  | 'directory'
  | 'tmpfile'
  | 'readOnly'
  | 'writeOnly';

export type FallocateMode =
  | 'allocate'
  | 'keep-size'
  | 'punch-hole'
  | 'zero-range'
  | 'zero-range-keep-size'
  | 'collapse-range'
  | 'insert-range';

export type InodeFlag = 'sync' | 'immutable' | 'append' | 'nodump' | 'noatime' | 'dirsync' | 'nodatacow' | 'nocompress';

export type NodeKind = 'fifo' | 'socket' | 'character' | 'block' | 'file';

interface Range {
  readonly offset: number;
  readonly length: number;
}

interface TwoRanges {
  readonly source: Target;
  readonly from: number;
  readonly target: Target;
  readonly to: number;
  readonly length: number;
}

/** `seed` of a write or value: its bytes are `contentOf(seed, length)`. Sizes and offsets are bytes, times nanoseconds. */
export type Operation =
  | { readonly do: 'mkdir'; readonly path: PathText; readonly mode?: number }
  | { readonly do: 'create'; readonly path: PathText; readonly mode?: number; readonly nodatacow?: boolean }
  | {
      readonly do: 'open';
      readonly slot: number;
      readonly path: PathText;
      readonly flags: readonly OpenFlag[];
      readonly mode?: number;
    }
  | { readonly do: 'close'; readonly slot: number }
  | { readonly do: 'unlink' | 'rmdir' | 'readdir' | 'readlink'; readonly path: PathText }
  | {
      readonly do: 'rename';
      readonly from: PathText;
      readonly to: PathText;
      readonly exchange?: boolean;
      readonly noReplace?: boolean;
    }
  | { readonly do: 'link'; readonly from: Target; readonly to: PathText; readonly follow?: boolean }
  | { readonly do: 'symlink'; readonly target: PathText; readonly path: PathText }
  | {
      readonly do: 'mknod';
      readonly path: PathText;
      readonly kind: NodeKind;
      readonly mode?: number;
      readonly device?: { readonly major: number; readonly minor: number };
    }
  | { readonly do: 'stat'; readonly file: Target; readonly follow?: boolean }
  | { readonly do: 'chmod'; readonly file: Target; readonly mode: number }
  | {
      readonly do: 'chown';
      readonly file: Target;
      readonly uid: number | null;
      readonly gid: number | null;
      readonly follow?: boolean;
    }
  | {
      readonly do: 'utimes';
      readonly file: Target;
      readonly access: number | null;
      readonly modify: number | null;
      readonly follow?: boolean;
    }
  /** As chattr: what is in neither list stays, what is in both is set. */
  | {
      readonly do: 'setFlags';
      readonly file: Target;
      readonly set: readonly InodeFlag[];
      readonly clear: readonly InodeFlag[];
    }
  | {
      readonly do: 'setXattr';
      readonly file: Target;
      readonly name: PathText;
      readonly length: number;
      readonly seed: number;
      readonly create?: boolean;
      readonly replace?: boolean;
      readonly follow?: boolean;
    }
  | {
      readonly do: 'getXattr' | 'removeXattr';
      readonly file: Target;
      readonly name: PathText;
      readonly follow?: boolean;
    }
  | { readonly do: 'listXattrs'; readonly file: Target; readonly follow?: boolean }
  | { readonly do: 'readDirectory'; readonly slot: number; readonly count: number }
  /** To the start, or behind the last entry but one that `readDirectory` gave. */
  | { readonly do: 'seekDirectory'; readonly slot: number; readonly to: 'start' | 'last' }
  | { readonly do: 'truncate'; readonly file: Target; readonly size: number }
  | {
      readonly do: 'write';
      readonly file: Target;
      /** Null: append. */
      readonly offset: number | null;
      readonly length: number;
      readonly seed: number;
    }
  | ({ readonly do: 'read' | 'mapRead' | 'msync'; readonly file: Target } & Range)
  | ({ readonly do: 'mapWrite'; readonly file: Target; readonly seed: number } & Range)
  | ({ readonly do: 'fallocate'; readonly file: Target; readonly mode: FallocateMode } & Range)
  | { readonly do: 'seek'; readonly file: Target; readonly offset: number; readonly what: 'data' | 'hole' }
  | { readonly do: 'fiemap'; readonly file: Target }
  | ({ readonly do: 'reflink' | 'dedupe' | 'copyRange' } & TwoRanges)
  | { readonly do: 'fsync' | 'fdatasync' | 'dropPages'; readonly file: Target }
  | { readonly do: 'sync' | 'dropCaches' | 'remount' | 'statfs' };

export type OperationKind = Operation['do'];
export type OperationOf<K extends OperationKind> = Extract<Operation, { readonly do: K }>;

/** How an operation ended: with an errno's name, or with what it told (undefined for nothing). */
export type Outcome = { readonly error: string; readonly where: string } | { readonly value: unknown };

/** Nanoseconds since 1970 where an operation set it; clocks themselves are not compared. */
export type ShownTime = number | 'by the clock';

/** Times that operations set lie between these; no clock of either side does. */
const SET_TIMES = { from: 1.4e18, to: 1.75e18 } as const;

export function showTime(nanoseconds: number): ShownTime {
  return nanoseconds >= SET_TIMES.from && nanoseconds < SET_TIMES.to ? nanoseconds : 'by the clock';
}

/** What `stat` tells, in terms that all file systems share. */
export interface StatusValue {
  readonly kind: string;
  /** The lower twelve bits. */
  readonly permissions: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blocks: number;
  readonly inode: number;
  readonly device: { readonly major: number; readonly minor: number } | null;
  readonly accessTime: ShownTime;
  readonly modifyTime: ShownTime;
}

export interface DirectoryEntryValue {
  readonly name: PathText;
  readonly inode: number;
  readonly kind: string;
  readonly cursor: number;
}

export interface ExtentValue {
  readonly logical: number;
  readonly length: number;
  /** FIEMAP_EXTENT_* without prefix. */
  readonly flags: readonly string[];
}

export function bytesOf(text: PathText): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function textOf(bytes: Uint8Array): PathText {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Bytes that tell seeds and places apart. Every third seed gives bytes that compress well, every seventh zeros. */
export function contentOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (seed % 7 === 0) return bytes;
  if (seed % 3 === 0) {
    for (let at = 0; at < length; at++) bytes[at] = (seed + (at >> 9)) & 0xff;
    return bytes;
  }
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** As JSON in ASCII without apostrophes, on one line: what `--replay` takes, between apostrophes. */
export function showSequence(operations: readonly Operation[]): string {
  return JSON.stringify(operations).replace(
    /[\u007f-\uffff']/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
