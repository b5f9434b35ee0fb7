import { cString, Libc, LinuxError } from '../../oracle/kernel-fs/libc.ts';
import { HostFailure } from './host-failure.ts';

/** An extended attribute; its name is bytes. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

const XATTR_BYTES = 65536;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const SECOND = 1_000_000_000n;

/** What Linux does with files and Node's own `fs` cannot ask for. Symbolic links are not followed. Throws `HostFailure`. */
export class LinuxCalls {
  private static known: LinuxCalls | string | null = null;
  private readonly libc: Libc;

  private constructor(libc: Libc) {
    this.libc = libc;
  }

  /** Or why there are none on this host. */
  static load(): LinuxCalls | string {
    if (LinuxCalls.known === null) {
      const libc = Libc.load();
      LinuxCalls.known = typeof libc === 'string' ? libc : new LinuxCalls(libc);
    }
    return LinuxCalls.known;
  }

  /** In the order of their names' bytes. A file system that has none has an empty list. */
  xattrsOf(path: Uint8Array): Xattr[] {
    const list = new Uint8Array(XATTR_BYTES);
    const length = this.listXattrs(path, list);
    const names: Uint8Array[] = [];
    for (let start = 0; start < length; ) {
      const end = list.indexOf(0, start);
      names.push(list.slice(start, end));
      start = end + 1;
    }
    return names.sort(Buffer.compare).flatMap((name) => {
      const value = new Uint8Array(XATTR_BYTES);
      try {
        const size = this.libc.call('lgetxattr', cString(path), cString(name), value, XATTR_BYTES);
        return [{ name, value: value.slice(0, size) }];
      } catch (error) {
        // It has gone, or the list had what nobody may read.
        if (error instanceof LinuxError && ['ENODATA', 'EOPNOTSUPP', 'EPERM', 'EACCES'].includes(error.code)) return [];
        throw asHostFailure('an extended attribute cannot be read', error);
      }
    });
  }

  private listXattrs(path: Uint8Array, list: Uint8Array): number {
    try {
      return this.libc.call('llistxattr', cString(path), list, XATTR_BYTES);
    } catch (error) {
      if (error instanceof LinuxError && error.code === 'EOPNOTSUPP') return 0;
      throw asHostFailure('extended attributes cannot be read', error);
    }
  }

  /** The errno that it was refused with, or null. */
  setXattr(path: Uint8Array, { name, value }: Xattr): string | null {
    try {
      this.libc.call('lsetxattr', cString(path), cString(name), value, value.length, 0);
      return null;
    } catch (error) {
      if (error instanceof LinuxError) return error.code;
      throw error;
    }
  }

  /** Nanoseconds since 1970. */
  setTimes(path: Uint8Array, access: bigint, modify: bigint): void {
    const times = new DataView(new ArrayBuffer(32));
    for (const [index, time] of [access, modify].entries()) {
      const rest = ((time % SECOND) + SECOND) % SECOND;
      times.setBigInt64(index * 16, (time - rest) / SECOND, true);
      times.setBigInt64(index * 16 + 8, rest, true);
    }
    this.attempt('its times cannot be set', () =>
      this.libc.call('utimensat', AT_FDCWD, cString(path), new Uint8Array(times.buffer), AT_SYMLINK_NOFOLLOW),
    );
  }

  /** A fifo, socket or device node; `mode` has the bits of the type. */
  makeNode(path: Uint8Array, mode: number, device: { readonly major: number; readonly minor: number } | null): void {
    const number = device === null ? 0n : deviceNumber(device);
    this.attempt('the special file cannot be made', () =>
      this.libc.call('mknodat', AT_FDCWD, cString(path), mode, number),
    );
  }

  /** Where the next data from `offset` on begins and ends; null where there is no more. */
  nextData(descriptor: number, offset: number): { readonly start: number; readonly end: number } | null {
    try {
      const start = this.libc.call('lseek', descriptor, offset, SEEK_DATA);
      return { start, end: this.libc.call('lseek', descriptor, start, SEEK_HOLE) };
    } catch (error) {
      if (error instanceof LinuxError && error.code === 'ENXIO') return null;
      throw asHostFailure('its holes cannot be found', error);
    }
  }

  private attempt(what: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      throw asHostFailure(what, error);
    }
  }
}

function asHostFailure(what: string, error: unknown): unknown {
  return error instanceof LinuxError ? new HostFailure(`${what} (${error.code})`) : error;
}

/** As glibc's makedev. */
function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}
