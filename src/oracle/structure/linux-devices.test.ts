import { beforeAll, describe, expect, test } from 'vitest';
import { imagesByLinux, whyNoLoopFilesystem } from '../../../tests/support/loop-filesystem.ts';
import type { BlockTable } from '../../record/block-table.ts';
import { badCopies } from '../replication/copies.ts';
import { missingOnTarget } from '../replication/replaced-device.ts';
import { checkImage } from './check-image.ts';
import type { StructureReport } from './fault-report.ts';
import { LiveSpace } from './live-space.ts';
import { openImage } from './open-image.ts';
import { spaceOnDisk } from './space-on-disk.ts';

/**
 * Goal: what a kernel leaves of several devices gets no complaint, and what is wrong with it gets the right one.
 * Method: real mkfs, real mounts, real device replaces on loop devices; each scenario once.
 */
const reason = whyNoLoopFilesystem();
const suite = describe.skipIf(reason !== null);
const skipped = reason === null ? '' : ` (skipped: ${reason})`;

const FILL = `
head -c 9000000 /dev/urandom > $dir/f
touch $dir/nocow; chattr +C $dir/nocow; head -c 300000 /dev/urandom > $dir/nocow
fallocate -l 1M $dir/prealloc; dd if=/dev/urandom of=$dir/prealloc bs=4k count=5 seek=10 conv=notrunc status=none
i=0; while [ $i -lt 50 ]; do echo "file $i" > $dir/s$i; i=$((i+1)); done
sync
dd if=/dev/urandom of=$dir/f bs=4k count=9 seek=100 conv=notrunc status=none; rm $dir/s1*; sync
`;

function complaints(report: StructureReport): string[] {
  return [...report.errors, ...report.warnings]
    .map((fault) => fault.message)
    .concat(report.unsupported, report.notChecked);
}

function faults(report: StructureReport): string[] {
  return [...new Set(report.errors.map((one) => one.fault))].sort();
}

const PROFILES = [
  ['DUP and single', [256], '-m dup -d single'],
  ['DUP', [256], '-m dup -d dup'],
  ['RAID1', [256, 256], '-m raid1 -d raid1'],
  ['RAID0', [256, 256], '-m raid0 -d raid0'],
  ['RAID1C3 and RAID0', [256, 256, 256], '-m raid1c3 -d raid0'],
  ['RAID1C4', [256, 256, 256, 256], '-m raid1c4 -d raid1c4'],
] as const;

suite(`several copies, as Linux writes them${skipped}`, () => {
  test.each(PROFILES)('%s', (_name, sizes, options) => {
    const images = imagesByLinux(
      sizes,
      `mkfs.btrfs -q -f ${options} "$@"\nbtrfs device scan "$@"\nmount $1 $dir\n${FILL}\numount $dir`,
    );
    expect(complaints(checkImage(images))).toEqual([]);
    expect(badCopies(images)).toEqual([]);
    expect(spaceOnDisk(images)?.faults).toEqual([]);
    const live = LiveSpace.read(images)!;
    expect(live.isWhole).toBe(true);
    expect(live.written.length).toBeGreaterThan(4);
    expect(openImage(images)!.readFile('/f')?.length).toBe(9_000_000);
  });
});

suite(`a device that Linux replaced${skipped}`, () => {
  let images: BlockTable[] = [];
  beforeAll(() => {
    if (reason !== null) return;
    images = imagesByLinux(
      [256, 256, 256],
      `mkfs.btrfs -q -f -m raid1 -d single $1 $2\nbtrfs device scan $1 $2\nmount $1 $dir\n${FILL}
       btrfs replace start -B -f 1 $3 $dir\numount $dir`,
    );
  });

  test('is no member any more: its disk, blank now, may lie about', () => {
    expect(complaints(checkImage(images))).toEqual([]);
    expect(complaints(checkImage(images.slice(1)))).toEqual([]);
    expect(LiveSpace.read(images)?.imageOf.get(1)).toBe(2);
  });

  test('has handed over all that was live, and its disk has kept it', () => {
    expect(badCopies(images)).toEqual([]);
    const swap = { kind: 'device-replaced', source: 0, target: 2, devid: 1 } as const;
    const damaged = images.map((image) => image.snapshot());
    expect(missingOnTarget(images, swap)).toEqual([]);
    const live = LiveSpace.read(images)!;
    // Which device data went to is the kernel's choice; of a mirrored tree block one copy lies on each.
    const block = live.extents.find((extent) => extent.isTree)!;
    const at: number[] = [];
    live.eachPiece(block.start, block.length, ({ device, offset }) => {
      if (device === swap.devid) at.push(offset);
    });
    expect(at).toHaveLength(1);
    damaged[2]!.write(at[0]!, new Uint8Array(4096).fill(7));
    expect(missingOnTarget(damaged, swap)).toHaveLength(1);
  });

  test('is missed when only the blank disk is there', () => {
    expect(faults(checkImage(images.slice(0, 2)))).toContain('device-missing');
    expect(faults(checkImage(images.slice(0, 2)))).toContain('superblock-magic');
  });
});

suite(`a device replace that Linux has suspended${skipped}`, () => {
  let images: BlockTable[] = [];
  beforeAll(() => {
    if (reason !== null) return;
    // A remount read-only is what suspends it; the limit keeps it from being through before.
    images = imagesByLinux(
      [256, 256, 256],
      `mkfs.btrfs -q -f -m raid1 -d single $1 $2\nbtrfs device scan $1 $2\nmount $1 $dir\n${FILL}
       fsid=$(btrfs filesystem show $dir | sed -n 's/.*uuid: //p')
       echo 400k > /sys/fs/btrfs/$fsid/devinfo/1/scrub_speed_max
       btrfs replace start -f 1 $3 $dir; sleep 0.5; mount -o remount,ro $dir
       for attempt in 1 2 3 4 5 6 7 8 9 10; do umount $dir && break; sleep 0.3; done`,
    );
  });

  test('gets no complaint, with its target at hand', () => {
    expect(complaints(checkImage(images))).toEqual([]);
    const live = LiveSpace.read(images)!;
    expect(live.replace).toMatchObject({ source: 1 });
    expect(live.target).toBe(2);
    expect(badCopies(images)).toEqual([]);
  });

  test('has not copied everything', () => {
    const swap = { kind: 'device-replaced', source: 0, target: 2, devid: 1 } as const;
    expect(missingOnTarget(images, swap).length).toBeGreaterThan(0);
  });

  test('cannot go on without its target', () => {
    expect(faults(checkImage(images.slice(0, 2)))).toEqual(['dev-replace-target-missing']);
    expect(faults(checkImage(images.slice(1)))).toContain('device-missing');
  });
});

suite(`a mirror that missed writes${skipped}`, () => {
  let images: BlockTable[] = [];
  beforeAll(() => {
    if (reason !== null) return;
    images = imagesByLinux(
      [256, 256],
      `mkfs.btrfs -q -f -m raid1 -d raid1 $1 $2\nbtrfs device scan $1 $2\nmount $1 $dir\n${FILL}
       umount $dir; btrfs device scan --forget $2
       mount -o degraded $1 $dir; dd if=/dev/urandom of=$dir/s3 bs=4k count=9 conv=notrunc status=none; umount $dir`,
    );
  });

  test('is stale, and what it holds does not hide what its twin has', () => {
    expect(faults(checkImage(images))).toContain('superblock-stale');
    const left = checkImage(images, { crashed: true, verifyCopies: false });
    expect(faults(left)).toEqual([]);
    const bad = badCopies(images);
    expect(bad.length).toBeGreaterThan(0);
    expect(new Set(bad.map(({ image }) => image))).toEqual(new Set([1]));
  });

  test('or is missing: then nothing else is wrong', () => {
    expect(faults(checkImage(images.slice(0, 1)))).toEqual(['device-missing']);
    expect(badCopies(images.slice(0, 1))).toEqual([]);
  });
});

suite(`a device that Linux removed${skipped}`, () => {
  test('leaves no trace but its error counters, and none on its disk', () => {
    const images = imagesByLinux(
      [256, 256, 256],
      `mkfs.btrfs -q -f -m raid1 -d single $1 $2\nbtrfs device scan $1 $2\nmount $1 $dir\n${FILL}
       btrfs device add -f $3 $dir; sync; btrfs device remove $1 $dir; umount $dir`,
    );
    expect(complaints(checkImage(images))).toEqual([]);
    expect([...LiveSpace.read(images)!.imageOf.keys()].sort()).toEqual([2, 3]);
    // One forgotten mirror would bring it back from the dead.
    const forgotten = images.map((image) => image.snapshot());
    forgotten[0]!.write(67108864, forgotten[1]!.read(67108864, 4096).slice());
    expect(faults(checkImage(forgotten))).toEqual(['superblock-left-behind']);
  });
});
