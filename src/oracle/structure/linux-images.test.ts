import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileImage } from '../../../tests/support/host-image.ts';
import { shellOnItsOwn } from '../../../tests/support/loop-filesystem.ts';
import { checkImage } from './check-image.ts';
import type { StructureReport } from './fault-report.ts';
import { openImage } from './open-image.ts';

const MIB = 1024 * 1024;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fsquake-structure-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const noMkfs = reasonAgainst(() => execFileSync('mkfs.btrfs', ['--version'], { stdio: 'ignore' }), 'needs mkfs.btrfs');
const noLoop =
  noMkfs ??
  (process.getuid?.() === 0
    ? reasonAgainst(() => accessSync('/dev/loop-control', constants.W_OK), 'needs loop devices')
    : 'needs root and loop devices');

function reasonAgainst(attempt: () => unknown, reason: string): string | null {
  try {
    attempt();
    return null;
  } catch {
    return reason;
  }
}

function titled(title: string, reason: string | null): string {
  return reason === null ? title : `${title} (skipped: ${reason})`;
}

function makeImages(name: string, count: number, megabytes: number, options: readonly string[]): string[] {
  const paths = Array.from({ length: count }, (_, index) => join(folder, `${name}-${index}.img`));
  for (const path of paths) {
    writeFileSync(path, '');
    truncateSync(path, megabytes * MIB);
  }
  execFileSync('mkfs.btrfs', ['-q', '-f', ...options, ...paths], { stdio: 'ignore' });
  return paths;
}

function check(paths: readonly string[]): StructureReport {
  const images = paths.map((path) => new FileImage(path));
  try {
    return checkImage(images);
  } finally {
    for (const image of images) image.close();
  }
}

function complaints(report: StructureReport): string[] {
  return [...report.errors, ...report.warnings].map((fault) => fault.message).concat(report.unsupported);
}

const MADE_BY_MKFS: readonly (readonly [name: string, devices: number, megabytes: number, options: string])[] = [
  ['nodes of 4 KiB', 1, 128, '-n 4096'],
  ['nodes of 8 KiB', 1, 128, '-n 8192'],
  ['nodes of 16 KiB', 1, 128, '-n 16384'],
  ['nodes of 32 KiB', 1, 128, '-n 32768'],
  ['nodes of 64 KiB', 1, 128, '-n 65536'],
  ['single metadata', 1, 128, '-m single -d single'],
  ['mixed block groups', 1, 64, '--mixed -n 4096'],
  ['no free space tree', 1, 128, '-R ^free-space-tree'],
  ['no features', 1, 128, '-O ^no-holes,^skinny-metadata,^extref -R ^free-space-tree'],
  ['DUP data', 1, 256, '-m dup -d dup'],
  ['RAID0', 2, 256, '-m raid0 -d raid0'],
  ['RAID1', 2, 256, '-m raid1 -d raid1'],
  ['RAID10', 4, 256, '-m raid10 -d raid10'],
  ['RAID1C3', 3, 256, '-m raid1c3 -d raid1c3'],
  ['RAID5', 3, 256, '-m raid5 -d raid5'],
  ['RAID6', 3, 256, '-m raid6 -d raid6'],
];

test.skipIf(noMkfs !== null).each(MADE_BY_MKFS)(
  titled('an image by mkfs.btrfs with %s gets no complaint', noMkfs),
  (name, devices, megabytes, options) => {
    const paths = makeImages(name.replaceAll(' ', '-'), devices, megabytes, options.split(' '));
    const report = check(paths);
    expect(complaints(report)).toEqual([]);
    expect(report.notChecked).toEqual([]);
    for (const path of paths) rmSync(path);
  },
);

test.skipIf(noMkfs !== null)(titled('one damaged copy of a mirrored block is found', noMkfs), () => {
  const [first, second] = makeImages('damaged', 2, 256, ['-m', 'raid1', '-d', 'raid1']) as [string, string];
  execFileSync('dd', ['if=/dev/urandom', `of=${second}`, 'bs=1M', 'seek=1', 'count=80', 'conv=notrunc'], {
    stdio: 'ignore',
  });
  const report = check([first, second]);
  expect(report.errors.map((fault) => fault.fault)).toContain('block-checksum');
  // The other copy carried the walk: nothing else is wrong but the mirror superblock that was overwritten.
  const others = report.errors.filter((fault) => !/^(block-checksum|superblock-m)/.test(fault.fault));
  expect(others).toEqual([]);
});

test.skipIf(noMkfs !== null)(titled('a missing device is named', noMkfs), () => {
  const [first] = makeImages('missing', 2, 256, ['-m', 'raid1', '-d', 'raid1']) as [string, string];
  const names = check([first]).errors.map((fault) => fault.fault);
  expect(names).toContain('device-missing');
});

/** One of everything; `$1` the image, `$2` mount options, `$3` what to do at the end. Always cleans up. */
const FILL = `
set -e
loops=
for image in $1; do loops="$loops $(losetup -f --show $image)"; done
dir=$(mktemp -d)
cleanup() {
  cd /
  umount $dir 2>/dev/null || true
  for loop in $loops; do btrfs device scan --forget $loop 2>/dev/null || true; losetup -d $loop || true; done
  rmdir $dir
}
trap cleanup EXIT
own_devices $loops
if [ $(echo $loops | wc -w) -gt 1 ]; then btrfs device scan $loops; fi
mount -o $2 $(echo $loops | cut -d' ' -f1) $dir
cd $dir
mkdir -p a/b/c
i=0; while [ $i -lt 150 ]; do echo "file $i" > a/f$i; i=$((i+1)); done
i=1; while [ $i -lt 20 ]; do head -c $((i*3000)) /dev/urandom > a/b/r$i; i=$((i+1)); done
yes hello | head -c 400000 > text
ln a/f1 a/b/hard; ln -s /some/target symlink; mkfifo fifo
i=0; while [ $i -lt 30 ]; do ln a/f2 a/b/c/a-long-name-for-a-hard-link-so-that-one-item-cannot-hold-them-all-and-another-kind-is-needed-$i; i=$((i+1)); done
fallocate -l 1M prealloc; dd if=/dev/urandom of=prealloc bs=4k count=5 seek=10 conv=notrunc status=none
touch keep; fallocate -n -l 200K keep; truncate -s 10M sparse; echo x >> sparse
touch nocow; chattr +C nocow; head -c 100000 /dev/urandom > nocow
btrfs subvolume create sub; cp text sub/t; btrfs subvolume create sub/nested; echo n > sub/nested/n
sync
btrfs subvolume snapshot sub snap; btrfs subvolume snapshot -r . readonly
i=0; while [ $i -lt 60 ]; do echo "file $i again" > a/f$i; i=$((i+1)); done
cp --reflink=always text clone
dd if=/dev/urandom of=text bs=4k count=3 seek=20 conv=notrunc status=none
fallocate -p -o 8192 -l 20000 a/b/r15
truncate -s 5000 a/b/r12; rm -f a/f1?; mv a/b/r11 moved
sync
rm snap/t; btrfs subvolume delete sub/nested; btrfs subvolume snapshot snap snap2
case $3 in
  balance) btrfs balance start --full-balance . ;;
  delete) btrfs subvolume delete readonly ;;
  fragment)
    # Every second block freed: the free space tree turns to bitmaps.
    i=0; while [ $i -lt 200 ]; do head -c 4096 /dev/urandom > piece$i; [ $((i%40)) = 0 ] && sync; i=$((i+1)); done
    i=0; while [ $i -lt 200 ]; do rm piece$i; i=$((i+2)); done
    sync ;;
esac
`;

const WRITTEN_BY_LINUX: readonly (readonly [
  name: string,
  devices: number,
  options: string,
  mount: string,
  end: string,
])[] = [
  ['zlib, nodes of 4 KiB', 1, '-n 4096 -m single', 'compress-force=zlib', 'fragment'],
  ['defaults and a balance', 1, '-n 16384', 'rw', 'balance'],
  ['mixed block groups and zstd', 1, '--mixed -n 4096', 'compress=zstd', 'none'],
  [
    'old features and the old space cache',
    1,
    '-O ^no-holes,^skinny-metadata -R ^free-space-tree',
    'space_cache=v1',
    'none',
  ],
  ['nodes of 64 KiB, lzo and a deleted subvolume', 1, '-n 65536', 'compress=lzo', 'delete'],
  ['RAID1', 2, '-m raid1 -d raid1', 'rw', 'none'],
  ['RAID0', 2, '-m raid0 -d raid0', 'rw', 'none'],
];

test.skipIf(noLoop !== null).each(WRITTEN_BY_LINUX)(
  titled('an image that Linux has written gets no complaint: %s', noLoop),
  (name, devices, options, mount, end) => {
    const paths = makeImages(name.replaceAll(/[ ,]+/g, '-'), devices, 512, options.split(' '));
    shellOnItsOwn(FILL, [paths.join(' '), mount, end], { stdio: ['ignore', 'ignore', 'pipe'] });
    const report = check(paths);
    expect(complaints(report)).toEqual([]);
    const reader = openImage(paths.map((path) => new FileImage(path)))!;
    const entries = reader.entries().map((entry) => entry.path);
    expect(entries).toContain('/a/b/hard');
    expect(entries).toContain('/snap2');
    if (mount !== 'compress=zstd' && mount !== 'compress=lzo') {
      expect(reader.readFile('/clone')).toEqual(new Uint8Array(Buffer.from('hello\n'.repeat(70000).slice(0, 400000))));
    }
    for (const path of paths) rmSync(path);
  },
  30_000,
);
