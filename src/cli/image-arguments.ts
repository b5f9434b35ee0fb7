import type { Command } from 'commander';
import { HostFailure } from '../campaign/host/host-failure.ts';
import { NoImage } from '../campaign/host/image-file.ts';
import { type ImagePath, parseImagePath } from '../campaign/host/image-path.ts';
import { ImageUnusable } from '../campaign/host/image-session.ts';
import type { ImageSource } from '../campaign/host/read-image.ts';
import { ImageFault, UsageError } from './exit.ts';

/** Options of every command that mounts an image. */
export interface MountArguments {
  readonly device?: readonly string[];
  readonly degraded?: boolean;
}

export const PATHS_HELP = `
IMAGE:/path is a place in an image; bytes that are no printable UTF-8 are shown and typed as \\xNN.`;

export function addMountOptions(command: Command): Command {
  return command
    .option('--device <image>', 'another device of the file system, where it has several; once for each', collect)
    .option('--degraded', 'mount although devices are missing');
}

function collect(image: string, others: readonly string[] = []): readonly string[] {
  return [...others, image];
}

export function sourceOf(image: string, { device = [], degraded = false }: MountArguments): ImageSource {
  return { images: [image, ...device], degraded };
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
    if (error instanceof NoImage || error instanceof HostFailure) throw new UsageError(error.message);
    if (!(error instanceof ImageUnusable)) throw error;
    throw error.isFault ? new ImageFault(error.message) : new UsageError(error.message);
  }
}
