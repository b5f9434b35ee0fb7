import { showName } from '../../base/show-name.ts';
import { FsError } from '../../fs/errors.ts';
import type { MountedFilesystem } from '../../fs/filesystem.ts';
import { type FileStatus, stat, sync } from '../../fs/syscalls.ts';
import type { Task } from '../../task/task.ts';
import { type CopyStep, copySteps } from './copy-steps.ts';
import { findHostFiles, type HostSource } from './host-files.ts';
import { NoImage } from './image-file.ts';
import { type ImagePath, joinPath } from './image-path.ts';
import { workOnDisks } from './image-session.ts';
import { ImageUpdate } from './image-update.ts';
import { type ImageSource, unreadable, workOnImages } from './read-image.ts';

/** What was copied. */
export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/** So many bytes are written between a mount and an unmount: what changed since is held in memory. */
const SESSION_BYTES = 64 * 2 ** 20;
/** What a step counts for beside its data: changed tree blocks. */
const STEP_BYTES = 16384;

/**
 * Copies files of the host into an image, which changes as a whole or not at all. Modes, owners, times, hard links and
 * holes of sparse files are kept; symbolic links are copied as such. Throws `NoImage` with all that stands in the way,
 * `ImageUnusable`, `HostFailure`.
 */
export function copyIntoImage(
  source: ImageSource,
  from: readonly string[],
  to: ImagePath,
  options: { readonly recursive: boolean },
): Copied {
  const problems: string[] = [];
  const sources = findHostFiles(from, options.recursive, problems);
  const places = findPlaces(source, sources, to, problems);
  if (problems.length > 0) throw new NoImage(problems.join('\n'));
  const update = new ImageUpdate(source.images);
  try {
    update.startFromImages();
    const copied = copyAll(update, source, to, copySteps(sources, places));
    update.commit();
    return copied;
  } finally {
    update.discard();
  }
}

function copyAll(update: ImageUpdate, source: ImageSource, to: ImagePath, steps: Iterator<CopyStep>): Copied {
  const copied = { files: 0, bytes: 0, isDone: false };
  const options = { readOnly: false, degraded: source.degraded };
  while (!copied.isDone) {
    const disks = workOnDisks(update.disks(), options, (fs) => copySome(fs, to, steps, copied));
    for (const [device, disk] of disks.entries()) update.write(device, disk.changes());
  }
  return { files: copied.files, bytes: copied.bytes };
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
  workOnImages(source, function* look(fs) {
    status = yield* statusOf(fs, to);
    if (status === null) yield* checkParent(fs, to, problems);
  });
  const isDirectory = (status as FileStatus | null)?.kind === 'directory';
  if (!isDirectory && sources.length > 1)
    problems.push(`${to.text} is no directory: several files need one to go into`);
  return sources.map(({ name, files, text }) => {
    if (isDirectory) return name === null ? to.path : joinPath(to.path, name);
    if (status !== null && files[0]?.stat.isDirectory()) problems.push(`${to.text} is no directory, ${text} is one`);
    return to.path;
  });
}

function* statusOf(fs: MountedFilesystem, to: ImagePath): Task<FileStatus | null> {
  try {
    return yield* stat(fs, to.path);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw unreadable(to, error);
  }
}

function* checkParent(fs: MountedFilesystem, to: ImagePath, problems: string[]): Task<void> {
  const end = to.path.lastIndexOf(0x2f);
  const parent = to.path.subarray(0, Math.max(end, 1));
  if (end === to.path.length - 1) {
    problems.push(`${to.text} does not exist`);
    return;
  }
  try {
    const { kind } = yield* stat(fs, parent);
    if (kind !== 'directory') problems.push(`${to.image}:${showName(parent)} is no directory`);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw unreadable(to, error);
    problems.push(`${to.image}:${showName(parent)} does not exist`);
  }
}
