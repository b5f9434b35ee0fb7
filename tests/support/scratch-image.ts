import { checkImage } from '../../src/oracle/structure/check-image.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { ScratchFilesystem } from './scratch-filesystem.ts';

const BLOCK = 4096;

/** The disks as they are now, as if the power went. */
export function imagesOf(scratch: ScratchFilesystem): BlockTable[] {
  return scratch.world.devices.map((device) => {
    const image = new BlockTable(device.size);
    for (const [block, bytes] of device.blocks) image.write(block * BLOCK, bytes);
    return image;
  });
}

/** All that the structure oracle has to say about the disks; empty for a clean image. */
export function complaintsAbout(scratch: ScratchFilesystem): string[] {
  const { errors, warnings, unsupported } = checkImage(imagesOf(scratch));
  return [...errors, ...warnings].map(({ message }) => message).concat(unsupported);
}
