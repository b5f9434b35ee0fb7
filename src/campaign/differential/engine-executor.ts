import { FsError } from '../../fs/errors.ts';
import { type MountedFilesystem, type MountOptions, mountFilesystem, unmountFilesystem } from '../../fs/filesystem.ts';
import * as syscalls from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import type { World } from '../../task/world.ts';
import {
  bytesOf,
  contentOf,
  type DirectoryEntryValue,
  type ExtentValue,
  type FallocateMode,
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

type EngineCall = (fs: MountedFilesystem, ...values: unknown[]) => Task<unknown>;

/** By name: what is not there yet is not asked for. */
const ENGINE = syscalls as unknown as Readonly<Record<string, EngineCall | undefined>>;

export function engineSupports(kind: OperationKind): boolean {
  return kind === 'remount' || kind === 'dropPages' || ENGINE[kind] !== undefined;
}

/** Answers operations with the engine, in the world that it was mounted in. */
export class EngineExecutor implements TestedFileSystem {
  readonly name = 'engine';
  fs: MountedFilesystem;
  private readonly world: World;
  private readonly options: MountOptions;
  private readonly slots = new Map<number, number>();
  private readonly lastCursor = new Map<number, number>();

  private constructor(fs: MountedFilesystem, world: World, options: MountOptions) {
    this.fs = fs;
    this.world = world;
    this.options = options;
  }

  static *mount(world: World, options: MountOptions): Task<EngineExecutor> {
    return new EngineExecutor(yield* mountFilesystem(world, options), world, options);
  }

  supports(kind: OperationKind): boolean {
    return engineSupports(kind);
  }

  *perform(operation: Operation): Task<Outcome> {
    try {
      const handler = HANDLERS[operation.do] as (on: EngineExecutor, operation: Operation) => Task<unknown>;
      return { value: yield* handler(this, operation) };
    } catch (error) {
      if (error instanceof FsError) return { error: error.code, where: error.where };
      throw error;
    }
  }

  *closeAll(): Task<void> {
    for (const slot of [...this.slots.keys()].sort((a, b) => a - b)) yield* this.close(slot);
  }

  *unmount(): Task<void> {
    yield* this.closeAll();
    yield* unmountFilesystem(this.fs);
  }

  *remount(): Task<void> {
    yield* this.unmount();
    this.fs = yield* mountFilesystem(this.world, this.options);
  }

  target(target: Target): Uint8Array | number {
    return typeof target === 'number' ? this.slot(target) : bytesOf(target);
  }

  slot(slot: number): number {
    const handle = this.slots.get(slot);
    if (handle === undefined) throw new FsError('EBADF', `slot ${slot}`);
    return handle;
  }

  *open({ slot, path, flags, mode }: OperationOf<'open'>): Task<Outcome | undefined> {
    const options: Record<string, unknown> = mode === undefined ? {} : { mode };
    for (const flag of flags) {
      if (flag === 'readOnly') options['read'] = true;
      else if (flag === 'writeOnly') options['write'] = true;
      else options[flag] = true;
    }
    const handle = yield* syscalls.open(this.fs, bytesOf(path), options);
    const { kind } = yield* syscalls.stat(this.fs, handle);
    if (kind !== 'file' && kind !== 'directory') {
      yield* syscalls.close(this.fs, handle);
      return { error: 'special file', where: 'open' };
    }
    yield* this.close(slot);
    this.slots.set(slot, handle);
    return undefined;
  }

  *close(slot: number): Task<void> {
    const handle = this.slots.get(slot);
    if (handle === undefined) return;
    this.slots.delete(slot);
    this.lastCursor.delete(slot);
    yield* syscalls.close(this.fs, handle);
  }

  *readDirectory({ slot, count }: OperationOf<'readDirectory'>): Task<DirectoryEntryValue[]> {
    const entries = (yield* this.call('readDirectory', this.slot(slot), count)) as readonly RawEntry[];
    const before = entries.at(-2)?.cursor;
    if (before !== undefined) this.lastCursor.set(slot, before);
    return entries.map(({ name, inode, kind, cursor: at }) => ({ name: textOf(name), inode, kind, cursor: at }));
  }

  *seekDirectory({ slot, to }: OperationOf<'seekDirectory'>): Task<void> {
    const cursor = to === 'start' ? 0 : (this.lastCursor.get(slot) ?? 0);
    yield* this.call('seekDirectory', this.slot(slot), cursor);
  }

  *call(name: string, ...values: unknown[]): Task<unknown> {
    const call = ENGINE[name];
    if (call === undefined) throw new Error(`the engine has no ${name}`);
    return yield* call(this.fs, ...values);
  }
}

interface RawEntry {
  readonly name: Uint8Array;
  readonly inode: number;
  readonly kind: string;
  readonly cursor: number;
}

type Handlers = {
  readonly [K in OperationKind]: (on: EngineExecutor, operation: OperationOf<K>) => Task<unknown>;
};

const HANDLERS: Handlers = {
  *mkdir(on, { path, mode }) {
    yield* on.call('mkdir', bytesOf(path), mode === undefined ? {} : { mode });
  },
  *create(on, { path, mode, nodatacow = false }) {
    yield* on.call('create', bytesOf(path), { nodatacow, ...(mode === undefined ? {} : { mode }) });
  },
  *open(on, operation) {
    const refused = yield* on.open(operation);
    if (refused !== undefined) throw new FsError('EINVAL', 'special file');
  },
  *close(on, { slot }) {
    on.slot(slot);
    yield* on.close(slot);
  },
  *unlink(on, { path }) {
    yield* on.call('unlink', bytesOf(path));
  },
  *rmdir(on, { path }) {
    yield* on.call('rmdir', bytesOf(path));
  },
  *readdir(on, { path }) {
    return (yield* syscalls.readdir(on.fs, bytesOf(path))).map(textOf);
  },
  *readlink(on, { path }) {
    return textOf((yield* on.call('readlink', bytesOf(path))) as Uint8Array);
  },
  *rename(on, { from, to, exchange = false, noReplace = false }) {
    yield* on.call('rename', bytesOf(from), bytesOf(to), { exchange, noReplace });
  },
  *link(on, { from, to, follow = false }) {
    yield* on.call('link', on.target(from), bytesOf(to), { follow });
  },
  *symlink(on, { target, path }) {
    yield* on.call('symlink', bytesOf(target), bytesOf(path));
  },
  *mknod(on, { path, kind, mode, device }) {
    const options = { kind, ...(mode === undefined ? {} : { mode }), ...(device === undefined ? {} : { device }) };
    yield* on.call('mknod', bytesOf(path), options);
  },
  *stat(on, { file, follow = true }) {
    return statusValue(yield* syscalls.stat(on.fs, on.target(file), { follow }));
  },
  *chmod(on, { file, mode }) {
    yield* on.call('chmod', on.target(file), mode);
  },
  *chown(on, { file, uid, gid, follow = true }) {
    yield* on.call('chown', on.target(file), uid, gid, { follow });
  },
  *utimes(on, { file, access, modify, follow = true }) {
    const times = { ...(access === null ? {} : { access }), ...(modify === null ? {} : { modify }) };
    yield* on.call('utimes', on.target(file), times, { follow });
  },
  *setFlags(on, { file, set, clear }) {
    const changes = Object.fromEntries([...clear.map((flag) => [flag, false]), ...set.map((flag) => [flag, true])]);
    yield* on.call('setFlags', on.target(file), changes);
  },
  *setXattr(on, { file, name, length, seed, create = false, replace = false, follow = true }) {
    const options = { create, replace, follow };
    yield* on.call('setXattr', on.target(file), bytesOf(name), contentOf(seed, length), options);
  },
  *getXattr(on, { file, name, follow = true }) {
    return yield* on.call('getXattr', on.target(file), bytesOf(name), { follow });
  },
  *removeXattr(on, { file, name, follow = true }) {
    yield* on.call('removeXattr', on.target(file), bytesOf(name), { follow });
  },
  *listXattrs(on, { file, follow = true }) {
    return ((yield* on.call('listXattrs', on.target(file), { follow })) as Uint8Array[]).map(textOf);
  },
  *readDirectory(on, operation) {
    return yield* on.readDirectory(operation);
  },
  *seekDirectory(on, operation) {
    yield* on.seekDirectory(operation);
  },
  *truncate(on, { file, size }) {
    yield* syscalls.truncate(on.fs, on.target(file), size);
  },
  *write(on, { file, offset, length, seed }) {
    const append = offset === null;
    const options = append ? { append } : {};
    return yield* syscalls.write(on.fs, on.target(file), offset, contentOf(seed, length), options);
  },
  *read(on, { file, offset, length }) {
    return yield* syscalls.read(on.fs, on.target(file), offset, length);
  },
  *mapWrite(on, { file, offset, length, seed }) {
    yield* on.call('mapWrite', on.target(file), offset, contentOf(seed, length));
  },
  *mapRead(on, { file, offset, length }) {
    return yield* on.call('mapRead', on.target(file), offset, length);
  },
  *msync(on, { file, offset, length }) {
    yield* on.call('msync', on.target(file), offset, length);
  },
  *fallocate(on, { file, mode, offset, length }) {
    yield* on.call('fallocate', on.target(file), offset, length, fallocateOptions(mode));
  },
  *seek(on, { file, offset, what }) {
    return yield* on.call('seek', on.target(file), offset, what);
  },
  *fiemap(on, { file }) {
    const extents = yield* syscalls.fiemap(on.fs, on.target(file), { sync: true });
    return extents.map(({ logical, length, flags }): ExtentValue => ({ logical, length, flags }));
  },
  *reflink(on, { source, from, length, target, to }) {
    const options = { sourceOffset: from, length, targetOffset: to };
    yield* on.call('reflink', on.target(source), on.target(target), options);
  },
  *dedupe(on, { source, from, length, target, to }) {
    return yield* on.call('dedupe', on.target(source), from, length, on.target(target), to);
  },
  *copyRange(on, { source, from, length, target, to }) {
    return yield* on.call('copyRange', on.target(source), from, on.target(target), to, length);
  },
  *fsync(on, { file }) {
    yield* syscalls.fsync(on.fs, on.target(file));
  },
  *fdatasync(on, { file }) {
    yield* syscalls.fdatasync(on.fs, on.target(file));
  },
  *dropPages(on, { file }) {
    const { kind } = yield* syscalls.stat(on.fs, on.target(file));
    // POSIX_FADV_DONTNEED writes out first.
    if (kind === 'file') yield* syscalls.fiemap(on.fs, on.target(file), { sync: true });
    yield* syscalls.dropCaches(on.fs);
  },
  *sync(on) {
    yield* syscalls.sync(on.fs);
  },
  *dropCaches(on) {
    yield* syscalls.dropCaches(on.fs);
  },
  *remount(on) {
    yield* on.remount();
  },
  *statfs(on) {
    return yield* on.call('statfs');
  },
};

function fallocateOptions(mode: FallocateMode): object {
  return mode === 'allocate' ? {} : mode === 'keep-size' ? { keepSize: true } : { mode };
}

function statusValue(status: syscalls.FileStatus): StatusValue {
  const { kind, mode, links, uid, gid, size, blocks, inode, device } = status;
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
    accessTime: showTime(status.accessTime),
    modifyTime: showTime(status.modifyTime),
  };
}
