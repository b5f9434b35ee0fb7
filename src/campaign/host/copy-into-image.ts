import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { type FileStatus, stat, sync } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import { type CopyStep, copySteps } from './copy-steps.ts';
import { findHostFiles, type HostSource } from './host-files.ts';
import { NoImage } from './image-file.ts';
import { type ImagePath, joinPath } from './image-path.ts';
import { ImageUnusable, workOnDisks } from './image-session.ts';
import { ImageUpdate } from './image-update.ts';
import { LinuxCalls } from './linux-calls.ts';
import { NotCarried } from './not-carried.ts';
import { type ImageSource, sessionOf, unreadable, workOnImages } from './read-image.ts';

/** What was copied. */
export interface Copied {
  readonly files: number;
  readonly bytes: number;
  /** What was not taken along, one line each. */
  readonly notes: readonly string[];
}

/** So many bytes are written between a mount and an unmount: what changed since is held in memory. */
const SESSION_BYTES = 64 * 2 ** 20;
/** What a step counts for beside its data: changed tree blocks. */
const STEP_BYTES = 16384;

/**
 * Copies files of the host into an image, which changes as a whole or not at all. Modes, owners, times, extended
 * attributes, hard links and holes of sparse files are kept; symbolic links are copied as such. Throws `NoImage` with
 * all that stands in the way, `ImageUnusable`, `HostFailure`, and what `breathe` throws to stop it.
 */
export async function copyIntoImage(
  source: ImageSource,
  from: readonly string[],
  to: ImagePath,
  options: { readonly recursive: boolean; readonly breathe: () => Promise<void> },
): Promise<Copied> {
  const problems: string[] = [];
  const sources = findHostFiles(from, options.recursive, problems);
  const places = findPlaces(source, sources, to, problems);
  if (problems.length > 0) throw new NoImage(problems.join('\n'));
  const notCarried = new NotCarried();
  const update = new ImageUpdate(source.images);
  try {
    await update.startFromImages(options.breathe);
    const copied = { files: 0, bytes: 0, isDone: false };
    const steps = copySteps(sources, places, notCarried);
    while (!copied.isDone) {
      copyUntilFull(update, source, (fs) => copySome(fs, to, steps, copied));
      await options.breathe();
    }
    update.commit();
    return { files: copied.files, bytes: copied.bytes, notes: [...withoutLinux(), ...notCarried.lines()] };
  } finally {
    update.discard();
  }
}

function copyUntilFull(
  update: ImageUpdate,
  { onNote: _, ...source }: ImageSource,
  work: (fs: MountedFilesystem) => Task<void>,
): void {
  const disks = workOnDisks(update.disks(), sessionOf(source, { readOnly: false }), work);
  for (const [device, disk] of disks.entries()) update.write(device, disk.changes());
}

function withoutLinux(): string[] {
  const linux = LinuxCalls.load();
  return typeof linux === 'string' ? [`not carried: extended attributes, if there are any (${linux})`] : [];
}

function* copySome(
  fs: MountedFilesystem,
  to: ImagePath,
  steps: Iterator<CopyStep>,
  copied: { files: number; bytes: number; isDone: boolean },
): Task<void> {
  const attributes: CopyStep[] = [];
  for (let weight = 0; weight < SESSION_BYTES; weight += STEP_BYTES) {
    const { done, value: step } = steps.next();
    if (done === true) {
      copied.isDone = true;
      break;
    }
    if (step.setsTimes) {
      attributes.push(step);
      continue;
    }
    const bytes = yield* runStep(fs, step, to);
    weight += bytes;
    copied.bytes += bytes;
    copied.files += step.isFile ? 1 : 0;
  }
  // Data on its way to the disk would give its file the time of its arrival.
  yield* sync(fs);
  for (const step of attributes) yield* runStep(fs, step, to);
}

function* runStep(fs: MountedFilesystem, step: CopyStep, to: ImagePath): Task<number> {
  try {
    return yield* step.run(fs);
  } catch (error) {
    throw unreadable({ ...to, text: `${to.image}:${showName(step.path)}` }, error);
  }
}

/** Where each source goes: into a directory that is there, or under the name given. */
function findPlaces(
  source: ImageSource,
  sources: readonly HostSource[],
  to: ImagePath,
  problems: string[],
): Uint8Array[] {
  let status: FileStatus | null = null;
  try {
    workOnImages(source, function* look(fs) {
      status = yield* statusOf(fs, to);
      const parent = status === null ? yield* checkParent(fs, to, problems) : status;
      if (parent !== null) checkWritable(fs, parent, to, problems);
    });
  } catch (error) {
    if (error instanceof NoImage || (error instanceof ImageUnusable && !error.isFault)) problems.push(error.message);
    else throw error;
    return [];
  }
  const isDirectory = (status as FileStatus | null)?.kind === 'directory';
  if (!isDirectory && sources.length > 1)
    problems.push(`${to.text} is no directory: several files need one to go into`);
  return sources.map(({ name, files, text }) => {
    if (isDirectory) return name === null ? to.path : joinPath(to.path, name);
    if (status !== null && files[0]?.stat.isDirectory()) problems.push(`${to.text} is no directory, ${text} is one`);
    return to.path;
  });
}

/** Before anything is written: an image that takes no changes, a snapshot that is read-only. */
function checkWritable({ info }: MountedFilesystem, status: FileStatus, to: ImagePath, problems: string[]): void {
  if (info.whyNotWritable !== null) problems.push(`${to.image} cannot be changed: ${info.whyNotWritable}`);
  const { subvolume } = status;
  if (info.subvolumes.get(subvolume)?.isReadOnly === true) {
    problems.push(`${to.text} is in subvolume ${subvolume}, which is read-only`);
  }
}

function* statusOf(fs: MountedFilesystem, to: ImagePath): Task<FileStatus | null> {
  try {
    return yield* stat(fs, to.path);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw unreadable(to, error);
  }
}

/** The status of the directory that is to have the new name; null after a problem. */
function* checkParent(fs: MountedFilesystem, to: ImagePath, problems: string[]): Task<FileStatus | null> {
  const end = to.path.lastIndexOf(0x2f);
  const parent = to.path.subarray(0, Math.max(end, 1));
  if (end === to.path.length - 1) {
    problems.push(`${to.text} does not exist`);
    return null;
  }
  try {
    const status = yield* stat(fs, parent);
    if (status.kind === 'directory') return status;
    problems.push(`${to.image}:${showName(parent)} is no directory`);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw unreadable(to, error);
    problems.push(`${to.image}:${showName(parent)} does not exist`);
  }
  return null;
}
