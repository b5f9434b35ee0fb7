import { createRequire } from 'node:module';
import { ERRNO, type Errno } from '../../base/errno.ts';

/** A system call of Linux said no. `code` is the name of its errno. */
export class LinuxError extends Error {
  readonly code: string;

  constructor(code: string, call: string) {
    super(`${code}: ${call}`);
    this.name = 'LinuxError';
    this.code = code;
  }
}

/** Bytes that end in zero, an address in memory, or nothing. */
export type CPointer = Uint8Array | bigint | null;
export type CValue = number | bigint | CPointer;
type CFunction = (...values: CValue[]) => number | bigint;

/** What a prototype is made of: `p` pointer, `i` int, `u` unsigned int, `l` 64 bits signed, `z` size_t. */
const TYPES: Readonly<Record<string, string>> = { p: 'void *', i: 'int', u: 'uint32_t', l: 'int64_t', z: 'size_t' };

/** name: result, then arguments. Variadic functions are called as if they were not, which these platforms allow. */
const PROTOTYPES = {
  openat: 'iipiu',
  close: 'ii',
  mkdirat: 'iipu',
  mknodat: 'iipul',
  unlinkat: 'iipi',
  renameat2: 'iipipu',
  linkat: 'iipipi',
  symlinkat: 'ipip',
  readlinkat: 'lippz',
  statx: 'iipiup',
  fchmodat: 'iipui',
  fchmod: 'iiu',
  fchownat: 'iipuui',
  fchown: 'iiuu',
  utimensat: 'iippi',
  futimens: 'iip',
  setxattr: 'ipppzi',
  lsetxattr: 'ipppzi',
  fsetxattr: 'iippzi',
  getxattr: 'lpppz',
  lgetxattr: 'lpppz',
  fgetxattr: 'lippz',
  listxattr: 'lppz',
  llistxattr: 'lppz',
  flistxattr: 'lipz',
  removexattr: 'ipp',
  lremovexattr: 'ipp',
  fremovexattr: 'iip',
  pread: 'lipzl',
  pwrite: 'lipzl',
  write: 'lipz',
  ftruncate: 'iil',
  truncate: 'ipl',
  fallocate: 'iiill',
  lseek: 'lili',
  fsync: 'ii',
  fdatasync: 'ii',
  syncfs: 'ii',
  posix_fadvise: 'iilli',
  ioctl: 'iilp',
  copy_file_range: 'lipipzu',
  getdents64: 'lipz',
  fstatfs: 'iip',
  mmap: 'llziiil',
  munmap: 'ilz',
  msync: 'ilzi',
  memfd_create: 'ipu',
  unshare: 'ii',
  mount: 'ippplp',
  umount2: 'ipi',
  chroot: 'ip',
  umask: 'uu',
  fchdir: 'ii',
} as const;

export type LibcCall = keyof typeof PROTOTYPES;

const ERRNO_NAMES = new Map<number, Errno>(Object.entries(ERRNO).map(([name, value]) => [value, name as Errno]));

/** The C library of the host, by foreign function calls: all that Node's own `fs` cannot ask of Linux. */
export class Libc {
  private readonly functions = new Map<LibcCall, CFunction>();
  private readonly errno: () => number;

  private constructor(koffi: typeof import('koffi')) {
    const library = koffi.load('libc.so.6');
    for (const [name, prototype] of Object.entries(PROTOTYPES)) {
      const [result, ...values] = [...prototype].map((letter) => TYPES[letter]!);
      this.functions.set(name as LibcCall, library.func(name, result!, values) as CFunction);
    }
    this.errno = () => koffi.errno();
  }

  /** Or why there is none. */
  static load(): Libc | string {
    if (process.platform !== 'linux') return 'needs Linux';
    try {
      return new Libc(createRequire(import.meta.url)('koffi'));
    } catch (error) {
      return `needs the optional package koffi (${(error as Error).message.split('\n')[0]})`;
    }
  }

  /** The result of a call that gives -1 for an error. Throws LinuxError. */
  call(name: LibcCall, ...values: CValue[]): number {
    return Number(this.callWide(name, ...values));
  }

  /** As `call`, for addresses. */
  callWide(name: LibcCall, ...values: CValue[]): bigint {
    const result = BigInt(this.functions.get(name)!(...values));
    if (result >= 0n) return result;
    const errno = this.errno();
    throw new LinuxError(ERRNO_NAMES.get(errno) ?? `errno ${errno}`, name);
  }
}

/** Bytes as C wants them: a zero at the end. */
export function cString(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const ended = new Uint8Array(bytes.length + 1);
  ended.set(bytes);
  return ended;
}
