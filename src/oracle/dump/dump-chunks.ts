import { showBlockGroupFlags } from '../../fs/format/block-group.ts';
import type { Chunk } from '../structure/chunk-map.ts';
import { type DumpRecord, plainNumber } from './dump-value.ts';
import type { RawFilesystem } from './raw-filesystem.ts';

/** Beyond any real chunk: a damaged one may claim thousands. */
const STRIPES_MAX = 64;

/** How the logical address space lies on the devices, in the order of addresses. */
export function dumpChunks({ chunks }: RawFilesystem): DumpRecord[] {
  return chunks.chunks.map((chunk) => ({
    logical: plainNumber(chunk.start),
    length: plainNumber(chunk.length),
    type: showBlockGroupFlags(chunk.type),
    stripes: stripesOf(chunk, chunks.devices),
  }));
}

function stripesOf(chunk: Chunk, devices: ReadonlyMap<number, unknown>): DumpRecord[] {
  return Array.from({ length: Math.min(chunk.stripes, STRIPES_MAX) }, (_, stripe) => {
    const device = chunk.deviceOf(stripe);
    const place = { device: plainNumber(device), offset: plainNumber(chunk.offsetOf(stripe)) };
    return devices.has(device) ? place : { ...place, missing: true };
  });
}
