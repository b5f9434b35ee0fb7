import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A place names no schedule; the message says which, and what would. */
export class NoSchedule extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoSchedule';
  }
}

/**
 * The schedule files at each place, in order: a file itself, `schedule.json` in a folder and in the folders of it, or
 * all `.json` files of a folder without any. Throws `NoSchedule`.
 */
export function findSchedules(places: readonly string[]): { readonly path: string; readonly text: string }[] {
  return places.flatMap((place) => {
    const paths = schedulesAt(place);
    if (paths.length === 0) {
      throw new NoSchedule(
        `there is no schedule.json in ${place}: its run showed no violation, or it is no run's folder`,
      );
    }
    return paths.map((path) => ({ path, text: read(path) }));
  });
}

function schedulesAt(place: string): string[] {
  if (!isFolder(place)) return [place];
  const entries = entriesOf(place).sort((a, b) => (a.name < b.name ? -1 : 1));
  const named = entries.flatMap((entry) => {
    if (entry.isDirectory())
      return schedulesAt(join(place, entry.name)).filter((path) => path.endsWith('/schedule.json'));
    return entry.name === 'schedule.json' ? [join(place, entry.name)] : [];
  });
  if (named.length > 0) return named;
  const isRun = entries.some((entry) => entry.name === 'verdict.json');
  return isRun ? [] : entries.filter((entry) => entry.name.endsWith('.json')).map((entry) => join(place, entry.name));
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new NoSchedule(`${folder} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function isFolder(place: string): boolean {
  try {
    const status = statSync(place);
    if (status.isCharacterDevice() || status.isBlockDevice()) throw new NoSchedule(`${place} is a device, no file`);
    return status.isDirectory();
  } catch (error) {
    if (error instanceof NoSchedule) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new NoSchedule(
      code === 'ENOENT' ? `there is no file or folder ${place}` : `${place} cannot be read (${code})`,
    );
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new NoSchedule(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
