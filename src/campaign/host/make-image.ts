import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { hasSuperblockMagic, SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE } from '../../fs/format/superblock.ts';
import { type DiskWrite, MakeFilesystemError, type MakeFilesystemOptions, makeFilesystem } from '../../fs/mkfs.ts';
import { dumpSuperblocks } from '../../oracle/dump/dump-superblock.ts';
import { onHost } from './host-failure.ts';
import { NoImage, openImageFile } from './image-file.ts';
import { ImageUpdate } from './image-update.ts';

/** What to make, but for the sizes of the devices. */
export interface MakeImageOptions extends Omit<MakeFilesystemOptions, 'devices'> {
  /** Of each image; null: as large as the files are. */
  readonly size: number | null;
  /** Over what the files hold now. */
  readonly force: boolean;
}

/** A file system that was made. */
export interface MadeImages {
  readonly images: readonly { readonly file: string; readonly size: number }[];
  readonly uuid: string;
  readonly label: string;
  readonly nodeSize: number;
  readonly features: readonly string[];
}

/** How the options of the engine are called on the command line. */
const OPTION_NAMES: Readonly<Record<string, string>> = {
  nodeSize: '--node-size',
  metadataProfile: '--metadata',
  dataProfile: '--data',
  label: '--label',
  blockGroupTree: '--block-group-tree',
  freeSpaceTree: '--no-free-space-tree',
};

/**
 * Makes an empty file system on image files, which appear when they are whole. Throws `NoImage` with all that stands in
 * the way, `HostFailure`.
 */
export function makeImages(paths: readonly string[], { size, force, ...options }: MakeImageOptions): MadeImages {
  const problems: string[] = [];
  const files = paths.map(fileOf);
  for (const [index, path] of paths.entries()) {
    const first = files.indexOf(files[index]!);
    if (first < index)
      problems.push(path === paths[first] ? `${path} is named twice` : `${path} is ${paths[first]} again`);
  }
  const sizes = paths.map((path) => sizeFor(path, size, force, problems));
  const writes = plan(paths, { devices: sizes.filter((known) => known !== null), ...options }, problems);
  if (problems.length > 0) throw new NoImage([...new Set(problems)].join('\n'));
  const update = new ImageUpdate(paths);
  try {
    const devices = sizes as number[];
    update.startEmpty(devices);
    for (const { device, offset, bytes } of writes) update.write(device, [{ offset, bytes }]);
    const made = describe(update, paths, devices);
    update.commit();
    return made;
  } finally {
    update.discard();
  }
}

function describe(update: ImageUpdate, paths: readonly string[], sizes: readonly number[]): MadeImages {
  const { fields } = dumpSuperblocks(update.disks()[0]!)[0]!;
  const namesOf = (field: string) => (fields[field] as { readonly names: readonly string[] }).names;
  return {
    images: paths.map((file, index) => ({ file, size: sizes[index]! })),
    uuid: String(fields['fsid']),
    label: String(fields['label']),
    nodeSize: Number(fields['nodeSize']),
    features: [...namesOf('incompatFlags'), ...namesOf('compatRoFlags')],
  };
}

/** What a path leads to, whether it is there or not. */
function fileOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there, or not to be seen.
  }
  try {
    return join(realpathSync(dirname(resolve(path))), basename(path));
  } catch {
    return resolve(path);
  }
}

/** Null after a problem. */
function sizeFor(path: string, size: number | null, force: boolean, problems: string[]): number | null {
  if (path === '') {
    problems.push('"" is the name of no file');
    return null;
  }
  const lookAt = (place: string) =>
    onHost(`${place} cannot be looked at`, () => statSync(place, { throwIfNoEntry: false }));
  if (lookAt(dirname(path))?.isDirectory() !== true) {
    problems.push(`${path}: there is no folder ${dirname(path)}`);
    return null;
  }
  const status = lookAt(path);
  if (status === undefined) {
    if (size === null) problems.push(`there is no file ${path}: give --size to make it`);
    return size;
  }
  if (!status.isFile()) {
    problems.push(`${path} is no plain file`);
    return null;
  }
  if (!force && holdsFilesystem(path)) problems.push(`${path} holds a btrfs file system: --force to lose it`);
  else if (!force && status.blocks > 0 && size !== null) {
    problems.push(`${path} exists: --force to lose what is in it, or leave out --size to use it as it is`);
  }
  return size ?? status.size;
}

function holdsFilesystem(path: string): boolean {
  try {
    return hasSuperblockMagic(openImageFile(path).read(SUPERBLOCK_OFFSETS[0]!, SUPERBLOCK_SIZE));
  } catch (error) {
    // Too small to hold one.
    if (error instanceof NoImage) return false;
    throw error;
  }
}

function plan(paths: readonly string[], options: MakeFilesystemOptions, problems: string[]): DiskWrite[] {
  try {
    return makeFilesystem(options);
  } catch (error) {
    if (!(error instanceof MakeFilesystemError)) throw error;
    // Without all sizes, what is said about them is beside the point.
    const isPartial = options.devices.length < paths.length;
    for (const { place, reason, nearest } of error.problems) {
      if (isPartial && (place.startsWith('devices') || OPTION_NAMES[place] === undefined)) continue;
      const instead = nearest === null ? null : nearestOnCommandLine(place, nearest);
      problems.push(`${nameOf(place, paths)}: ${reason}${instead === null ? '' : `; nearest: ${instead}`}`);
    }
    return [];
  }
}

function nameOf(place: string, paths: readonly string[]): string {
  const device = /^devices\[(\d+)\]$/.exec(place);
  if (device !== null) return paths[Number(device[1])]!;
  const group = /^(system|metadata|data)Bytes$/.exec(place);
  if (group !== null) return `${paths.length === 1 ? paths[0] : '--size'}: too small for a ${group[1]} block group`;
  return OPTION_NAMES[place] ?? place;
}

function nearestOnCommandLine(place: string, nearest: string): string {
  if (place === 'blockGroupTree') return 'leave out --no-free-space-tree';
  return nearest.replace(/^devices(\[0\])? of /, '');
}
