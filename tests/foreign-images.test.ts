import { describe, expect, test } from 'vitest';
import { mountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { type ExpectedFile, kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { complaintOf } from './support/complaint.ts';
import { changeEverything, differences } from './support/foreign-changes.ts';
import { changeByLinux, FOREIGN_RECIPES, makeForeign } from './support/foreign-images.ts';
import { whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { runOn } from './support/replace-scenario.ts';

/**
 * Goal: what mkfs.btrfs and Linux write is read, changed and left in a state that Linux goes on with. Method: one image of
 * each kind; the engine reads every file of every subvolume, mounted read-only, then changes a part of all; three judges
 * look at the result, and Linux deletes subvolumes and writes, balances and scrubs, after which they look again.
 */
const missing = whyNoLoopFilesystem();
const TOP = { subvolume: '/' } as const;

const LINUX_GOES_ON = `
for subvolume in snap-1 snap-2 sub/nested sub; do [ -d $subvolume ] && btrfs subvolume delete -C $subvolume >/dev/null; done
btrfs subvolume sync .
rm -rf d/e; bytes 100000 > linux-again; sync -f .
`;
const LINUX_MOVES_ALL = 'btrfs balance start --full-balance . >/dev/null; btrfs scrub start -B . >/dev/null\n';
/** A balance takes longer than all the rest: of every third image, unless `FSQUAKE_ALL_CASES=1`. */
const isMoved = (index: number) => index % 3 === 0 || process.env['FSQUAKE_ALL_CASES'] === '1';

function faultsOf(disks: readonly BlockTable[]): string[] {
  const { errors, warnings } = checkImage(disks);
  return [...errors, ...warnings].map(({ message }) => message);
}

/** What a read-only mount finds different; nothing may be written. */
function readAll(disks: readonly BlockTable[], files: readonly ExpectedFile[]): string[] {
  const world = new SimulatedWorld({ devices: disks, lockOrder: LOCK_ORDER });
  let found: string[] = ['it did not end'];
  world.execute(function* readOnly(): Task<void> {
    const fs = yield* mountFilesystem(world, { fixes: allFixes(), readOnly: true, ...TOP });
    found = yield* differences(fs, files);
  });
  expect(world.devices.map((device, index) => device.visible().fingerprint === disks[index]!.fingerprint)).toEqual(
    disks.map(() => true),
  );
  return found;
}

describe.skipIf(missing !== null)('an image by mkfs.btrfs and Linux', () => {
  test.each(FOREIGN_RECIPES)('with $name is read, changed, and taken back', async (recipe) => {
    const image = makeForeign(recipe);
    expect(image.files.length).toBeGreaterThan(40);
    expect(faultsOf(image.disks)).toEqual([]);
    expect(readAll(image.disks, image.files)).toEqual([]);

    const { value: left, disks } = runOn(image.disks, (fs) => changeEverything(fs, image.files), { mount: TOP });
    expect(faultsOf(disks)).toEqual([]);
    expect(complaintOf(await btrfsCheck(disks))).toBeNull();
    expect(complaintOf(await kernelMount(disks, recipe.hasOtherDefault === true ? [] : left))).toBeNull();

    const later = changeByLinux(
      disks,
      LINUX_GOES_ON + (isMoved(FOREIGN_RECIPES.indexOf(recipe)) ? LINUX_MOVES_ALL : ''),
      'subvolid=5',
    );
    expect(faultsOf(later)).toEqual([]);
    expect(complaintOf(await btrfsCheck(later))).toBeNull();
  });
});
