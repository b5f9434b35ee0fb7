import { mkdtemp, open, rmdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskImage } from '../../record/image.ts';

/** Images written out for programs of the host. */
export interface ImageFiles {
  readonly folder: string;
  /** One per device, by index. */
  readonly paths: readonly string[];
  /** Removes the files and the folder, and nothing else. */
  remove(): Promise<void>;
}

/**
 * Writes images as sparse files into a new folder under the host's temporary one. On an error nothing is left behind.
 * Throws what the host's file system says (ENOSPC …).
 */
export async function writeImageFiles(images: readonly DiskImage[]): Promise<ImageFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'fsquake-judge-'));
  const paths: string[] = [];
  const remove = async () => {
    for (const path of paths) await unlink(path).catch(() => undefined);
    await rmdir(folder).catch(() => undefined);
  };
  try {
    for (const [index, image] of images.entries()) {
      const path = join(folder, `device-${index}.img`);
      paths.push(path);
      await writeSparse(path, image);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, paths, remove };
}

/** Writes one image as a new sparse file. */
export async function writeSparse(path: string, image: DiskImage): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.truncate(image.size);
    for (const { offset, bytes } of image.written()) {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at);
        at += bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}
