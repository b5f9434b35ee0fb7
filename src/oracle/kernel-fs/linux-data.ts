import { ERRNO } from '../../base/errno.ts';
import { cString, LinuxError } from './libc.ts';
import { LinuxFiles, type LinuxTarget, OPEN } from './linux-files.ts';
import {
  decodeDedupeRange,
  decodeDirectoryEntries,
  decodeFiemap,
  decodeStatfs,
  encodeCloneRange,
  encodeDedupeRange,
  encodeFiemap,
  type LinuxDirectoryEntry,
  type LinuxExtent,
} from './structures.ts';

const FICLONERANGE = 0x4020940d;
const FIDEDUPERANGE = 0xc0189436;
const FS_IOC_FIEMAP = 0xc020660b;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FIEMAP_FLAG_SYNC = 1;
const FIEMAP_EXTENTS = 512;
const SEEK_SET = 0;
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MS_SYNC = 4;
const POSIX_FADV_DONTNEED = 4;
const DIRECTORY_BUFFER = 32768;
/** struct linux_dirent64 with names of up to 4 bytes, and of 255. */
const DIRECTORY_ENTRY_MIN = 24;
const DIRECTORY_ENTRY_MAX = 280;
const STATFS_BYTES = 120;
const PAGE = 4096;
/** Errors of opening a file to write that can be opened to read. */
const NOT_TO_WRITE: ReadonlySet<string> = new Set(['EISDIR', 'EPERM']);
/** Flags of fallocate(2). */
export const FALLOCATE = { keepSize: 1, punchHole: 2, collapse: 8, zeroRange: 16, insert: 32 } as const;

/** The data of a mounted image's files, as Linux sees it. All calls throw LinuxError. */
export class LinuxData extends LinuxFiles {
  truncate(target: LinuxTarget, size: number): void {
    if (typeof target === 'number') this.libc.call('ftruncate', target, size);
    else this.call('truncate', cString(target), size);
  }

  /** `offset` null: append. */
  write(target: LinuxTarget, offset: number | null, bytes: Uint8Array): number {
    const flags = OPEN.readWrite | (offset === null ? OPEN.append : 0);
    return this.withFile(target, flags, (file) => {
      if (offset !== null) return this.libc.call('pwrite', file, bytes, bytes.length, offset);
      this.seekToEnd(file);
      return this.libc.call('write', file, bytes, bytes.length);
    });
  }

  /** Not in a directory, where it would be the place of the next listing. */
  private seekToEnd(file: number): void {
    if (this.isRegular(file)) this.libc.call('lseek', file, 0, SEEK_END);
  }

  read(target: LinuxTarget, offset: number, length: number): Uint8Array {
    return this.withFile(target, OPEN.readOnly, (file) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, this.libc.call('pread', file, bytes, length, offset));
    });
  }

  fallocate(target: LinuxTarget, mode: number, offset: number, length: number): void {
    this.withFile(target, OPEN.readWrite, (file) => this.libc.call('fallocate', file, mode, offset, length));
  }

  seek(target: LinuxTarget, offset: number, what: 'data' | 'hole'): number {
    const whence = what === 'data' ? SEEK_DATA : SEEK_HOLE;
    return this.withFile(target, OPEN.readOnly, (file) => {
      if (this.isRegular(file)) return this.libc.call('lseek', file, offset, whence);
      // Not with this open of the directory: its place is that of the next listing.
      const other = this.libc.call('openat', file, cString('.'), OPEN.readOnly | OPEN.closeOnExec, 0);
      try {
        return this.libc.call('lseek', other, offset, whence);
      } finally {
        this.close(other);
      }
    });
  }

  fiemap(target: LinuxTarget): LinuxExtent[] {
    return this.withFile(target, OPEN.readOnly, (file) => {
      const all: LinuxExtent[] = [];
      for (let start = 0; ; ) {
        const request = encodeFiemap(FIEMAP_EXTENTS, start === 0 ? FIEMAP_FLAG_SYNC : 0, start);
        this.libc.call('ioctl', file, FS_IOC_FIEMAP, request);
        const extents = decodeFiemap(request);
        all.push(...extents);
        if (extents.length < FIEMAP_EXTENTS) return all;
        start = extents.at(-1)!.logical + extents.at(-1)!.length;
      }
    });
  }

  /**
   * Stores or loads through a shared mapping, by a copy in the kernel: what would be SIGBUS for a program is EFAULT here,
   * and nothing is killed.
   */
  mapWrite(target: LinuxTarget, offset: number, bytes: Uint8Array): void {
    this.mapped(target, offset, bytes.length, PROT_READ_WRITE, (address) => {
      this.withScratch((scratch) => {
        this.libc.call('pwrite', scratch, bytes, bytes.length, 0);
        this.copied(this.libc.call('pread', scratch, address, bytes.length, 0), bytes.length);
      });
    });
  }

  mapRead(target: LinuxTarget, offset: number, length: number): Uint8Array {
    return this.mapped(target, offset, length, PROT_READ, (address) =>
      this.withScratch((scratch) => {
        this.copied(this.libc.call('pwrite', scratch, address, length, 0), length);
        const bytes = new Uint8Array(length);
        this.libc.call('pread', scratch, bytes, length, 0);
        return bytes;
      }),
    );
  }

  /** Of a mapping made for this alone. Of a file that is not open to write none is shared, and nothing is synced. */
  msync(target: LinuxTarget, offset: number, length: number): void {
    const sync = (address: bigint) => this.libc.call('msync', address, length, MS_SYNC);
    try {
      this.mapped(target, offset, length, PROT_READ, sync, OPEN.readWrite);
    } catch (error) {
      if (!(error instanceof LinuxError && NOT_TO_WRITE.has(error.code))) throw error;
      this.mapped(target, offset, length, PROT_READ, sync);
    }
  }

  private mapped<T>(
    target: LinuxTarget,
    offset: number,
    length: number,
    protection: number,
    body: (address: bigint) => T,
    flags = protection === PROT_READ ? OPEN.readOnly : OPEN.readWrite,
  ): T {
    return this.withFile(target, flags, (file) => {
      const start = offset - (offset % PAGE);
      const size = offset + length - start;
      const address = this.libc.callWide('mmap', 0n, size, protection, MAP_SHARED, file, start);
      try {
        return body(address + BigInt(offset - start));
      } finally {
        this.libc.call('munmap', address, size);
      }
    });
  }

  private withScratch<T>(body: (scratch: number) => T): T {
    const scratch = this.libc.call('memfd_create', cString('mapped'), 0);
    try {
      return body(scratch);
    } finally {
      this.close(scratch);
    }
  }

  private copied(count: number, wanted: number): void {
    if (count < wanted) throw new LinuxError('EFAULT', 'access through a mapping');
  }

  reflink(source: LinuxTarget, from: number, length: number, target: LinuxTarget, to: number): void {
    this.withFile(source, OPEN.readOnly, (sourceFile) =>
      this.withFile(target, OPEN.readWrite, (file) =>
        this.libc.call('ioctl', file, FICLONERANGE, encodeCloneRange(sourceFile, from, length, to)),
      ),
    );
  }

  dedupe(source: LinuxTarget, from: number, length: number, target: LinuxTarget, to: number): number | 'differs' {
    return this.withFile(source, OPEN.readOnly, (sourceFile) =>
      this.withFile(target, OPEN.readOnly, (file) => {
        const request = encodeDedupeRange(from, length, file, to);
        this.libc.call('ioctl', sourceFile, FIDEDUPERANGE, request);
        const { status, deduped } = decodeDedupeRange(request);
        if (status < 0) throw new LinuxError(nameOf(-status), 'FIDEDUPERANGE');
        return status === 1 ? 'differs' : deduped;
      }),
    );
  }

  copyRange(source: LinuxTarget, from: number, target: LinuxTarget, to: number, length: number): number {
    return this.withFile(source, OPEN.readOnly, (sourceFile) =>
      this.withFile(target, OPEN.readWrite, (file) =>
        this.libc.call('copy_file_range', sourceFile, offsetCell(from), file, offsetCell(to), length, 0),
      ),
    );
  }

  /** Bits of FS_IOC_SETFLAGS. */
  changeFlags(target: LinuxTarget, set: number, clear: number): void {
    this.withFile(target, OPEN.readOnly, (file) => {
      const cell = new Uint8Array(8);
      const view = new DataView(cell.buffer);
      this.libc.call('ioctl', file, FS_IOC_GETFLAGS, cell);
      view.setUint32(0, ((view.getUint32(0, true) & ~clear) | set) >>> 0, true);
      this.libc.call('ioctl', file, FS_IOC_SETFLAGS, cell);
    });
  }

  fsync(target: LinuxTarget): void {
    this.withFile(target, OPEN.readOnly, (file) => this.libc.call('fsync', file));
  }

  fdatasync(target: LinuxTarget): void {
    this.withFile(target, OPEN.readOnly, (file) => this.libc.call('fdatasync', file));
  }

  sync(): void {
    this.libc.call('syncfs', this.image.root);
  }

  /** Forgets the pages of one file that are on disk. */
  dropPages(target: LinuxTarget): void {
    this.withFile(target, OPEN.readOnly, (file) => this.libc.call('posix_fadvise', file, 0, 0, POSIX_FADV_DONTNEED));
  }

  /** The next entries behind the cursor of an open directory, as many as fit into one buffer; `.` and `..` too. */
  readDirectory(file: number, room = DIRECTORY_BUFFER): LinuxDirectoryEntry[] {
    const buffer = new Uint8Array(room);
    return decodeDirectoryEntries(buffer.slice(0, this.libc.call('getdents64', file, buffer, room)));
  }

  /** The next entry alone, in the smallest buffer that has room for it; null at the end. */
  readDirectoryEntry(file: number): LinuxDirectoryEntry | null {
    for (let room = DIRECTORY_ENTRY_MIN; ; room += 8) {
      try {
        return this.readDirectory(file, room)[0] ?? null;
      } catch (error) {
        if (!(error instanceof LinuxError) || error.code !== 'EINVAL' || room >= DIRECTORY_ENTRY_MAX) throw error;
      }
    }
  }

  /** Throws ENOTDIR for a file: Linux would move its place, which nobody here uses. */
  seekDirectory(file: number, cursor: number): void {
    if (this.isRegular(file)) throw new LinuxError('ENOTDIR', 'seek in a directory');
    this.libc.call('lseek', file, cursor, SEEK_SET);
  }

  /** All names in their order, without `.` and `..`. */
  listNames(path: Uint8Array): Uint8Array[] {
    const file = this.open(path, OPEN.readOnly | OPEN.directory);
    const names: Uint8Array[] = [];
    try {
      for (;;) {
        const entries = this.readDirectory(file);
        if (entries.length === 0) return names;
        for (const { name } of entries) if (!isDots(name)) names.push(name);
      }
    } finally {
      this.close(file);
    }
  }

  statfs(): { type: number; blockSize: number; nameLengthMax: number } {
    const bytes = new Uint8Array(STATFS_BYTES);
    this.libc.call('fstatfs', this.image.root, bytes);
    return decodeStatfs(bytes);
  }
}

function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === 0x2e);
}

function offsetCell(offset: number): Uint8Array {
  const cell = new Uint8Array(8);
  new DataView(cell.buffer).setBigInt64(0, BigInt(offset), true);
  return cell;
}

function nameOf(errno: number): string {
  return Object.entries(ERRNO).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
