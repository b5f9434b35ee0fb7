import { FsError } from '../../fs/errors.ts';
import { type FileStatus, stat } from '../../fs/syscalls.ts';
import { BlockTable } from '../../record/block-table.ts';
import type { Copied } from './copy-into-image.ts';
import { CopyOut } from './copy-out.ts';
import { findTarget } from './copy-target.ts';
import { isFolder } from './host-files.ts';
import { NoImage, openImageFiles } from './image-file.ts';
import { type ImagePath, joinPath, lastName } from './image-path.ts';
import { ImageUnusable, isFaultOfImage, workOnDisks } from './image-session.ts';
import { type ImageSource, sessionOf, workOnImages } from './read-image.ts';

/** What was copied, and what was not. */
export interface CopiedOut extends Copied {
  /** One line each; everything else was copied. */
  readonly problems: readonly string[];
}

/** How long work goes on before a signal can come through. */
const SESSION_MILLISECONDS = 300;

/**
 * Copies files out of an image: each appears under its name when it is whole. Modes, times, extended attributes, hard
 * links and holes are kept, owners where this user may set them; symbolic links are copied as such. Throws `NoImage`
 * with all that stands in the way before anything is copied, or `ImageUnusable`; what fails later is among the problems.
 */
export async function copyFromImage(
  source: ImageSource,
  from: readonly ImagePath[],
  to: string,
  options: { readonly recursive: boolean; readonly breathe: () => Promise<void> },
): Promise<CopiedOut> {
  const problems: string[] = [];
  const target = findTarget(to, source.images, problems);
  if (!target.isFolder && from.length > 1) problems.push(`${to} is no folder: several files need one to go into`);
  const statuses = statusesOf(source, from, problems);
  for (const [index, status] of statuses.entries()) {
    if (status?.kind !== 'directory') continue;
    const { text } = from[index]!;
    if (!options.recursive) problems.push(`${text} is a directory: copy it with -r`);
    else if (target.isTaken) problems.push(`${to} is no folder, ${text} is a directory`);
  }
  if (problems.length > 0) throw new NoImage(problems.join('\n'));

  const copy = new CopyOut(source.images);
  for (const [index, place] of [...from.entries()].reverse()) {
    const name = lastName(place.path);
    const top = Buffer.from(target.path);
    const path = target.isFolder && name.length > 0 ? joinPath(top, name) : top;
    copy.begin(place.path, statuses[index]!, Buffer.from(path), { followFolder: isFolder(Buffer.from(path)) });
  }
  try {
    await copyAll(source, copy, options.breathe);
  } finally {
    copy.close();
  }
  return copy.outcome();
}

async function copyAll(source: ImageSource, copy: CopyOut, breathe: () => Promise<void>): Promise<void> {
  const disks = openImageFiles(source.images).map((image) => BlockTable.over(image));
  const { onNote: _, ...silent } = source;
  const session = sessionOf(silent, { readOnly: true });
  while (!copy.isDone) {
    workOnDisks(disks, session, (fs) => {
      const start = performance.now();
      return copy.goOn(fs, () => performance.now() - start < SESSION_MILLISECONDS);
    });
    await breathe();
  }
}

/** What is at each place; null where the way there is a problem. Throws `ImageUnusable` for damage. */
function statusesOf(
  source: ImageSource,
  from: readonly ImagePath[],
  problems: string[],
): readonly (FileStatus | null)[] {
  const statuses: (FileStatus | null)[] = [];
  workOnImages(source, function* look(fs) {
    for (const place of from) {
      try {
        statuses.push(yield* stat(fs, place.path, { follow: false }));
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        const message = `${place.text}: ${error.message}`;
        if (isFaultOfImage(error)) throw new ImageUnusable(message, true);
        problems.push(message);
        statuses.push(null);
      }
    }
  });
  return statuses;
}
