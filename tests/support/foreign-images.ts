import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExpectedFile } from '../../src/oracle/judges/kernel-mount.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import { withBlockGroupTree } from './block-group-tree-image.ts';
import { FileImage } from './host-image.ts';
import { LOOP_FRAME, shellOnItsOwn } from './loop-filesystem.ts';

/** An image that mkfs.btrfs and Linux made, and what Linux read in it at the end. */
export interface ForeignImage {
  readonly disks: readonly BlockTable[];
  /** Every regular file of every subvolume, from the top-level one on. */
  readonly files: readonly ExpectedFile[];
}

/** How to make one: a shell script, which sees the devices as `$1` … and mounts at `$dir`. */
export interface ForeignRecipe {
  readonly name: string;
  readonly megabytes: readonly number[];
  /** Options of mkfs.btrfs, or disks that Linux is to go on with. */
  readonly mkfs: string | readonly BlockTable[];
  readonly mount?: string;
  /** What is done in `$dir` once the usual files are there. */
  readonly work: string;
  /** Done at the end; the image is what a power cut after it leaves, whose last commit has all that came before. */
  readonly powerCutAfter?: string;
  /** Its default subvolume is not the top-level one. */
  readonly hasOtherDefault?: boolean;
  /** Without the usual files. */
  readonly isBare?: boolean;
}

const MIB = 1024 * 1024;

/** `bytes N`: as many bytes of text, which tells by its content how many were asked for. */
const TOOLS = `bytes() { yes "one of $1 bytes" | head -c $1; }`;

/** Files of all forms: inline, several extents, a hole, preallocated, links of both kinds, attributes, odd names. */
const USUAL_FILES = `
mkdir -p d/e/f
for n in $(seq 1 60); do bytes $((n * 37)) > d/small-$n; done
for n in $(seq 1 12); do bytes $((n * 21000)) > d/e/large-$n; done
bytes 300000 > fragmented; sync -f .
for at in 3 9 11 30 47; do bytes 4096 | dd of=fragmented bs=4096 seek=$at conv=notrunc status=none; done; sync -f .
truncate -s 1M sparse; bytes 5000 | dd of=sparse bs=4096 seek=100 conv=notrunc status=none
fallocate -l 128K prealloc; bytes 8192 | dd of=prealloc bs=4096 seek=4 conv=notrunc status=none
touch nocow; chattr +C nocow; bytes 65536 > nocow
ln d/small-1 linked; ln -s d/small-2 symbolic; mkfifo pipe
cp --reflink=always d/e/large-9 reflinked
python3 -c 'import os; [os.setxattr("d/small-3", "user.n%d" % n, b"value" * n) for n in range(9)]' || true
bytes 100 > "$(printf 'odd \\001\\377 name')"
sync -f .
`;

const LISTING = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum -z';

export function makeForeign(recipe: ForeignRecipe): ForeignImage {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-foreign-'));
  try {
    const blank = recipe.megabytes.map((megabytes) => new BlockTable(megabytes * MIB));
    const paths = toFiles(folder, typeof recipe.mkfs === 'string' ? blank : recipe.mkfs);
    const listing = join(folder, 'listing');
    const make = typeof recipe.mkfs === 'string' ? `mkfs.btrfs -q -f ${recipe.mkfs} "$@"` : 'true';
    const script = `${make}
btrfs device scan "$@" >/dev/null
mount -o ${recipe.mount ?? 'defaults'} $1 $dir
cd $dir
${TOOLS}
${recipe.isBare === true ? '' : USUAL_FILES}
${recipe.work}
cd $dir
sync -f .
${LISTING} > "$LISTING"
${cutScript(recipe)}
cd /
umount $dir
`;
    const env = { ...process.env, IMAGES: paths.join(' '), LISTING: listing, LC_ALL: 'C' };
    shellOnItsOwn(LOOP_FRAME + script, [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const left = recipe.powerCutAfter === undefined ? paths : paths.map((path) => `${path}.cut`);
    return { disks: left.map(readWhole), files: parseListing(readFileSync(listing)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The files behind the loop devices are copied while they are mounted. */
function cutScript({ powerCutAfter }: ForeignRecipe): string {
  if (powerCutAfter === undefined) return '';
  return `${powerCutAfter}\nfor image in $IMAGES; do cp --sparse=always $image $image.cut; done`;
}

/** Linux mounts the disks and runs the script in `$dir`; the disks as it leaves them. */
export function changeByLinux(disks: readonly BlockTable[], script: string, mount = 'defaults'): BlockTable[] {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-foreign-'));
  try {
    const paths = toFiles(folder, disks);
    const body = `btrfs device scan "$@" >/dev/null
mount -o ${mount} $1 $dir
cd $dir
${TOOLS}
${script}
cd /
umount $dir
`;
    const env = { ...process.env, IMAGES: paths.join(' '), LC_ALL: 'C' };
    shellOnItsOwn(LOOP_FRAME + body, [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    return paths.map(readWhole);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function toFiles(folder: string, disks: readonly BlockTable[]): string[] {
  return disks.map((disk, index) => {
    const path = join(folder, `${index}.img`);
    const file = openSync(path, 'w');
    ftruncateSync(file, disk.size);
    for (const { offset, bytes } of disk.written()) writeSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    return path;
  });
}

/** `sha256sum -z`: digest, two spaces, name, NUL. Names that are no UTF-8 are left out: the judges take text. */
function parseListing(bytes: Buffer): ExpectedFile[] {
  const files: ExpectedFile[] = [];
  for (const record of bytes.toString('latin1').split('\0')) {
    const name = Buffer.from(record.slice(66), 'latin1');
    if (record === '' || !Buffer.from(name.toString('utf8'), 'utf8').equals(name)) continue;
    files.push({ path: name.toString('utf8').slice(1), sha256: record.slice(0, 64) });
  }
  return files;
}

function readWhole(path: string): BlockTable {
  const image = new FileImage(path);
  try {
    return BlockTable.copyOf(image);
  } finally {
    image.close();
  }
}

const CHURN = `
for n in $(seq 1 30); do rm d/small-$n; done
for n in $(seq 31 60); do bytes $((n * 111)) > d/small-$n; done
bytes 50000 | dd of=d/e/large-12 bs=1000 seek=33 conv=notrunc status=none
mv d/e/large-3 moved; sync -f .
`;

const SNAPSHOTS = `
mkdir many; for n in $(seq 1 400); do bytes $((n % 90)) > many/a-name-that-takes-some-room-$n; done; sync -f .
btrfs subvolume snapshot -r . snap-1 >/dev/null
${CHURN}
btrfs subvolume snapshot . snap-2 >/dev/null
bytes 9000 > snap-2/fresh; rm snap-2/d/small-40; rm -r snap-2/snap-1 2>/dev/null || true
btrfs subvolume snapshot snap-2 snap-3 >/dev/null
for n in $(seq 1 3 400); do rm many/a-name-that-takes-some-room-$n; done
for n in $(seq 2 5 400); do bytes 60 > snap-3/many/a-name-that-takes-some-room-$n; done
btrfs subvolume create sub >/dev/null; bytes 100000 > sub/inner; btrfs subvolume snapshot sub sub/nested >/dev/null
`;

/** One recipe per kind of image that the engine must get along with. */
export const FOREIGN_RECIPES: readonly ForeignRecipe[] = [
  { name: 'single', megabytes: [256], mkfs: '-m single -d single', work: '' },
  { name: 'DUP', megabytes: [256], mkfs: '-m dup -d single', work: '' },
  { name: 'RAID1 pair', megabytes: [256, 256], mkfs: '-m raid1 -d raid1', work: '' },
  { name: 'mixed block groups', megabytes: [128], mkfs: '--mixed -n 4096', work: CHURN },
  { name: '4 KiB nodes', megabytes: [256], mkfs: '-n 4096', work: CHURN },
  { name: '8 KiB nodes', megabytes: [256], mkfs: '-n 8192', work: CHURN },
  { name: '32 KiB nodes', megabytes: [256], mkfs: '-n 32768', work: CHURN },
  { name: '64 KiB nodes', megabytes: [256], mkfs: '-n 65536', work: CHURN },
  { name: 'no free space tree', megabytes: [256], mkfs: '-R ^free-space-tree', mount: 'nospace_cache', work: CHURN },
  // Linux keeps such a cache for groups of at least 100 MiB.
  {
    name: 'space cache v1',
    megabytes: [1536],
    mkfs: '-R ^free-space-tree',
    mount: 'space_cache=v1',
    work: `head -c 20M /dev/zero > big; sync -f .${CHURN}`,
  },
  {
    name: 'quota groups',
    megabytes: [256],
    mkfs: '',
    work: `btrfs quota enable .; ${CHURN}btrfs quota rescan -w . >/dev/null`,
  },
  {
    name: 'free space bitmaps',
    megabytes: [256],
    mkfs: '-n 4096',
    work: `mkdir many; for n in $(seq 1 1200); do bytes 4096 > many/$n; done; sync -f .
for n in $(seq 1 2 1200); do rm many/$n; done; sync -f .`,
  },
  { name: 'block group tree', megabytes: [64], mkfs: withBlockGroupTree(), work: CHURN },
  { name: 'no skinny metadata', megabytes: [256], mkfs: '-n 4096 -O ^skinny-metadata', work: CHURN },
  { name: 'hole items', megabytes: [256], mkfs: '-O ^no-holes', work: CHURN },
  {
    name: 'no extended references',
    megabytes: [256],
    mkfs: '-O ^extref,^no-holes,^skinny-metadata -n 4096',
    work: CHURN,
  },
  { name: 'snapshots', megabytes: [256], mkfs: '', work: SNAPSHOTS },
  { name: 'snapshots in small nodes', megabytes: [256], mkfs: '-n 4096', work: SNAPSHOTS },
  { name: 'snapshots, no skinny metadata', megabytes: [256], mkfs: '-n 4096 -O ^skinny-metadata', work: SNAPSHOTS },
  {
    name: 'origin deleted, snapshot left',
    megabytes: [256],
    mkfs: '-n 4096',
    work: `btrfs subvolume create origin >/dev/null; cp -a d fragmented nocow origin/; sync -f .
btrfs subvolume snapshot origin kept >/dev/null; btrfs subvolume snapshot origin kept-2 >/dev/null; rm kept/d/small-7; sync -f .
btrfs subvolume delete -C origin >/dev/null; btrfs subvolume sync . >/dev/null`,
  },
  { name: 'balanced', megabytes: [512], mkfs: '-n 4096', work: 'btrfs balance start --full-balance . >/dev/null' },
  {
    name: 'snapshots balanced',
    megabytes: [512],
    mkfs: '-n 4096',
    work: `${SNAPSHOTS}
sync -f .; btrfs balance start --full-balance . >/dev/null; bytes 100 > after`,
  },
  {
    name: 'compressed',
    megabytes: [256],
    mkfs: '',
    mount: 'compress-force=zlib',
    work: `yes some text that repeats | head -c 400000 > text; head -c 50 text > short; sync -f .
cd /; umount $dir; mount -o compress-force=zstd $1 $dir; cd $dir; yes other text | head -c 300000 > text-2; head -c 1000 text > short-2; cp text text-4; sync -f .
bytes 5000 | dd of=text bs=1000 seek=77 conv=notrunc status=none`,
  },
  {
    name: 'default subvolume',
    megabytes: [256],
    mkfs: '',
    hasOtherDefault: true,
    work: `btrfs subvolume create other >/dev/null; echo here > other/file; btrfs subvolume set-default $dir/other`,
  },
];
