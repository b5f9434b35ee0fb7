import { type CValue, cString, type Libc, type LibcCall, LinuxError } from './libc.ts';
import type { MountedImage } from './mounted-image.ts';
import { decodeStatx, encodeTimes, type LinuxStatus, STATX_BYTES } from './structures.ts';

/** Of fcntl.h; x86-64 and arm64 differ in the four that `process.arch` chooses. */
const isArm = process.arch === 'arm64';
export const OPEN = {
  readOnly: 0,
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  nonBlocking: 0o4000,
  direct: isArm ? 0o200000 : 0o40000,
  directory: isArm ? 0o40000 : 0o200000,
  noFollow: isArm ? 0o100000 : 0o400000,
  closeOnExec: 0o2000000,
  temporary: 0o20000000 | (isArm ? 0o40000 : 0o200000),
} as const;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const AT_REMOVEDIR = 0x200;
const STATX_ALL = 0xfff;
const LINK_BYTES = 4096;
const XATTR_BYTES = 65536;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** A path from the root of the file system, in bytes; or an open file. */
export type LinuxTarget = Uint8Array | number;

/** Neither file nor directory: what reading and writing do there is no matter of the file system. */
export const SPECIAL_FILE = 'special file';
/** What the open of a socket, a fifo without reader, or a device on this mount gives. */
const SPECIAL_REFUSALS: ReadonlySet<string> = new Set(['ENXIO', 'EACCES', 'ENODEV']);

/** The names and attributes of a mounted image, as Linux sees them. All calls throw LinuxError. */
export class LinuxFiles {
  protected readonly libc: Libc;
  readonly image: MountedImage;

  constructor(libc: Libc, image: MountedImage) {
    this.libc = libc;
    this.image = image;
  }

  /** A call with paths in it. */
  protected call(name: LibcCall, ...values: CValue[]): number {
    return this.image.inside(() => this.libc.call(name, ...values));
  }

  open(path: Uint8Array, flags: number, mode = 0): number {
    const bits = flags | OPEN.closeOnExec | OPEN.nonBlocking;
    try {
      return this.call('openat', AT_FDCWD, cString(path), bits, mode);
    } catch (error) {
      if (!(error instanceof LinuxError) || !SPECIAL_REFUSALS.has(error.code)) throw error;
      throw this.isSpecial(path) ? new LinuxError(SPECIAL_FILE, error.message) : error;
    }
  }

  protected isRegular(file: number): boolean {
    return (this.statusOf(file).mode & S_IFMT) === S_IFREG;
  }

  private isSpecial(path: Uint8Array): boolean {
    try {
      return !isPlain(this.statusOf(path).mode);
    } catch (error) {
      if (error instanceof LinuxError) return false;
      throw error;
    }
  }

  close(file: number): void {
    this.libc.call('close', file);
  }

  /** Runs `body` with an open file: that which is given, or one opened for this alone. */
  protected withFile<T>(target: LinuxTarget, flags: number, body: (file: number) => T): T {
    if (typeof target === 'number') return body(target);
    const file = this.open(target, flags);
    try {
      if (!isPlain(this.statusOf(file).mode)) throw new LinuxError(SPECIAL_FILE, 'open');
      return body(file);
    } finally {
      this.close(file);
    }
  }

  mkdir(path: Uint8Array, mode: number): void {
    this.call('mkdirat', AT_FDCWD, cString(path), mode);
  }

  mknod(path: Uint8Array, mode: number, device: { readonly major: number; readonly minor: number }): void {
    this.call('mknodat', AT_FDCWD, cString(path), mode, makeDevice(device));
  }

  unlink(path: Uint8Array): void {
    this.call('unlinkat', AT_FDCWD, cString(path), 0);
  }

  rmdir(path: Uint8Array): void {
    this.call('unlinkat', AT_FDCWD, cString(path), AT_REMOVEDIR);
  }

  rename(from: Uint8Array, to: Uint8Array, flags: number): void {
    this.call('renameat2', AT_FDCWD, cString(from), AT_FDCWD, cString(to), flags);
  }

  link(from: LinuxTarget, to: Uint8Array, follow: boolean): void {
    if (typeof from === 'number') this.call('linkat', from, cString(''), AT_FDCWD, cString(to), AT_EMPTY_PATH);
    else this.call('linkat', AT_FDCWD, cString(from), AT_FDCWD, cString(to), follow ? AT_SYMLINK_FOLLOW : 0);
  }

  symlink(target: Uint8Array, path: Uint8Array): void {
    this.call('symlinkat', cString(target), AT_FDCWD, cString(path));
  }

  readlink(path: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(LINK_BYTES);
    return bytes.slice(0, this.call('readlinkat', AT_FDCWD, cString(path), bytes, LINK_BYTES));
  }

  statusOf(target: LinuxTarget, follow = true): LinuxStatus {
    const bytes = new Uint8Array(STATX_BYTES);
    if (typeof target === 'number') this.libc.call('statx', target, cString(''), AT_EMPTY_PATH, STATX_ALL, bytes);
    else this.call('statx', AT_FDCWD, cString(target), follow ? 0 : AT_SYMLINK_NOFOLLOW, STATX_ALL, bytes);
    return decodeStatx(bytes);
  }

  chmod(target: LinuxTarget, mode: number): void {
    if (typeof target === 'number') this.libc.call('fchmod', target, mode);
    else this.call('fchmodat', AT_FDCWD, cString(target), mode, 0);
  }

  /** Null keeps an owner. */
  chown(target: LinuxTarget, uid: number | null, gid: number | null, follow: boolean): void {
    const owners = [uid ?? 0xffff_ffff, gid ?? 0xffff_ffff];
    if (typeof target === 'number') this.libc.call('fchown', target, ...owners);
    else this.call('fchownat', AT_FDCWD, cString(target), ...owners, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  }

  /** Nanoseconds since 1970; null keeps a time. */
  utimes(target: LinuxTarget, access: bigint | null, modify: bigint | null, follow: boolean): void {
    const times = encodeTimes(access, modify);
    if (typeof target === 'number') this.libc.call('futimens', target, times);
    else this.call('utimensat', AT_FDCWD, cString(target), times, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  }

  setXattr(target: LinuxTarget, name: Uint8Array, value: Uint8Array, flags: number, follow: boolean): void {
    const rest = [cString(name), value, value.length, flags] as const;
    if (typeof target === 'number') this.libc.call('fsetxattr', target, ...rest);
    else this.call(follow ? 'setxattr' : 'lsetxattr', cString(target), ...rest);
  }

  getXattr(target: LinuxTarget, name: Uint8Array, follow: boolean): Uint8Array {
    const value = new Uint8Array(XATTR_BYTES);
    const rest = [cString(name), value, XATTR_BYTES] as const;
    const length =
      typeof target === 'number'
        ? this.libc.call('fgetxattr', target, ...rest)
        : this.call(follow ? 'getxattr' : 'lgetxattr', cString(target), ...rest);
    return value.slice(0, length);
  }

  listXattrs(target: LinuxTarget, follow: boolean): Uint8Array[] {
    const list = new Uint8Array(XATTR_BYTES);
    const length =
      typeof target === 'number'
        ? this.libc.call('flistxattr', target, list, XATTR_BYTES)
        : this.call(follow ? 'listxattr' : 'llistxattr', cString(target), list, XATTR_BYTES);
    return splitAtZeros(list.slice(0, length));
  }

  removeXattr(target: LinuxTarget, name: Uint8Array, follow: boolean): void {
    if (typeof target === 'number') this.libc.call('fremovexattr', target, cString(name));
    else this.call(follow ? 'removexattr' : 'lremovexattr', cString(target), cString(name));
  }
}

function isPlain(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG || (mode & S_IFMT) === S_IFDIR;
}

/** As glibc's makedev. */
function makeDevice({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}

function splitAtZeros(bytes: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    names.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return names;
}
