import { toHex } from '../../base/bytes.ts';
import { checkImage } from '../../oracle/structure/check-image.ts';
import type { StructureReport } from '../../oracle/structure/fault-report.ts';
import type { DiskImage } from '../../record/image.ts';
import { NoImage, openImageFile } from './image-file.ts';

/** One file system in one or more image files, and what the structure oracle says about it. */
export interface CheckedFilesystem {
  /** In the order of the device ids. */
  readonly files: readonly string[];
  readonly report: StructureReport;
}

const SUPERBLOCK_AT = 65536;
const FSID_AT = 32;
const MAGIC_AT = 64;
const DEVICE_ID_AT = 201;

interface OpenedImage {
  readonly path: string;
  readonly image: DiskImage;
  readonly fsid: string;
  readonly deviceId: number;
  readonly isBtrfs: boolean;
}

/**
 * Walks each file system. Images with the same file system id and different device ids are the devices of one. Throws
 * `NoImage`, which names every file that cannot be an image.
 */
export function checkImages(paths: readonly string[]): CheckedFilesystem[] {
  const groups: OpenedImage[][] = [];
  for (const opened of openAll(paths)) {
    const group = groups.find((members) => belongsTo(members, opened));
    if (group === undefined) groups.push([opened]);
    else group.push(opened);
  }
  return groups.map((members) => {
    const sorted = [...members].sort((a, b) => a.deviceId - b.deviceId);
    return {
      files: sorted.map(({ path }) => path),
      report: checkImage(sorted.map(({ image }) => image)),
    };
  });
}

function openAll(paths: readonly string[]): OpenedImage[] {
  const problems: string[] = [];
  const images = paths.flatMap((path) => {
    try {
      return [open(path)];
    } catch (error) {
      if (!(error instanceof NoImage)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw new NoImage(problems.join('\n'));
  return images;
}

function belongsTo(members: readonly OpenedImage[], opened: OpenedImage): boolean {
  return (
    opened.isBtrfs &&
    members.every((member) => member.isBtrfs && member.fsid === opened.fsid && member.deviceId !== opened.deviceId)
  );
}

function open(path: string): OpenedImage {
  const image = openImageFile(path);
  const bytes = image.read(SUPERBLOCK_AT, 4096);
  return {
    path,
    image,
    fsid: toHex(bytes.subarray(FSID_AT, FSID_AT + 16)),
    isBtrfs: Buffer.from(bytes.subarray(MAGIC_AT, MAGIC_AT + 8)).toString('latin1') === '_BHRfS_M',
    deviceId: new DataView(bytes.buffer, bytes.byteOffset).getUint32(DEVICE_ID_AT, true),
  };
}
