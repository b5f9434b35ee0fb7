import type { Command } from 'commander';
import { parseShownName } from '../base/parse-name.ts';
import { HostFailure } from '../campaign/host/host-failure.ts';
import { NoImage } from '../campaign/host/image-file.ts';
import { type ImagePath, parseImagePath } from '../campaign/host/image-path.ts';
import { ImageUnusable } from '../campaign/host/image-session.ts';
import type { ImageSource } from '../campaign/host/read-image.ts';
import { ImageFault, UsageError } from './exit.ts';
import { say } from './terminal.ts';

/** Options of every command that mounts an image. */
export interface MountArguments {
  readonly device?: readonly string[];
  readonly degraded?: boolean;
  readonly subvolume?: string;
}

export const PATHS_HELP = `
IMAGE:/path is a place in an image; bytes that are no printable UTF-8 are shown and typed as \\xNN.`;

export function addMountOptions(command: Command): Command {
  return command
    .option('--device <image>', 'another device of the file system, where it has several; once for each', collect)
    .option('--degraded', 'mount although devices are missing')
    .option('--subvolume <path|id>', 'where paths start, from the top-level one: / or 5 (default: what a mount shows)');
}

function collect(image: string, others: readonly string[] = []): readonly string[] {
  return [...others, image];
}

/** `notes` takes what the user should know about the image, once each. Throws `UsageError`. */
export function sourceOf(image: string, options: MountArguments, notes: Set<string>): ImageSource {
  const { device = [], degraded = false, subvolume } = options;
  const source = { images: [image, ...device], degraded, onNote: (note: string) => notes.add(note) };
  return subvolume === undefined ? source : { ...source, subvolume: readSubvolume(subvolume) };
}

function readSubvolume(text: string): number | Uint8Array {
  const path = parseShownName(text);
  if (text === '' || path === null) {
    throw new UsageError(`--subvolume takes a path or an id, not ${JSON.stringify(text)}; \`fsquake ls\` shows paths`);
  }
  const id = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(id) ? id : path;
}

/** What is worth knowing and no problem, beside the data. */
export function sayNotes(notes: Iterable<string>): void {
  for (const note of notes) say(`fsquake: ${note}`);
}

/** All that are wrong are named. An image alone is its root where `bareIsRoot`. */
export function imagePathsOf(texts: readonly string[], { bareIsRoot }: { readonly bareIsRoot: boolean }): ImagePath[] {
  const problems: string[] = [];
  const places = texts.flatMap((text): ImagePath[] => {
    const place = parseImagePath(text) ?? (bareIsRoot ? parseImagePath(`${text.replace(/:$/, '')}:/`) : null);
    if (place !== null && typeof place !== 'string') return [place];
    problems.push(place ?? `${text}: name a file in the image, as in ${text}:/path`);
    return [];
  });
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  return places;
}

/** Runs work on images; what is wrong with them is said as the exit codes have it. */
export function onImages<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asEnding(error);
  }
}

/** As `onImages`, for work that takes its time. */
export async function onImagesSlowly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asEnding(error);
  }
}

/** Work for each of several; what all of them say no to is said at once. */
export function onEach<T, R>(items: readonly T[], work: (item: T) => R): R[] {
  const problems = new Set<string>();
  const results = items.flatMap((item): R[] => {
    try {
      return [onImages(() => work(item))];
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      for (const problem of error.message.split('\n')) problems.add(problem);
      return [];
    }
  });
  if (problems.size > 0) throw new UsageError([...problems].join('\n'));
  return results;
}

function asEnding(error: unknown): unknown {
  if (error instanceof NoImage || error instanceof HostFailure) return new UsageError(error.message);
  if (!(error instanceof ImageUnusable)) return error;
  return error.isFault ? new ImageFault(error.message) : new UsageError(error.message);
}
