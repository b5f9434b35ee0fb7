import { type Profile, profileNamed } from '../volume/profiles.ts';

/** Profiles that a file system can be made with: all of btrfs but RAID10, RAID5 and RAID6. */
export const MAKE_PROFILE_NAMES = ['single', 'dup', 'raid0', 'raid1', 'raid1c3', 'raid1c4'] as const;
export type MakeProfileName = (typeof MAKE_PROFILE_NAMES)[number];

export function isMakeProfile(name: string): name is MakeProfileName {
  return (MAKE_PROFILE_NAMES as readonly string[]).includes(name);
}

export function makeProfileOf(name: MakeProfileName): Profile {
  return profileNamed(name)!;
}

/** How many devices a new chunk lies on. */
export function devicesUsed(profile: Profile, deviceCount: number): number {
  return Math.min(profile.devicesMax ?? deviceCount, deviceCount);
}

/** How long each stripe of a chunk of `length` logical bytes is. */
export function stripeBytes(profile: Profile, length: number, deviceCount: number): number {
  const stripes = devicesUsed(profile, deviceCount) * profile.stripesPerDevice;
  return (length * profile.copies) / stripes;
}
