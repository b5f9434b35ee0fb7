/**
 * Feature bits of the superblock by the names that upstream prints, all that are known there, so that one that the
 * engine lacks is refused by name.
 */
export interface FeatureFlag {
  readonly bit: number;
  readonly name: string;
}

export const INCOMPAT_FLAGS = [
  { bit: 0, name: 'MIXED_BACKREF' },
  { bit: 1, name: 'DEFAULT_SUBVOL' },
  { bit: 2, name: 'MIXED_GROUPS' },
  { bit: 3, name: 'COMPRESS_LZO' },
  { bit: 4, name: 'COMPRESS_ZSTD' },
  { bit: 5, name: 'BIG_METADATA' },
  { bit: 6, name: 'EXTENDED_IREF' },
  { bit: 7, name: 'RAID56' },
  { bit: 8, name: 'SKINNY_METADATA' },
  { bit: 9, name: 'NO_HOLES' },
  { bit: 10, name: 'METADATA_UUID' },
  { bit: 11, name: 'RAID1C34' },
  { bit: 12, name: 'ZONED' },
  { bit: 13, name: 'EXTENT_TREE_V2' },
  { bit: 14, name: 'RAID_STRIPE_TREE' },
  { bit: 16, name: 'SIMPLE_QUOTA' },
  { bit: 17, name: 'REMAP_TREE' },
] as const satisfies readonly FeatureFlag[];

export const COMPAT_RO_FLAGS = [
  { bit: 0, name: 'FREE_SPACE_TREE' },
  { bit: 1, name: 'FREE_SPACE_TREE_VALID' },
  { bit: 2, name: 'VERITY' },
  { bit: 3, name: 'BLOCK_GROUP_TREE' },
] as const satisfies readonly FeatureFlag[];

export type IncompatName = (typeof INCOMPAT_FLAGS)[number]['name'];
export type CompatRoName = (typeof COMPAT_RO_FLAGS)[number]['name'];

/** Bits by name: `INCOMPAT.NO_HOLES` is 0x200. */
export const INCOMPAT = valuesOf(INCOMPAT_FLAGS);
export const COMPAT_RO = valuesOf(COMPAT_RO_FLAGS);

/** What mkfs.btrfs sets by default and the engine writes: 0x341. BIG_METADATA is added for nodes above 4096 bytes. */
export const INCOMPAT_DEFAULT =
  INCOMPAT.MIXED_BACKREF | INCOMPAT.EXTENDED_IREF | INCOMPAT.SKINNY_METADATA | INCOMPAT.NO_HOLES;
export const COMPAT_RO_DEFAULT = COMPAT_RO.FREE_SPACE_TREE | COMPAT_RO.FREE_SPACE_TREE_VALID;

/** The names of all set bits of the 64 at `at`, lowest first; `UNKNOWN.40` for a bit without a name. */
export function featureNames(view: DataView, at: number, flags: readonly FeatureFlag[]): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const word = view.getUint32(at + (bit < 32 ? 0 : 4), true);
    if (((word >>> (bit & 31)) & 1) === 0) continue;
    names.push(flags.find((flag) => flag.bit === bit)?.name ?? `UNKNOWN.${bit}`);
  }
  return names;
}

function valuesOf<Flag extends FeatureFlag>(flags: readonly Flag[]): Readonly<Record<Flag['name'], number>> {
  return Object.fromEntries(flags.map(({ name, bit }) => [name, 2 ** bit])) as Record<Flag['name'], number>;
}
