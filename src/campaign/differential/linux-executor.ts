import { LinuxError } from '../../oracle/kernel-fs/libc.ts';
import { FALLOCATE, type LinuxData } from '../../oracle/kernel-fs/linux-data.ts';
import { OPEN } from '../../oracle/kernel-fs/linux-files.ts';
import type { LinuxDirectoryEntry, LinuxExtent, LinuxStatus } from '../../oracle/kernel-fs/structures.ts';
import { Completed, type Task } from '../../task/task.ts';
import {
  bytesOf,
  contentOf,
  type DirectoryEntryValue,
  type ExtentValue,
  type FallocateMode,
  type InodeFlag,
  type OpenFlag,
  type Operation,
  type OperationKind,
  type OperationOf,
  type Outcome,
  type StatusValue,
  showTime,
  type Target,
  textOf,
} from './operation.ts';
import type { TestedFileSystem } from './tested-file-system.ts';

/** How the executor unmounts and mounts again. */
export interface Remounting {
  remount(): void;
}

/** Answers operations by system calls on a mounted image. */
export class LinuxExecutor implements TestedFileSystem {
  readonly name = 'Linux';
  readonly files: LinuxData;
  private readonly remounting: Remounting;
  private readonly slots = new Map<number, number>();
  private readonly lastCursor = new Map<number, number>();

  constructor(files: LinuxData, remounting: Remounting) {
    this.files = files;
    this.remounting = remounting;
  }

  supports(_kind: OperationKind): boolean {
    return true;
  }

  perform(operation: Operation): Task<Outcome> {
    return new Completed(this.performNow(operation));
  }

  performNow(operation: Operation): Outcome {
    try {
      const handler = HANDLERS[operation.do] as (on: LinuxExecutor, operation: Operation) => unknown;
      return { value: handler(this, operation) };
    } catch (error) {
      if (error instanceof LinuxError) return { error: error.code, where: error.message };
      throw error;
    }
  }

  /** A path in bytes, or an open file. Throws EBADF for an empty slot. */
  target(target: Target): Uint8Array | number {
    return typeof target === 'number' ? this.slot(target) : bytesOf(target);
  }

  slot(slot: number): number {
    const file = this.slots.get(slot);
    if (file === undefined) throw new LinuxError('EBADF', `slot ${slot}`);
    return file;
  }

  open({ slot, path, flags, mode = 0o644 }: OperationOf<'open'>): void {
    const file = this.files.open(bytesOf(path), openFlags(flags), mode);
    const type = this.files.statusOf(file).mode & S_IFMT;
    if (type !== S_IFREG && type !== S_IFDIR) {
      this.files.close(file);
      throw new LinuxError('special file', 'open');
    }
    this.close(slot);
    this.slots.set(slot, file);
  }

  /** Nothing where nothing is open. */
  close(slot: number): void {
    const file = this.slots.get(slot);
    if (file === undefined) return;
    this.slots.delete(slot);
    this.lastCursor.delete(slot);
    this.files.close(file);
  }

  closeAll(): void {
    for (const slot of [...this.slots.keys()]) this.close(slot);
  }

  remount(): void {
    this.closeAll();
    this.remounting.remount();
  }

  readDirectory({ slot, count }: OperationOf<'readDirectory'>): DirectoryEntryValue[] {
    const file = this.slot(slot);
    const entries: LinuxDirectoryEntry[] = [];
    // One by one: a seek back to where the caller wanted to stop would be seen.
    while (entries.length < count) {
      const entry = this.files.readDirectoryEntry(file);
      if (entry === null) break;
      entries.push(entry);
    }
    const before = entries.at(-2)?.cursor;
    if (before !== undefined) this.lastCursor.set(slot, before);
    return entries.map(entryValue);
  }

  seekDirectory({ slot, to }: OperationOf<'seekDirectory'>): void {
    this.files.seekDirectory(this.slot(slot), to === 'start' ? 0 : (this.lastCursor.get(slot) ?? 0));
  }
}

type Handlers = { readonly [K in OperationKind]: (on: LinuxExecutor, operation: OperationOf<K>) => unknown };

const HANDLERS: Handlers = {
  mkdir: (on, { path, mode = 0o755 }) => on.files.mkdir(bytesOf(path), mode),
  create: (on, { path, mode = 0o644, nodatacow }) => {
    const file = on.files.open(bytesOf(path), OPEN.readWrite | OPEN.create | OPEN.exclusive, mode);
    try {
      if (nodatacow === true) on.files.changeFlags(file, FS_NOCOW_FL, 0);
    } finally {
      on.files.close(file);
    }
  },
  open: (on, operation) => on.open(operation),
  close: (on, { slot }) => {
    on.slot(slot);
    on.close(slot);
  },
  unlink: (on, { path }) => on.files.unlink(bytesOf(path)),
  rmdir: (on, { path }) => on.files.rmdir(bytesOf(path)),
  readdir: (on, { path }) => on.files.listNames(bytesOf(path)).map(textOf),
  readlink: (on, { path }) => textOf(on.files.readlink(bytesOf(path))),
  rename: (on, { from, to, exchange, noReplace }) =>
    on.files.rename(bytesOf(from), bytesOf(to), (noReplace === true ? 1 : 0) | (exchange === true ? 2 : 0)),
  link: (on, { from, to, follow = false }) => on.files.link(on.target(from), bytesOf(to), follow),
  symlink: (on, { target, path }) => on.files.symlink(bytesOf(target), bytesOf(path)),
  mknod: (on, { path, kind, mode = 0o644, device = { major: 0, minor: 0 } }) =>
    on.files.mknod(bytesOf(path), NODE_TYPES[kind] | mode, device),
  stat: (on, { file, follow = true }) => statusValue(on.files.statusOf(on.target(file), follow)),
  chmod: (on, { file, mode }) => on.files.chmod(on.target(file), mode),
  chown: (on, { file, uid, gid, follow = true }) => on.files.chown(on.target(file), uid, gid, follow),
  utimes: (on, { file, access, modify, follow = true }) => {
    const target = on.target(file);
    on.files.utimes(target, wide(access), wide(modify), follow);
  },
  setFlags: (on, { file, set, clear }) => {
    const bits = (flags: readonly InodeFlag[]) => flags.reduce((sum, flag) => sum | INODE_FLAGS[flag], 0);
    on.files.changeFlags(on.target(file), bits(set), bits(clear));
  },
  setXattr: (on, { file, name, length, seed, create, replace, follow = true }) => {
    const flags = (create === true ? 1 : 0) | (replace === true ? 2 : 0);
    on.files.setXattr(on.target(file), bytesOf(name), contentOf(seed, length), flags, follow);
  },
  getXattr: (on, { file, name, follow = true }) => on.files.getXattr(on.target(file), bytesOf(name), follow),
  removeXattr: (on, { file, name, follow = true }) => on.files.removeXattr(on.target(file), bytesOf(name), follow),
  listXattrs: (on, { file, follow = true }) => on.files.listXattrs(on.target(file), follow).map(textOf),
  readDirectory: (on, operation) => on.readDirectory(operation),
  seekDirectory: (on, operation) => on.seekDirectory(operation),
  truncate: (on, { file, size }) => on.files.truncate(on.target(file), size),
  write: (on, { file, offset, length, seed }) => on.files.write(on.target(file), offset, contentOf(seed, length)),
  read: (on, { file, offset, length }) => on.files.read(on.target(file), offset, length),
  mapWrite: (on, { file, offset, length, seed }) => on.files.mapWrite(on.target(file), offset, contentOf(seed, length)),
  mapRead: (on, { file, offset, length }) => on.files.mapRead(on.target(file), offset, length),
  msync: (on, { file, offset, length }) => on.files.msync(on.target(file), offset, length),
  fallocate: (on, { file, mode, offset, length }) =>
    on.files.fallocate(on.target(file), FALLOCATE_FLAGS[mode], offset, length),
  seek: (on, { file, offset, what }) => on.files.seek(on.target(file), offset, what),
  fiemap: (on, { file }) => on.files.fiemap(on.target(file)).map(extentValue),
  reflink: (on, { source, from, length, target, to }) =>
    on.files.reflink(on.target(source), from, length, on.target(target), to),
  dedupe: (on, { source, from, length, target, to }) =>
    on.files.dedupe(on.target(source), from, length, on.target(target), to),
  copyRange: (on, { source, from, length, target, to }) =>
    on.files.copyRange(on.target(source), from, on.target(target), to, length),
  fsync: (on, { file }) => on.files.fsync(on.target(file)),
  fdatasync: (on, { file }) => on.files.fdatasync(on.target(file)),
  dropPages: (on, { file }) => on.files.dropPages(on.target(file)),
  sync: (on) => on.files.sync(),
  // Those of the host are everybody's: pages of single files are dropped by `dropPages`.
  dropCaches: () => undefined,
  remount: (on) => on.remount(),
  statfs: (on) => on.files.statfs(),
};

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const FS_NOCOW_FL = 0x00800000;
const INODE_FLAGS: Readonly<Record<InodeFlag, number>> = {
  sync: 0x8,
  immutable: 0x10,
  append: 0x20,
  nodump: 0x40,
  noatime: 0x80,
  nocompress: 0x400,
  dirsync: 0x10000,
  nodatacow: FS_NOCOW_FL,
};
const NODE_TYPES = { fifo: 0o010000, character: 0o020000, block: 0o060000, file: 0o100000, socket: 0o140000 } as const;
const KINDS = new Map<number, string>([
  [0o010000, 'fifo'],
  [0o020000, 'character'],
  [S_IFDIR, 'directory'],
  [0o060000, 'block'],
  [S_IFREG, 'file'],
  [0o120000, 'symlink'],
  [0o140000, 'socket'],
]);

const FALLOCATE_FLAGS: Readonly<Record<FallocateMode, number>> = {
  allocate: 0,
  'keep-size': FALLOCATE.keepSize,
  'punch-hole': FALLOCATE.punchHole | FALLOCATE.keepSize,
  'zero-range': FALLOCATE.zeroRange,
  'zero-range-keep-size': FALLOCATE.zeroRange | FALLOCATE.keepSize,
  'collapse-range': FALLOCATE.collapse,
  'insert-range': FALLOCATE.insert,
};

const OPEN_FLAGS: Readonly<Record<OpenFlag, number>> = {
  create: OPEN.create,
  exclusive: OPEN.exclusive,
  truncate: OPEN.truncate,
  append: OPEN.append,
  direct: OPEN.direct,
  noFollow: OPEN.noFollow,
  directory: OPEN.directory,
  tmpfile: OPEN.temporary,
  readOnly: 0,
  writeOnly: 0,
};

function openFlags(flags: readonly OpenFlag[]): number {
  const access = flags.includes('directory') || flags.includes('readOnly') ? OPEN.readOnly : OPEN.readWrite;
  const mode = flags.includes('writeOnly') ? OPEN.writeOnly : access;
  return flags.reduce<number>((bits, flag) => bits | OPEN_FLAGS[flag], mode);
}

function wide(time: number | null): bigint | null {
  return time === null ? null : BigInt(time);
}

function statusValue(status: LinuxStatus): StatusValue {
  const { mode, links, uid, gid, size, blocks, inode } = status;
  const kind = KINDS.get(mode & S_IFMT) ?? 'unknown';
  const device = kind === 'character' || kind === 'block' ? status.device : null;
  return {
    kind,
    permissions: mode & 0o7777,
    links,
    uid,
    gid,
    size,
    blocks,
    inode,
    device,
    accessTime: showTime(Number(status.accessTime)),
    modifyTime: showTime(Number(status.modifyTime)),
  };
}

/** DT_* are the type bits of a mode, shifted. */
function entryValue({ name, inode, cursor, type }: LinuxDirectoryEntry): DirectoryEntryValue {
  return { name: textOf(name), inode, kind: KINDS.get(type << 12) ?? 'unknown', cursor };
}

const EXTENT_FLAGS = new Map([
  [0x1, 'LAST'],
  [0x2, 'UNKNOWN'],
  [0x4, 'DELALLOC'],
  [0x8, 'ENCODED'],
  [0x100, 'NOT_ALIGNED'],
  [0x200, 'DATA_INLINE'],
  [0x800, 'UNWRITTEN'],
  [0x1000, 'MERGED'],
  [0x2000, 'SHARED'],
]);

function extentValue({ logical, length, flags }: LinuxExtent): ExtentValue {
  const names = [...EXTENT_FLAGS].filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return { logical, length, flags: names };
}
