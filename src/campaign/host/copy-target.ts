import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { showName } from '../../base/show-name.ts';

/** Where files of an image go on this host. */
export interface CopyTarget {
  readonly path: string;
  /** A folder that is there: files go into it under their names. */
  readonly isFolder: boolean;
  /** Something is there that is no folder. */
  readonly isTaken: boolean;
}

/** Notes what stands in the way. The images that are read are not to be written over. */
export function findTarget(to: string, images: readonly string[], problems: string[]): CopyTarget {
  const target = { path: to, isFolder: false, isTaken: false };
  if (to === '') problems.push('the place to copy to has no name');
  else {
    try {
      const there = statSync(to, { throwIfNoEntry: false });
      if (there === undefined) checkFolder(to, problems);
      else if (there.isDirectory()) return { ...target, isFolder: true };
      else {
        problems.push(...whyNotReplaced(to, there, imageKeys(images)));
        // A symbolic link stays: what it leads to is replaced.
        return { ...target, path: realpathSync(to), isTaken: true };
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      problems.push(code === 'ENOTDIR' ? `${dirname(to)} is no folder` : `${to} cannot be looked at (${code})`);
    }
  }
  return target;
}

function checkFolder(to: string, problems: string[]): void {
  if (lstatSync(to, { throwIfNoEntry: false })?.isSymbolicLink()) {
    problems.push(`${to} is a symbolic link that leads nowhere`);
    return;
  }
  const folder = dirname(to);
  const status = statSync(folder, { throwIfNoEntry: false });
  if (status === undefined) problems.push(`there is no folder ${folder}`);
}

/** Keys of the files that hold the image; to compare with those of `keyOf`. */
export function imageKeys(images: readonly string[]): ReadonlySet<string> {
  return new Set(
    images.flatMap((image) => {
      const status = statSync(image, { throwIfNoEntry: false });
      return status === undefined ? [] : [keyOf(status)];
    }),
  );
}

function keyOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Why what is there cannot make way for a copy; nothing where it can. */
export function whyNotReplaced(path: string | Buffer, there: Stats, images: ReadonlySet<string>): string[] {
  const name = typeof path === 'string' ? path : showName(path);
  if (there.isDirectory()) return [`${name} is a folder`];
  if (images.has(keyOf(there))) return [`${name} is the image that is read`];
  if (there.isFile() || there.isSymbolicLink()) return [];
  return [`${name} is neither a file nor a folder: \`fsquake cat\` prints what is in a file`];
}
