import { fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { crc32c } from '../../base/crc32c.ts';
import { BlockTable } from '../../record/block-table.ts';
import type { DiskImage } from '../../record/image.ts';

/** The file cannot be an image of a disk; the message says why. */
export class NoImage extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoImage';
  }
}

const SECTOR = 512;
const BLOCK = 4096;
/** The primary superblock is at 64 KiB and takes 4 KiB. */
const IMAGE_BYTES_MIN = 65536 + 4096;

/** A disk image in a file or block device, read only where it is asked. */
class FileImage implements DiskImage {
  readonly size: number;
  private readonly descriptor: number;
  private known: string | null = null;

  constructor(descriptor: number, size: number) {
    this.descriptor = descriptor;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const count = readSync(this.descriptor, bytes, at, length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes;
  }

  *written(): Iterable<{ readonly offset: number; readonly bytes: Uint8Array }> {
    for (let offset = 0; offset < this.size; offset += BLOCK) {
      const bytes = this.read(offset, Math.min(BLOCK, this.size - offset));
      if (bytes.some((byte) => byte !== 0)) yield { offset, bytes };
    }
  }

  get fingerprint(): string {
    if (this.known === null) {
      let sum = 0;
      for (const { offset, bytes } of this.written()) sum = (Math.imul(sum, 31) + crc32c(bytes) + offset / BLOCK) | 0;
      this.known = (sum >>> 0).toString(16).padStart(8, '0');
    }
    return this.known;
  }
}

/** Opens a raw image, `.gz` too. The file stays open for the life of the process. Throws `NoImage`. */
export function openImageFile(path: string): DiskImage {
  let status: ReturnType<typeof statSync>;
  try {
    status = statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new NoImage(code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${code})`);
  }
  if (status.isDirectory()) throw new NoImage(`${path} is a folder: name the image file in it`);
  if (status.isCharacterDevice() || status.isFIFO() || status.isSocket()) {
    throw new NoImage(`${path} is neither a file nor a block device`);
  }
  const image = path.endsWith('.gz') ? unpack(path) : openRaw(path);
  if (image.size === 0) throw new NoImage(`${path} is empty`);
  if (image.size < IMAGE_BYTES_MIN) {
    throw new NoImage(
      `${path} has ${image.size} bytes: too small for a btrfs image, whose superblock ends at ${IMAGE_BYTES_MIN}`,
    );
  }
  return image;
}

/** Opens all of them. Throws `NoImage`, which names every file that cannot be an image. */
export function openImageFiles(paths: readonly string[]): DiskImage[] {
  const problems: string[] = [];
  const images = paths.flatMap((path) => {
    try {
      return [openImageFile(path)];
    } catch (error) {
      if (!(error instanceof NoImage)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw new NoImage(problems.join('\n'));
  return images;
}

function openRaw(path: string): DiskImage {
  try {
    const descriptor = openSync(path, 'r');
    const status = fstatSync(descriptor);
    return new FileImage(descriptor, status.isBlockDevice() ? sizeOfDevice(descriptor) : status.size);
  } catch (error) {
    throw new NoImage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function unpack(path: string): DiskImage {
  try {
    const bytes = gunzipSync(readFileSync(path));
    const whole =
      bytes.length % SECTOR === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(SECTOR - (bytes.length % SECTOR))]);
    return BlockTable.fromBytes(new Uint8Array(whole.buffer, whole.byteOffset, whole.length));
  } catch (error) {
    throw new NoImage(`${path} is no gzip file that can be read (${(error as Error).message})`);
  }
}

/** A block device has no size in its status: the last readable sector is found by halving. */
function sizeOfDevice(descriptor: number): number {
  const probe = new Uint8Array(SECTOR);
  const canRead = (sector: number) => {
    try {
      return readSync(descriptor, probe, 0, SECTOR, sector * SECTOR) > 0;
    } catch {
      return false;
    }
  };
  let low = 0;
  let high = 2 ** 43;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (canRead(middle)) low = middle + 1;
    else high = middle;
  }
  return low * SECTOR;
}
