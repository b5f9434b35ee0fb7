import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { DiskImage } from '../../record/image.ts';

const compress = promisify(gzip);

/** The folder for results cannot be used; the message says why and what to do. */
export class ResultsUnavailable extends Error {
  constructor(folder: string, cause: unknown) {
    const code = (cause as { code?: string }).code ?? String(cause);
    super(`results cannot be written to ${folder} (${code}): name another folder with --results DIR`);
    this.name = 'ResultsUnavailable';
  }
}

/**
 * Where runs are kept, one folder each. A run's files are written to a hidden folder beside its place and appear there
 * by one rename; `latest` is replaced by one rename too. So whoever looks sees whole runs only.
 */
export class ResultsStore {
  readonly folder: string;

  /** Makes the folder where there is none. Throws `ResultsUnavailable` before anything has run. */
  constructor(folder: string) {
    this.folder = resolve(folder);
    try {
      if (folder === '') throw Object.assign(new Error('no name'), { code: 'no name given' });
      makeFolder(this.folder);
      accessSync(this.folder, constants.W_OK | constants.X_OK);
      const probe = join(this.folder, `.probe-${process.pid}`);
      mkdirSync(probe);
      rmSync(probe, { recursive: true });
    } catch (error) {
      throw new ResultsUnavailable(this.folder, error);
    }
  }

  /** Where a run that begins now would be kept: `20261121-101500-3fa94c1e`, with a suffix when that is taken. */
  newRunId(now: Date, hash: string): string {
    const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
    const id = `${stamp}-${hash.slice(0, 8)}`;
    let unique = id;
    for (let copy = 2; existsSync(join(this.folder, unique)); copy++) unique = `${id}.${copy}`;
    return unique;
  }

  /**
   * A place to write a run's files in; nothing is seen of it until `commit`. Its id gets a suffix where another process
   * is about to take the same.
   */
  async begin(runId: string): Promise<PendingRun> {
    await mkdir(this.folder, { recursive: true });
    for (let copy = 1; ; copy++) {
      const id = copy === 1 ? runId : `${runId}.${copy}`;
      const place = join(this.folder, id);
      const hidden = join(this.folder, `.${id}.part`);
      if (!(await claim(hidden))) continue;
      if (!existsSync(place)) return new PendingRun(hidden, place);
      await rm(hidden, { recursive: true });
    }
  }
}

/** Only one process at a time can make a folder; false when it is there already. */
async function claim(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** With its parents, step by step: Node's recursive form never returns where ENOENT answers mkdir, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) {
    if (statSync(folder).isDirectory()) return;
    throw Object.assign(new Error(`${folder} is no folder`), { code: 'ENOTDIR' });
  }
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder);
}

/** The files of one run before they appear. Paths are relative, `/`-separated. */
export class PendingRun {
  private readonly hidden: string;
  /** Where the files will be. */
  readonly place: string;

  constructor(hidden: string, place: string) {
    this.hidden = hidden;
    this.place = place;
  }

  async writeText(path: string, text: string): Promise<void> {
    await writeFile(await this.placeOf(path), text);
  }

  async writeJson(path: string, value: unknown): Promise<void> {
    await this.writeText(path, `${JSON.stringify(value, readableJson, 2)}\n`);
  }

  /** A raw disk image, gzip: nearly all zeroes, so that a higher level takes four times as long for a fifth less. */
  async writeImage(path: string, image: DiskImage): Promise<void> {
    await writeFile(await this.placeOf(path), await compress(wholeImage(image), { level: 1 }));
  }

  /** Moves the run to its place and points `latest` at it. */
  async commit(): Promise<void> {
    await rename(this.hidden, this.place);
    const latest = join(dirname(this.place), 'latest');
    const next = `${latest}.${process.pid}.part`;
    await rm(next, { force: true });
    await symlink(basename(this.place), next);
    await rename(next, latest);
  }

  /** Forgets what was written. */
  async discard(): Promise<void> {
    await rm(this.hidden, { recursive: true, force: true });
  }

  private async placeOf(path: string): Promise<string> {
    const place = join(this.hidden, path);
    await mkdir(dirname(place), { recursive: true });
    return place;
  }
}

function wholeImage(image: DiskImage): Buffer {
  const bytes = Buffer.alloc(image.size);
  for (const extent of image.written()) bytes.set(extent.bytes, extent.offset);
  return bytes;
}

/** Bytes as hex, the first of many only: what they are is in the images. */
function readableJson(_name: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const head = Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, HEX_BYTES_MAX)).toString('hex');
  return { bytes: value.length, hex: value.length > HEX_BYTES_MAX ? `${head}...` : head };
}

const HEX_BYTES_MAX = 64;
