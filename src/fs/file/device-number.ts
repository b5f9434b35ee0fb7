import { FsError } from '../errors.ts';

/** What a character or block device is known by. */
export interface DeviceNumber {
  /** Below 2^12. */
  readonly major: number;
  /** Below 2^20. */
  readonly minor: number;
}

const MINORS = 2 ** 20;
const MAJORS = 2 ** 12;

/** As an inode item has it. Throws EINVAL for numbers out of range. */
export function encodeDevice({ major, minor }: DeviceNumber): number {
  const fits = Number.isInteger(major) && Number.isInteger(minor) && major >= 0 && minor >= 0;
  if (!fits || major >= MAJORS || minor >= MINORS) {
    throw new FsError('EINVAL', `device ${major}:${minor}: its numbers must be below ${MAJORS} and ${MINORS}`);
  }
  return major * MINORS + minor;
}

export function decodeDevice(device: number): DeviceNumber {
  return { major: Math.floor(device / MINORS), minor: device % MINORS };
}
