import { nearestWord } from '../../base/nearest.ts';
import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../../fs/filesystem.ts';
import { allFixes } from '../../fs/fixes.ts';
import { TREE_ID } from '../../fs/format/key.ts';
import { SimulatedWorld } from '../../inject/simulated-world.ts';
import type { BlockTable } from '../../record/block-table.ts';
import type { Task } from '../../task/task.ts';
import { findSubvolumes } from './subvolumes.ts';

/** How an image is mounted for one piece of work. */
export interface SessionOptions {
  /** Of the image, for messages. */
  readonly name: string;
  readonly readOnly: boolean;
  /** Although devices are missing. */
  readonly degraded: boolean;
  /** Where paths start: an id, or a path from the top-level subvolume; by default where the image's default is. */
  readonly subvolume?: number | Uint8Array;
  /** Takes what its user should know about this mount. */
  readonly onNote?: (note: string) => void;
}

/** The file system on an image cannot be used; the message says why. */
export class ImageUnusable extends Error {
  /** It is damaged, or full; else what was asked for is not in it, or of a kind that the engine does not mount. */
  readonly isFault: boolean;

  constructor(message: string, isFault: boolean) {
    super(message);
    this.name = 'ImageUnusable';
    this.isFault = isFault;
  }
}

/** Else the caller asked for what is not there, or cannot be. */
export function isFaultOfImage({ code }: FsError): boolean {
  return ['EIO', 'EUCLEAN', 'ENOSPC', 'EROFS'].includes(code);
}

const SUBVOLUMES_SHOWN_MAX = 20;

/** Nobody disturbs this world, and its clock is that of the host, stopped at the start. */
class HostWorld extends SimulatedWorld {
  private readonly start = Date.now() * 1_000_000;

  override now(): number {
    return this.start + super.now();
  }
}

/**
 * Mounts the disks, does the work, unmounts, and returns the disks as they are then; those given stay as they were.
 * Throws `ImageUnusable` when they cannot be mounted, and what the work throws.
 */
export function workOnDisks(
  disks: readonly BlockTable[],
  options: SessionOptions,
  work: (fs: MountedFilesystem) => Task<void>,
): BlockTable[] {
  const world = new HostWorld({ devices: disks, stepLimit: Number.MAX_SAFE_INTEGER });
  const session = new Session(world, options, work);
  world.execute(() => session.main());
  if (!session.isDone) throw new Error(`the work on the image never ended: ${JSON.stringify(world.report().locks)}`);
  return world.devices.map((device) => device.durable());
}

class Session {
  isDone = false;
  private readonly world: SimulatedWorld;
  private readonly options: SessionOptions;
  private readonly work: (fs: MountedFilesystem) => Task<void>;

  constructor(world: SimulatedWorld, options: SessionOptions, work: (fs: MountedFilesystem) => Task<void>) {
    this.world = world;
    this.options = options;
    this.work = work;
  }

  *main(): Task<void> {
    const fs = yield* this.mount();
    yield* this.tellNotes(fs);
    yield* this.work(fs);
    yield* unmountFilesystem(fs);
    this.isDone = true;
  }

  private *mount(): Task<MountedFilesystem> {
    const { readOnly, degraded, subvolume } = this.options;
    const wanted = subvolume === undefined ? {} : { subvolume };
    try {
      return yield* mountFilesystem(this.world, { fixes: allFixes(), readOnly, degraded, ...wanted });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      if (subvolume !== undefined && ['ENOENT', 'EINVAL', 'ENOTDIR'].includes(error.code)) {
        yield* this.explainSubvolume(subvolume);
      }
      throw new ImageUnusable(`${this.options.name}: ${error.where}`, isFaultOfImage(error));
    }
  }

  /** Throws `ImageUnusable` with those that there are, unless the mount failed for another reason. */
  private *explainSubvolume(wanted: number | Uint8Array): Task<void> {
    const { degraded } = this.options;
    const options = { fixes: allFixes(), readOnly: true, degraded, subvolume: TREE_ID.FS_TREE };
    let there: readonly { readonly id: number; readonly path: string | null }[];
    try {
      there = yield* findSubvolumes(yield* mountFilesystem(this.world, options));
    } catch (error) {
      if (error instanceof FsError) return;
      throw error;
    }
    const asked = typeof wanted === 'number' ? String(wanted) : `/${showName(wanted).replace(/^\/+|\/+$/g, '')}`;
    const paths = there.flatMap(({ path }) => (path === null ? [] : [path]));
    const nearest = typeof wanted === 'number' ? null : nearestWord(asked, paths);
    const shown = there.slice(0, SUBVOLUMES_SHOWN_MAX).map(({ id, path }) => `${id} ${path ?? '(damaged)'}`);
    const more = there.length > shown.length ? ` … (${there.length} in all)` : '';
    const hint = nearest === null ? '' : `did you mean ${nearest}? `;
    throw new ImageUnusable(
      `${this.options.name}: there is no subvolume ${asked}; ${hint}there are: ${shown.join(', ')}${more}`,
      false,
    );
  }

  private *tellNotes(fs: MountedFilesystem): Task<void> {
    const { name, onNote, subvolume } = this.options;
    if (onNote === undefined) return;
    for (const note of fs.info.notes) onNote(`${name}: ${note}`);
    const { id } = fs.files.tree;
    if (subvolume !== undefined || id === TREE_ID.FS_TREE) return;
    let path: string | null = null;
    try {
      path = (yield* findSubvolumes(fs)).find((other) => other.id === id)?.path ?? null;
    } catch (error) {
      // Of a note, not worth more.
      if (!(error instanceof FsError)) throw error;
    }
    const where = path === null ? `subvolume ${id}` : `subvolume ${id}, ${path}`;
    onNote(`${name}: paths start at its default ${where}; with --subvolume / at the top-level one`);
  }
}
