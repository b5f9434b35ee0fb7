import { beforeAll, describe, expect, test } from 'vitest';
import { viewOf } from '../src/base/bytes.ts';
import { FsError } from '../src/fs/errors.ts';
import type { MountedFilesystem, MountOptions } from '../src/fs/filesystem.ts';
import { COMPAT_RO, COMPAT_RO_DEFAULT, COMPAT_RO_FLAGS, INCOMPAT_FLAGS } from '../src/fs/format/feature-flags.ts';
import { sealSuperblock } from '../src/fs/format/superblock.ts';
import { reconfigure } from '../src/fs/ioctls.ts';
import { create, mkdir, read, readdir, rename, sync, truncate, unlink, write } from '../src/fs/syscalls.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import { complaintOf } from './support/complaint.ts';
import { changeEverything, differences } from './support/foreign-changes.ts';
import { type ForeignImage, makeForeign } from './support/foreign-images.ts';
import { imagesByLinux, whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { outcomeOf, runOn } from './support/replace-scenario.ts';
import { blankDisks } from './support/simulated-filesystem.ts';

/** Goal: an image by Linux is mounted as it asks to be, or refused by the name of what is in the way. */
const missing = whyNoLoopFilesystem();
const COMPAT_RO_AT = 180;
const UUID_TREE_GENERATION_AT = 563;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function refusal(disks: readonly BlockTable[], mount: Partial<MountOptions> = {}): string {
  try {
    runOn(disks, function* () {}, { mount });
    return 'mounted';
  } catch (error) {
    if (error instanceof FsError) return error.message;
    throw error;
  }
}

/** The disk with a changed superblock. */
function patched(disk: BlockTable, change: (view: DataView) => void): BlockTable {
  const copy = disk.snapshot();
  const bytes = copy.read(65536, 4096).slice();
  change(viewOf(bytes));
  sealSuperblock(bytes);
  copy.write(65536, bytes);
  return copy;
}

function withBit(disk: BlockTable, at: number, bit: number): BlockTable {
  return patched(disk, (view) => {
    const word = at + (bit < 32 ? 0 : 4);
    view.setUint32(word, (view.getUint32(word, true) | (1 << (bit & 31))) >>> 0, true);
  });
}

describe('a feature that the engine lacks', () => {
  const INCOMPAT_AT = 188;
  const FLAGS_AT = 56;
  const [disk] = blankDisks();
  const lacking = ['RAID56', 'ZONED', 'EXTENT_TREE_V2', 'RAID_STRIPE_TREE', 'SIMPLE_QUOTA', 'REMAP_TREE'];

  test.each(INCOMPAT_FLAGS.filter(({ name }) => lacking.includes(name)))(
    '$name refuses the mount by its name',
    (flag) => {
      const disks = [withBit(disk!, INCOMPAT_AT, flag.bit)];
      const words = `EINVAL: mount: superblock: unsupported incompat features: ${flag.name}`;
      expect(refusal(disks)).toBe(words);
      expect(refusal(disks, { readOnly: true })).toBe(words);
    },
  );

  test('without a name is refused by its bit', () => {
    expect(refusal([withBit(disk!, INCOMPAT_AT, 40)])).toMatch(/unsupported incompat features: UNKNOWN\.40$/);
  });

  test.each([COMPAT_RO_FLAGS.find(({ name }) => name === 'VERITY')!, { bit: 33, name: 'UNKNOWN.33' }])(
    '$name refuses only a mount that may write',
    (flag) => {
      const disks = [withBit(disk!, COMPAT_RO_AT, flag.bit)];
      const words = `unsupported compat_ro features: ${flag.name} (a read-only mount would do)`;
      expect(refusal(disks)).toBe(`EINVAL: mount: superblock: ${words}`);
      expect(refusal(disks, { readOnly: true })).toBe('mounted');
    },
  );

  test.each([
    [32, 'a seed device (a read-only mount would do)'],
    [33, 'an image of metadata only'],
    [34, 'an image of metadata only'],
    [35, 'a change of its fsid under way'],
  ])('flag %i of the superblock refuses it too', (bit, words) => {
    expect(refusal([withBit(disk!, FLAGS_AT, bit)])).toBe(`EINVAL: mount: superblock: ${words}`);
  });

  test('nothing is lacking to judge a seed device', () => {
    expect(checkImage([withBit(disk!, FLAGS_AT, 32)])).toMatchObject({ clean: true, notChecked: [] });
  });

  test('of checksums is refused by its name', () => {
    const other = patched(disk!, (view) => view.setUint16(196, 1, true));
    expect(refusal([other])).toMatch(/checksum type 1 \(xxhash\), expect 0 \(crc32c\)/);
  });
});

describe.skipIf(missing !== null)('subvolumes by Linux', () => {
  let image: ForeignImage;
  beforeAll(() => {
    image = makeForeign({
      name: 'subvolumes',
      megabytes: [256],
      mkfs: '',
      isBare: true,
      work: `echo top > where; mkdir d; btrfs subvolume create d/sub >/dev/null; echo sub > d/sub/where; btrfs subvolume create d/sub/inner >/dev/null
echo inner > d/sub/inner/where; btrfs subvolume snapshot -r d/sub frozen >/dev/null; btrfs subvolume set-default $dir/d/sub`,
    });
  }, 60_000);

  const where = (mount: Partial<MountOptions>) =>
    runOn(
      image.disks,
      function* (fs) {
        return text(yield* read(fs, '/where', 0, 100)).trim();
      },
      { mount },
    ).value;

  test('are mounted by default, by path and by id', () => {
    expect(where({})).toBe('sub');
    for (const top of ['/', 5, 0]) expect(where({ subvolume: top })).toBe('top');
    expect(where({ subvolume: 'd/sub/inner' })).toBe('inner');
    expect(where({ subvolume: '/d/sub' })).toBe('sub');
    expect(where({ subvolume: 257 })).toBe('inner');
  });

  test('that are none are refused as Linux refuses them', () => {
    expect(refusal(image.disks, { subvolume: '/d' })).toBe("EINVAL: mount: '/d' is not a valid subvolume");
    expect(refusal(image.disks, { subvolume: '/nowhere' })).toMatch(/^ENOENT/);
    expect(refusal(image.disks, { subvolume: 999 })).toBe('ENOENT: mount: there is no subvolume 999');
    expect(refusal(image.disks, { subvolume: 2 })).toMatch(/^ENOENT/);
  });

  test('that are read-only take no change', () => {
    const codes = runOn(image.disks, tryToChangeFrozen, { mount: { subvolume: '/' } }).value;
    expect(codes.map((words) => words.slice(0, 6))).toEqual([
      'EROFS:',
      'EROFS:',
      'EROFS:',
      'EROFS:',
      'EROFS:',
      'EROFS:',
    ]);
  });
});

function* tryToChangeFrozen(fs: MountedFilesystem): Task<string[]> {
  const words: string[] = [];
  words.push(yield* outcomeOf(create(fs, '/frozen/new')));
  words.push(yield* outcomeOf(mkdir(fs, '/frozen/new')));
  words.push(yield* outcomeOf(unlink(fs, '/frozen/where')));
  words.push(yield* outcomeOf(rename(fs, '/frozen/where', '/frozen/there')));
  words.push(yield* outcomeOf(write(fs, '/frozen/where', 0, new Uint8Array(1))));
  words.push(yield* outcomeOf(truncate(fs, '/frozen/where', 0)));
  return words;
}

describe.skipIf(missing !== null)('what the tools of Linux made', () => {
  const FILES = 'for n in $(seq 1 40); do bytes $((n * 999)) > d/$n; done; ln d/7 linked; ln -s d/7 symbolic';

  test('a seed is read, and what was grown from it is refused by name', () => {
    const [seed, grown] = imagesByLinux(
      [128, 256],
      `mkfs.btrfs -q -f $1 > /dev/null; mount $1 $dir; echo seed > $dir/file; umount $dir; btrfstune -S 1 $1
mount $1 $dir; btrfs device add -f $2 $dir > /dev/null; umount $dir
mount $2 $dir; echo grown > $dir/file; umount $dir`,
    );
    const { value } = runOn([seed!], (fs) => read(fs, '/file', 0, 9), { mount: { readOnly: true } });
    expect(text(value)).toBe('seed\n');
    expect(refusal([seed!])).toBe('EINVAL: mount: superblock: a seed device (a read-only mount would do)');
    const seeding = 'device 0 is a seed device (SEEDING) of another file system than device 1';
    expect(refusal([seed!, grown!])).toBe(`EINVAL: mount: ${seeding}: what was grown from one is not supported yet`);
    expect(checkImage([seed!])).toMatchObject({ clean: true, warnings: [] });
    for (const disks of [[grown!], [seed!, grown!]]) {
      const { clean, errors, unsupported } = checkImage(disks);
      expect([clean, errors]).toEqual([false, []]);
      expect(unsupported.at(-1)).toMatch(/^SEEDING: device 1 is of the seed file system [0-9a-f-]{36}$/);
    }
  });

  const EXT4 = `mkfs.ext4 -q -b 4096 $1; mount $1 $dir; cd $dir; mkdir d; ${FILES}; cd /; umount $dir`;
  const TOOLS = [
    { tool: 'btrfs-convert', command: `${EXT4}; btrfs-convert -N 4096` },
    {
      tool: 'mkfs.btrfs from a folder',
      command: `mkdir $dir/top; cd $dir/top; mkdir d; ${FILES}; cd /; mkfs.btrfs -f --rootdir $dir/top $1; rm -r $dir/top; true`,
    },
    { tool: 'mkfs.btrfs with quota groups', command: 'mkfs.btrfs -f -R quota' },
  ];

  // Fields that they leave as Linux never would are odd, and no errors.
  test.each(TOOLS)('an image by $tool is judged, read, changed, and taken back', async ({ command }) => {
    const made = imagesByLinux([320], `bytes() { yes "one of $1 bytes" | head -c $1; }\n${command} $1`);
    expect(checkImage(made).errors).toEqual([]);
    const image = makeForeign({
      name: 'made by a tool',
      megabytes: [320],
      mkfs: made,
      isBare: true,
      work: `for n in 1 2 3; do bytes $((n * 50000)) > more-$n; done
[ ! -d ext2_saved ] || btrfs subvolume delete -C ext2_saved >/dev/null; btrfs subvolume sync .`,
    });
    const { value, disks } = runOn(image.disks, function* (fs) {
      return { wrong: yield* differences(fs, image.files), left: yield* changeEverything(fs, image.files) };
    });
    expect(value.wrong).toEqual([]);
    expect(checkImage(disks).errors).toEqual([]);
    expect(complaintOf(await btrfsCheck(disks))).toBeNull();
    expect(complaintOf(await kernelMount(disks, value.left))).toBeNull();
  });
});

describe.skipIf(missing !== null)('an image that Linux left in the middle of its work', () => {
  test('with a log tree is read as of its last commit, and not written', () => {
    const { disks, files } = makeForeign({
      name: 'log tree',
      megabytes: [256],
      mkfs: '',
      work: '',
      powerCutAfter: 'bytes 5000 | dd of=logged bs=5000 conv=fsync status=none',
    });
    const words = 'a log tree to replay, which is not supported yet (a read-only mount would do)';
    expect(refusal(disks)).toBe(`EINVAL: mount: superblock: ${words}`);
    const readOnly = runOn(
      disks,
      function* (fs) {
        const names = (yield* readdir(fs, '/')).map(text);
        return { notes: fs.info.notes, wrong: yield* differences(fs, files), isLoggedThere: names.includes('logged') };
      },
      { mount: { readOnly: true } },
    );
    expect(readOnly.value).toEqual({
      notes: ['the log tree was not replayed: what was written and fsynced after the last commit is not seen'],
      wrong: [],
      isLoggedThere: false,
    });
    expect(readOnly.disks[0]!.fingerprint).toBe(disks[0]!.fingerprint);
    const remount = (fs: MountedFilesystem) => outcomeOf(reconfigure(fs, { readOnly: false, discard: null }));
    expect(runOn(disks, remount, { mount: { readOnly: true } }).value).toMatch(
      /^EINVAL: remount: superblock: a log tree/,
    );
  });

  test.each(['a mount', 'a remount'])(
    'whose free space tree is not valid gets a new one by %s',
    async (what) => {
      const image = makeForeign({ name: 'stale', megabytes: [256], mkfs: '-n 4096', work: 'rm -r d/e; sync -f .' });
      // As `btrfs check --repair` leaves it, and with a UUID tree that Linux is to look through.
      const disk = patched(image.disks[0]!, (view) => {
        view.setUint32(COMPAT_RO_AT, view.getUint32(COMPAT_RO_AT, true) & ~COMPAT_RO.FREE_SPACE_TREE_VALID, true);
        view.setUint32(UUID_TREE_GENERATION_AT, 3, true);
      });
      const { value, disks } = runOn(
        [disk],
        function* (fs) {
          if (what === 'a remount') yield* reconfigure(fs, { readOnly: false, discard: null });
          return yield* changeEverything(fs, image.files);
        },
        { mount: { readOnly: what === 'a remount' } },
      );
      const superblock = viewOf(disks[0]!.read(65536, 4096).slice());
      expect(superblock.getUint32(COMPAT_RO_AT, true)).toBe(COMPAT_RO_DEFAULT);
      expect(superblock.getUint32(UUID_TREE_GENERATION_AT, true)).toBe(3);
      expect(checkImage(disks).errors).toEqual([]);
      expect(complaintOf(await btrfsCheck(disks))).toBeNull();
      expect(complaintOf(await kernelMount(disks, value))).toBeNull();
    },
    60_000,
  );

  test('with a subvolume half deleted is changed, and Linux deletes the rest', async () => {
    const image = makeForeign({
      name: 'half deleted',
      megabytes: [256],
      mkfs: '-n 4096',
      work: `btrfs subvolume create gone >/dev/null; mkdir gone/many; for n in $(seq 1 2000); do echo $n > gone/many/$n; done; sync -f .
btrfs subvolume snapshot gone kept >/dev/null; sync -f .`,
      powerCutAfter: 'btrfs subvolume delete -c gone >/dev/null',
    });
    const files = image.files.filter(({ path }) => !path.startsWith('/gone/'));
    const { value, disks } = runOn(image.disks, function* (fs) {
      expect((yield* readdir(fs, '/')).map(text)).not.toContain('gone');
      const left = yield* changeEverything(fs, files);
      yield* sync(fs);
      return left;
    });
    expect(checkImage(disks).errors).toEqual([]);
    expect(complaintOf(await btrfsCheck(disks))).toBeNull();
    expect(complaintOf(await kernelMount(disks, value))).toBeNull();
  }, 60_000);
});
