import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { type MakeFilesystemOptions, makeFilesystem } from '../src/fs/mkfs.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { BlockTable } from '../src/record/block-table.ts';
import { complaintOf } from './support/complaint.ts';

const SIZE = 64 * MIB;

/** Every profile on as few devices as it takes, on one more, and with devices of different sizes. */
const SAMPLES: readonly MakeFilesystemOptions[] = [
  { devices: [SIZE, SIZE] },
  { devices: [SIZE, SIZE], metadataProfile: 'dup', dataProfile: 'dup' },
  { devices: [SIZE], metadataProfile: 'raid0', dataProfile: 'raid0' },
  { devices: [SIZE, SIZE], metadataProfile: 'raid0', dataProfile: 'raid0' },
  { devices: [SIZE, SIZE, SIZE], metadataProfile: 'raid0', dataProfile: 'raid0', nodeSize: 16384 },
  { devices: [SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'raid1' },
  { devices: [SIZE, 2 * SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'single' },
  { devices: [SIZE, SIZE, SIZE], metadataProfile: 'raid1c3', dataProfile: 'raid0' },
  { devices: [SIZE, SIZE, SIZE, SIZE, SIZE], metadataProfile: 'raid1c4', dataProfile: 'raid1c3' },
  { devices: [16 * MIB, 16 * MIB], metadataProfile: 'raid1', dataProfile: 'raid1' },
];

/** Programs of the host find members by uuid, so file systems that may be attached at the same time must differ. */
const SEED = `multi-device-mkfs-${process.pid}`;

function imagesOf(options: MakeFilesystemOptions): BlockTable[] {
  const disks = options.devices.map((size) => new BlockTable(size));
  const seed = `${SEED}-${SAMPLES.indexOf(options)}`;
  for (const { device, offset, bytes } of makeFilesystem({ ...options, seed })) disks[device]!.write(offset, bytes);
  return disks;
}

describe('a new file system on several devices', () => {
  for (const options of SAMPLES) {
    const { devices, metadataProfile = 'single', dataProfile = 'single' } = options;
    const sizes = devices.map((size) => size / MIB).join('+');
    test(`of metadata ${metadataProfile} and data ${dataProfile} on ${sizes} MiB satisfies btrfs check and Linux`, async () => {
      const images = imagesOf(options);
      const check = await btrfsCheck(images);
      if (check.verdict !== 'not-judged') expect(complaintOf(check)).toBeNull();
      const mounted = await kernelMount(images);
      if (mounted.verdict !== 'not-judged') expect(complaintOf(mounted)).toBeNull();
    }, 60_000);
  }
});
