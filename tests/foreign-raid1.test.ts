import { expect, test } from 'vitest';
import { scrub } from '../src/fs/ioctls.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import { complaintOf } from './support/complaint.ts';
import { differences } from './support/foreign-changes.ts';
import { changeByLinux, makeForeign } from './support/foreign-images.ts';
import { whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { runOn } from './support/replace-scenario.ts';

const missing = whyNoLoopFilesystem();
const MIB = 1024 * 1024;
const SUPERBLOCK_MIRROR = 64 * MIB;

/** Every other written block behind the first MiB is spoiled. */
function spoil(disk: BlockTable): BlockTable {
  const spoilt = disk.snapshot();
  let index = 0;
  for (const { offset, bytes } of disk.written()) {
    if (offset < MIB || offset === SUPERBLOCK_MIRROR || index++ % 2 === 0) continue;
    spoilt.write(offset, new Uint8Array(bytes.length).fill(0xee));
  }
  return spoilt;
}

/**
 * Goal: a pair by Linux with one bad device is healed. Method: half of what one device holds is overwritten, the engine
 * scrubs, and Linux, which reads every copy, finds nothing left to repair.
 */
test.skipIf(missing !== null).each([0, 1])(
  'a RAID1 pair by Linux whose device %i is damaged is repaired by a scrub, and Linux finds no error',
  { timeout: 60_000 },
  async (bad) => {
    const image = makeForeign({
      name: 'RAID1',
      megabytes: [256, 256],
      mkfs: '-m raid1 -d raid1',
      // Damage of what has no checksum cannot be told from data.
      work: 'rm nocow; sync -f .; btrfs subvolume snapshot . snap >/dev/null; mv d e',
    });
    const damaged = image.disks.map((disk, index) => (index === bad ? spoil(disk) : disk));
    const { value, disks } = runOn(damaged, function* (fs) {
      const options = { start: 0, end: null, readOnly: false, resume: false } as const;
      const first = yield* scrub(fs, { ...options, devid: bad + 1 });
      const second = yield* scrub(fs, { ...options, devid: null });
      return { first, second, wrong: yield* differences(fs, image.files) };
    });
    expect(value.wrong).toEqual([]);
    expect(value.first.corrected_errors).toBeGreaterThan(100);
    expect(value.first.uncorrectable_errors).toBe(0);
    expect(value.second).toMatchObject({ corrected_errors: 0, uncorrectable_errors: 0, csum_errors: 0 });
    const { errors, warnings } = checkImage(disks);
    expect([...errors, ...warnings]).toEqual([]);
    expect(complaintOf(await btrfsCheck(disks))).toBeNull();
    expect(complaintOf(await kernelMount(disks, image.files))).toBeNull();
    // A scrub that finds an error ends with a code that is not 0.
    const after = changeByLinux(disks, 'btrfs scrub start -B -R . > /dev/null');
    expect(checkImage(after).errors).toEqual([]);
  },
);
