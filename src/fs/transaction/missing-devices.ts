import { chunkBeyondHelp, profileOf } from '../volume/profiles.ts';
import type { Volume } from '../volume/volume.ts';

/** What keeps a file system from being written while devices are missing, in the words of Linux; null: nothing does. */
export function tooManyMissing(volume: Volume): string | null {
  if (volume.devices().every((device) => !device.isMissing)) return null;
  const chunk = chunkBeyondHelp(volume.chunks(), (device) => device.isMissing);
  if (chunk === null) return null;
  const missing = chunk.stripes.filter(({ device }) => device.isMissing).length;
  const tolerance = profileOf(chunk.flags).failuresTolerated;
  return `chunk ${chunk.logical} missing ${missing} devices, max tolerance is ${tolerance} for writable mount`;
}
