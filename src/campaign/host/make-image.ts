import { statSync } from 'node:fs';
import { hasSuperblockMagic, SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE } from '../../fs/format/superblock.ts';
import { type DiskWrite, MakeFilesystemError, type MakeFilesystemOptions, makeFilesystem } from '../../fs/mkfs.ts';
import { dumpSuperblocks } from '../../oracle/dump/dump-superblock.ts';
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
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) problems.push(`${twice} is named twice`);
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

/** Null after a problem. */
function sizeFor(path: string, size: number | null, force: boolean, problems: string[]): number | null {
  const status = statSync(path, { throwIfNoEntry: false });
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
      problems.push(`${nameOf(place, paths)}: ${reason}${nearest === null ? '' : `; nearest: ${nearest}`}`);
    }
    return [];
  }
}

function nameOf(place: string, paths: readonly string[]): string {
  const device = /^devices\[(\d+)\]$/.exec(place);
  if (device !== null) return paths[Number(device[1])]!;
  return OPTION_NAMES[place] ?? place;
}
