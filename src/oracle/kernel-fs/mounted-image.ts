import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cString, Libc, LinuxError } from './libc.ts';

const CLONE_NEWNS = 0x20000;
const MS_NODEV = 4;
const MS_NOSUID = 2;
const MS_NOATIME = 1024;
const MS_REC_SLAVE = 0x4000 | 0x80000;
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
/** What a loop device has by default; xfs refuses larger ones than it was made for. */
const BLOCK_BYTES = 512;
const LO_FLAGS_AUTOCLEAR = 4;
/** struct loop_config: fd and block size, then struct loop_info64, whose flags are at 52, then eight reserved words. */
const LOOP_CONFIG_BYTES = 8 + 232 + 64;
const LOOP_FLAGS_AT = 8 + 52;
const ATTEMPTS = 20;
const EBUSY_ATTEMPTS = 50;

let privateNamespace: Libc | null = null;

/** Why the kernel's file system `type` cannot be mounted here; else the C library to do it with. */
export function hostForMounts(type: string): Libc | string {
  if (process.getuid?.() !== 0) return 'needs root and loop devices';
  const libc = Libc.load();
  if (typeof libc === 'string') return libc;
  try {
    closeSync(openSync('/dev/loop-control', 'r+'));
  } catch {
    return 'needs root and loop devices';
  }
  if (!new RegExp(`\\b${type}$`, 'm').test(readFileSync('/proc/filesystems', 'utf8'))) {
    spawnSync('modprobe', [type]);
    if (!new RegExp(`\\b${type}$`, 'm').test(readFileSync('/proc/filesystems', 'utf8')))
      return `the kernel has no ${type}`;
  }
  return enterPrivateNamespace(libc);
}

/** Mounts of this thread are its own from here on, so that they end with it, whatever happens. */
function enterPrivateNamespace(libc: Libc): Libc | string {
  if (privateNamespace !== null) return privateNamespace;
  try {
    libc.call('unshare', CLONE_NEWNS);
    libc.call('mount', cString('none'), cString('/'), null, MS_REC_SLAVE, null);
  } catch (error) {
    return `needs a mount namespace of its own (${(error as Error).message})`;
  }
  privateNamespace = libc;
  return libc;
}

/** A folder in memory where possible: images there cost no disk. The caller removes it. */
export function makeScratchFolder(): string {
  for (const parent of ['/dev/shm', tmpdir()]) {
    try {
      return mkdtempSync(join(parent, 'fsquake-kernel-'));
    } catch {}
  }
  throw new Error('no folder for scratch files can be made');
}

/**
 * An image file of the host, mounted through a loop device. The device detaches itself when the last user has gone,
 * also when the process is killed.
 */
export class MountedImage {
  readonly mountPoint: string;
  /** The root directory; changes with each mount. */
  root = -1;
  private readonly libc: Libc;
  private readonly type: string;
  private readonly device: string;
  private readonly loop: number;
  private readonly hostRoot: number;
  private readonly hostFolder: number;

  /** Throws LinuxError; then nothing is left mounted. */
  constructor(libc: Libc, image: string, type: string, options: string) {
    this.libc = libc;
    this.type = type;
    this.mountPoint = `${image}.mounted`;
    this.hostRoot = openSync('/', 'r');
    this.hostFolder = openSync('.', 'r');
    mkdirSync(this.mountPoint, { recursive: true });
    ({ device: this.device, descriptor: this.loop } = attach(libc, image));
    try {
      this.mount(options);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  mount(options: string): void {
    this.libc.call(
      'mount',
      cString(this.device),
      cString(this.mountPoint),
      cString(this.type),
      MS_NODEV | MS_NOSUID | MS_NOATIME,
      cString(options),
    );
    this.root = openSync(this.mountPoint, 'r');
  }

  /** All that was opened below must be closed. */
  unmount(): void {
    if (this.root >= 0) closeSync(this.root);
    this.root = -1;
    // A program that looks at mounts (updatedb, a judge) may hold it for a moment.
    for (let attempt = 0; ; attempt++) {
      try {
        this.libc.call('umount2', cString(this.mountPoint), 0);
        return;
      } catch (error) {
        if (!(error instanceof LinuxError) || error.code !== 'EBUSY' || attempt >= EBUSY_ATTEMPTS) throw error;
        spawnSync('sleep', ['0.1']);
      }
    }
  }

  /**
   * Absolute paths and `..` at the root stay inside the file system while `body` runs, which must be synchronous; and no
   * mask takes bits from modes.
   */
  inside<T>(body: () => T): T {
    this.libc.call('fchdir', this.root);
    this.libc.call('chroot', cString('.'));
    const mask = this.libc.call('umask', 0);
    try {
      return body();
    } finally {
      this.libc.call('umask', mask);
      this.libc.call('fchdir', this.hostRoot);
      this.libc.call('chroot', cString('.'));
      this.libc.call('fchdir', this.hostFolder);
    }
  }

  /** After `unmount`: gives the device and the folder back. The image file stays. */
  release(): void {
    closeSync(this.loop);
    closeSync(this.hostRoot);
    closeSync(this.hostFolder);
    rmdirSync(this.mountPoint);
  }

  /** Whatever state it is in, nothing of it is left afterwards. */
  abandon(): void {
    try {
      if (this.root >= 0) closeSync(this.root);
      this.root = -1;
      this.libc.call('umount2', cString(this.mountPoint), 2);
    } catch {
      // It was not mounted.
    }
    this.release();
  }
}

/** Another process may take the free device first: then the next. */
function attach(libc: Libc, image: string): { device: string; descriptor: number } {
  const control = openSync('/dev/loop-control', 'r+');
  const backing = openSync(image, 'r+');
  try {
    for (let attempt = 0; ; attempt++) {
      const number = libc.call('ioctl', control, LOOP_CTL_GET_FREE, null);
      const device = `/dev/loop${number}`;
      const descriptor = openSync(device, 'r+');
      const config = new Uint8Array(LOOP_CONFIG_BYTES);
      const view = new DataView(config.buffer);
      view.setUint32(0, backing, true);
      view.setUint32(4, BLOCK_BYTES, true);
      view.setUint32(LOOP_FLAGS_AT, LO_FLAGS_AUTOCLEAR, true);
      try {
        libc.call('ioctl', descriptor, LOOP_CONFIGURE, config);
        return { device, descriptor };
      } catch (error) {
        closeSync(descriptor);
        if (!(error instanceof LinuxError) || error.code !== 'EBUSY' || attempt >= ATTEMPTS) throw error;
      }
    }
  } finally {
    closeSync(backing);
    closeSync(control);
  }
}

export function removeScratchFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
