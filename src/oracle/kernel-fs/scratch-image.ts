import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { DiskImage } from '../../record/image.ts';
import { type Libc, LinuxError } from './libc.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PIECE = 2 ** 20;
const SYSTEM_FOLDERS = '/usr/local/sbin:/usr/sbin:/sbin';

/** Makes a sparse file with a file system by `mkfs.TYPE`. Null, or why there is none. */
export function makeByTool(path: string, size: number, type: string, words: readonly string[]): string | null {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  closeSync(file);
  const program = `mkfs.${type}`;
  const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_FOLDERS}` };
  const result = spawnSync(program, [...words, path], { env, encoding: 'utf8' });
  if (result.error !== undefined) return `needs ${program}`;
  return result.status === 0 ? null : `${program} failed: ${result.stderr.trim().split('\n')[0] ?? ''}`;
}

/** Writes an image as a sparse file. */
export function writeImage(path: string, image: DiskImage): void {
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, image.size);
    for (const { offset, bytes } of image.written()) writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
}

/** Where a sparse file has data, in pieces of at most 1 MiB. */
export function* readImage(libc: Libc, path: string): Iterable<{ offset: number; bytes: Uint8Array }> {
  const file = openSync(path, 'r');
  try {
    for (let at = 0; ; ) {
      let start: number;
      try {
        start = libc.call('lseek', file, at, SEEK_DATA);
      } catch (error) {
        if (error instanceof LinuxError && error.code === 'ENXIO') return;
        throw error;
      }
      at = libc.call('lseek', file, start, SEEK_HOLE);
      for (let offset = start; offset < at; offset += PIECE) {
        const bytes = new Uint8Array(Math.min(PIECE, at - offset));
        readSync(file, bytes, 0, bytes.length, offset);
        yield { offset, bytes };
      }
    }
  } finally {
    closeSync(file);
  }
}
