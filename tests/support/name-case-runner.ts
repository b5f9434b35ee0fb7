import { ERRNO } from '../../src/base/errno.ts';
import { FsError } from '../../src/fs/errors.ts';
import type { MountedFilesystem } from '../../src/fs/filesystem.ts';
import { INODE_FLAG } from '../../src/fs/format/inode.ts';
import * as sys from '../../src/fs/syscalls.ts';
import { runAtomically, type Task } from '../../src/task/task.ts';
import type { CaseOperation } from './name-cases.ts';

/** Runs cases of operations on names and attributes on the engine; outcomes as those of `linux-names.py`. */

type Argument = string | number | null | undefined;

export function raw(text: Argument): Uint8Array {
  return Uint8Array.from(Buffer.from(String(text), 'latin1'));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

export class NameCaseRunner {
  private readonly handles = new Map<string, number>();
  private readonly fs: MountedFilesystem;

  constructor(fs: MountedFilesystem) {
    this.fs = fs;
  }

  perform([name, ...args]: CaseOperation): string {
    try {
      return this.call(name, args) ?? 'ok';
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return ERRNO[error.code] > 0 && name === 'repeat' ? `${error.code} at ${error.where.split(' ')[0]}` : error.code;
    }
  }

  closeAll(): void {
    for (const handle of this.handles.values()) runAtomically(sys.close(this.fs, handle));
    this.handles.clear();
  }

  private target(name: Argument): sys.FileTarget {
    if (typeof name !== 'string' || !name.startsWith('$')) return raw(name);
    const handle = this.handles.get(name);
    if (handle === undefined) throw new FsError('EBADF', name);
    return handle;
  }

  private do<T>(task: Task<T>): T {
    return runAtomically(task);
  }

  private call(name: string, args: readonly Argument[]): string | undefined {
    const { fs } = this;
    const [a, b, c, d, e] = args;
    const how = args as readonly string[];
    const noFollow = { follow: false };
    switch (name) {
      case 'mkdir':
        return void this.do(sys.mkdir(fs, raw(a), b === undefined ? {} : { mode: Number(b) }));
      case 'create':
        return void this.do(sys.create(fs, raw(a), b === undefined ? {} : { mode: Number(b) }));
      case 'write':
        return void this.do(sys.write(fs, this.target(a), Number(b), new Uint8Array(Number(c)).fill(120)));
      case 'truncate':
        return void this.do(sys.truncate(fs, this.target(a), Number(b)));
      case 'sync':
        return void this.do(sys.sync(fs));
      case 'unlink':
        return void this.do(sys.unlink(fs, raw(a)));
      case 'rmdir':
        return void this.do(sys.rmdir(fs, raw(a)));
      case 'rename':
        return void this.do(sys.rename(fs, raw(a), raw(b)));
      case 'noreplace':
        return void this.do(sys.rename(fs, raw(a), raw(b), { noReplace: true }));
      case 'exchange':
        return void this.do(sys.rename(fs, raw(a), raw(b), { exchange: true }));
      case 'link':
        return void this.do(sys.link(fs, this.target(a), raw(b), { follow: c === 'follow' }));
      case 'symlink':
        return void this.do(sys.symlink(fs, raw(a), raw(b)));
      case 'readlink':
        return text(this.do(sys.readlink(fs, raw(a))));
      case 'mknod': {
        const mode = c === undefined ? {} : { mode: Number(c) };
        const device = { major: Number(d ?? 0), minor: Number(e ?? 0) };
        return void this.do(sys.mknod(fs, raw(a), { kind: b as sys.MknodOptions['kind'], ...mode, device }));
      }
      case 'stat':
        return showStatus(this.do(sys.stat(fs, this.target(a))));
      case 'lstat':
        return showStatus(this.do(sys.stat(fs, raw(a), noFollow)));
      case 'chmod':
        return void this.do(sys.chmod(fs, this.target(a), Number(b)));
      case 'lchmod':
        return void this.do(sys.chmod(fs, raw(a), Number(b), noFollow));
      case 'chown':
        return void this.do(sys.chown(fs, this.target(a), b as number | null, c as number | null));
      case 'lchown':
        return void this.do(sys.chown(fs, raw(a), b as number | null, c as number | null, noFollow));
      case 'utimes':
        return void this.do(
          sys.utimes(
            fs,
            this.target(a),
            { ...timeOf('access', b), ...timeOf('modify', c) },
            { follow: d !== 'noFollow' },
          ),
        );
      case 'times': {
        const { accessTime, modifyTime } = this.do(sys.stat(fs, raw(a), noFollow));
        return `${accessTime} ${modifyTime}`;
      }
      default:
        return this.callMore(name, args, how);
    }
  }

  private callMore(name: string, args: readonly Argument[], how: readonly string[]): string | undefined {
    const { fs } = this;
    const [a, b, c] = args;
    const noFollow = { follow: false };
    switch (name) {
      case 'setxattr': {
        const options = {
          create: how.includes('create'),
          replace: how.includes('replace'),
          follow: !how.includes('noFollow'),
        };
        return void this.do(sys.setXattr(fs, this.target(a), raw(b), attributeValue(c), options));
      }
      case 'getxattr':
        return showValue(this.do(sys.getXattr(fs, this.target(a), raw(b))));
      case 'lgetxattr':
        return showValue(this.do(sys.getXattr(fs, raw(a), raw(b), noFollow)));
      case 'listxattr':
        return this.do(sys.listXattrs(fs, this.target(a)))
          .map(text)
          .join(' ');
      case 'llistxattr':
        return this.do(sys.listXattrs(fs, raw(a), noFollow))
          .map(text)
          .join(' ');
      case 'removexattr':
        return void this.do(sys.removeXattr(fs, this.target(a), raw(b)));
      case 'lremovexattr':
        return void this.do(sys.removeXattr(fs, raw(a), raw(b), noFollow));
      case 'open': {
        const options = Object.fromEntries(how.slice(2).map((flag) => [flag, true]));
        this.handles.set(String(a), this.do(sys.open(fs, raw(b), options)));
        return undefined;
      }
      case 'close':
        this.do(sys.close(fs, this.target(a) as number));
        this.handles.delete(String(a));
        return undefined;
      case 'readdir': {
        const entries = this.do(sys.readDirectory(fs, this.target(a) as number, Number(b)));
        return entries.map((entry) => `${entry.kind} ${text(entry.name)}`).join(', ');
      }
      case 'seekdir':
        return void this.do(sys.seekDirectory(fs, this.target(a) as number, Number(b)));
      case 'names':
        return this.do(sys.readdir(fs, raw(a)))
          .map(text)
          .sort()
          .join(' ');
      case 'chattr':
        return void this.do(sys.setFlags(fs, raw(a), changesOf(String(b))));
      case 'lsattr':
        return showFlags(this.do(sys.stat(fs, raw(a))).flags);
      case 'repeat':
        return this.repeat(Number(a), String(b), args.slice(2));
      default:
        throw new Error(`no operation ${name}`);
    }
  }

  private repeat(count: number, name: string, args: readonly Argument[]): string | undefined {
    let last: string | undefined;
    for (let index = 0; index < count; index++) {
      const filled = args.map((arg) => (typeof arg === 'string' ? arg.replace('%', String(index)) : arg));
      try {
        last = this.call(name, filled);
      } catch (error) {
        if (error instanceof FsError) throw new FsError(error.code, `${index} ${error.where}`);
        throw error;
      }
    }
    return last;
  }
}

function timeOf(which: 'access' | 'modify', time: Argument): Record<string, number | null> {
  if (time === null || time === undefined) return {};
  return { [which]: time === 'now' ? null : Number(time) };
}

function showStatus(status: sys.FileStatus): string {
  const { kind, mode, links, uid, gid, size, blocks, device } = status;
  const shown = `${kind} ${(mode & 0o7777).toString(8)} links=${links} ${uid}:${gid} size=${size} blocks=${blocks}`;
  return device === null ? shown : `${shown} device=${device.major}:${device.minor}`;
}

function attributeValue(value: Argument): Uint8Array {
  if (typeof value === 'number') return new Uint8Array(value).fill(118);
  const given = String(value);
  return given.startsWith('acl:') ? aclOf(given.slice(4)) : raw(given);
}

function aclOf(list: string): Uint8Array {
  const entries = list.split(';').filter((entry) => entry !== '');
  const bytes = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  for (const [index, entry] of entries.entries()) {
    const [tag, permissions, id] = entry.split(',').map(Number);
    view.setUint16(4 + 8 * index, tag!, true);
    view.setUint16(6 + 8 * index, permissions!, true);
    view.setUint32(8 + 8 * index, id! >>> 0, true);
  }
  return bytes;
}

function showValue(value: Uint8Array): string {
  if (value.length >= 4 && text(value.subarray(0, 4)) === '\x02\0\0\0' && value.length % 8 === 4) {
    const view = new DataView(value.buffer, value.byteOffset);
    const entries: string[] = [];
    for (let at = 4; at < value.length; at += 8) {
      entries.push(`${view.getUint16(at, true)},${view.getUint16(at + 2, true)},${view.getInt32(at + 4, true)}`);
    }
    return `acl:${entries.join(';')}`;
  }
  return value.length <= 40 ? text(value) : `${value.length} bytes`;
}

const SHOWN_FLAGS: Readonly<Record<string, number>> = {
  append: INODE_FLAG.APPEND,
  compress: INODE_FLAG.COMPRESS,
  dirsync: INODE_FLAG.DIRSYNC,
  immutable: INODE_FLAG.IMMUTABLE,
  noatime: INODE_FLAG.NOATIME,
  nocompress: INODE_FLAG.NOCOMPRESS,
  nodatacow: INODE_FLAG.NODATACOW,
  nodump: INODE_FLAG.NODUMP,
  sync: INODE_FLAG.SYNC,
};

function showFlags(flags: number): string {
  return Object.keys(SHOWN_FLAGS)
    .filter((name) => (flags & SHOWN_FLAGS[name]!) !== 0)
    .join(' ');
}

function changesOf(words: string): sys.FlagChanges {
  const changes: Record<string, boolean | string | null> = {};
  for (const word of words.split(' ')) {
    const flag = word.slice(1);
    if (SHOWN_FLAGS[flag] === undefined && word[0] === '-') continue;
    if (SHOWN_FLAGS[flag] === undefined) throw new FsError('EOPNOTSUPP', `chattr ${word}`);
    changes[flag] = flag === 'compress' ? (word[0] === '+' ? 'zlib' : null) : word[0] === '+';
  }
  return changes;
}
