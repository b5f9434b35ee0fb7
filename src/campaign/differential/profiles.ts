import type { MountOptions } from '../../fs/filesystem.ts';
import type { KernelFileSystem } from './exceptions.ts';
import { WEIGHTS_OF_ALL, type Weights } from './generator.ts';
import type { Limitation } from './limitations.ts';

/** On what the sequences run. */
export interface DifferentialProfile {
  readonly name: string;
  readonly title: string;
  readonly fileSystems: readonly KernelFileSystem[];
  /** Who makes the engine's image and Linux's: the engine, or mkfs of the host. */
  readonly engineMadeBy: 'engine' | 'tool';
  readonly linuxMadeBy: 'engine' | 'tool';
  readonly nodeSize: number;
  /** More words for `mkfs.btrfs`. */
  readonly toolOptions: readonly string[];
  readonly engineOptions: Partial<MountOptions>;
  readonly linuxOptions: string;
  readonly weights: Weights;
  readonly limitation: Limitation | null;
  readonly isCompressed: boolean;
}

const BTRFS = ['btrfs'] as const;

const PLAIN: DifferentialProfile = {
  name: 'plain',
  title: 'one device, 16 KiB nodes, images by the engine',
  fileSystems: BTRFS,
  engineMadeBy: 'engine',
  linuxMadeBy: 'engine',
  nodeSize: 16384,
  toolOptions: [],
  engineOptions: {},
  linuxOptions: '',
  weights: WEIGHTS_OF_ALL,
  limitation: null,
  isCompressed: false,
};

export const PROFILES: readonly DifferentialProfile[] = [
  PLAIN,
  {
    ...PLAIN,
    name: 'portable',
    title: 'operations that every file system has',
    fileSystems: ['btrfs', 'ext4', 'xfs'],
    limitation: 'portable',
  },
  { ...PLAIN, name: 'small-nodes', title: 'nodes of 4 KiB', nodeSize: 4096, fileSystems: BTRFS },
  {
    ...PLAIN,
    name: 'foreign',
    title: 'both on images by mkfs.btrfs',
    engineMadeBy: 'tool',
    linuxMadeBy: 'tool',
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'holes',
    title: 'images by mkfs.btrfs without no-holes',
    engineMadeBy: 'tool',
    linuxMadeBy: 'tool',
    toolOptions: ['-O', '^no-holes'],
    limitation: 'no-space-beyond-the-end',
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'whole-sectors',
    title: 'no truncates to the middle of a sector; what is shared is compared',
    limitation: 'whole-sectors',
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'no-inline',
    title: 'max_inline=0',
    engineOptions: { maxInline: 0 } as Partial<MountOptions>,
    linuxOptions: 'max_inline=0',
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'zlib',
    title: 'compress=zlib',
    engineOptions: { compress: 'zlib' } as Partial<MountOptions>,
    linuxOptions: 'compress=zlib',
    isCompressed: true,
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'zstd-force',
    title: 'compress-force=zstd',
    engineOptions: { compress: 'zstd', compressForce: true } as Partial<MountOptions>,
    linuxOptions: 'compress-force=zstd',
    isCompressed: true,
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'nodatacow',
    title: 'nodatacow',
    engineOptions: { nodatacow: true } as Partial<MountOptions>,
    linuxOptions: 'nodatacow',
    fileSystems: BTRFS,
  },
  {
    ...PLAIN,
    name: 'nodatasum',
    title: 'nodatasum',
    engineOptions: { nodatasum: true } as Partial<MountOptions>,
    linuxOptions: 'nodatasum',
    fileSystems: BTRFS,
  },
];

export function profileNamed(name: string): DifferentialProfile | null {
  return PROFILES.find((profile) => profile.name === name) ?? null;
}
