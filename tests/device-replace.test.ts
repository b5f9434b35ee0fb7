import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { allFixes, FIXES, FixSet } from '../src/fs/fixes.ts';
import { clean, deviceAdd, reconfigure, replace, replaceCancel, scrub } from '../src/fs/ioctls.ts';
import { corrupt, create, fallocate, mkdir, read, sync, unlink, write } from '../src/fs/syscalls.ts';
import type { FaultRule } from '../src/inject/fault-rule.ts';
import type { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { btrfsCheck } from '../src/oracle/judges/btrfs-check.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { BlockTable } from '../src/record/block-table.ts';
import type { Task } from '../src/task/task.ts';
import {
  contentOf,
  fillWithFiles,
  membersAndSpares,
  outcomeOf,
  REPLACE,
  runOn,
  SIZE,
  wrongFiles,
} from './support/replace-scenario.ts';

/** Where there is no root, no loop device or no btrfs, outside judges say nothing. */
const judged = expect.stringMatching(/clean|not-judged/);

const PROFILES = [
  { name: 'single', members: 1, make: {}, options: { devid: 1, target: 1 } },
  {
    name: 'RAID1',
    members: 2,
    make: { metadataProfile: 'raid1', dataProfile: 'raid1' },
    options: { devid: 2, target: 2 },
  },
  {
    name: 'RAID0',
    members: 3,
    make: { metadataProfile: 'raid1', dataProfile: 'raid0' },
    options: { devid: 2, target: 3 },
  },
  { name: 'DUP', members: 1, make: { metadataProfile: 'dup', dataProfile: 'dup' }, options: { devid: 1, target: 1 } },
] as const;

function filled(profile: (typeof PROFILES)[number]): BlockTable[] {
  const devices = new Array<number>(profile.members).fill(SIZE);
  const blank = membersAndSpares({ devices, ...profile.make, seed: `replace ${profile.name}` }, [SIZE]);
  return runOn(blank, fillWithFiles).disks;
}

/** The disks without the one that was replaced. */
function membersOf(disks: readonly BlockTable[], gone: number): BlockTable[] {
  return disks.filter((_, index) => index !== gone);
}

describe.each(PROFILES)('a replace of a $name device', (profile) => {
  const options = { ...REPLACE, ...profile.options };

  test('leaves a file system that needs the old device no more', async () => {
    const { disks, observations } = runOn(filled(profile), function* (fs) {
      yield* replace(fs, options);
      expect(fs.info.volume.replace.phase).toBe('finished');
      return yield* wrongFiles(fs);
    });
    expect(observations.filter(({ kind }) => kind === 'device-replaced')).toEqual([
      { kind: 'device-replaced', source: options.devid - 1, target: options.target, devid: options.devid },
    ]);
    const members = membersOf(disks, options.devid - 1);
    expect(checkImage(members, { crashed: false })).toMatchObject({ errors: [] });
    expect(runOn(members, wrongFiles).value).toEqual([]);
    expect(runOn(disks, wrongFiles).value).toEqual([]);
    expect(await btrfsCheck(members)).toMatchObject({ verdict: judged });
    expect(await kernelMount(members)).toMatchObject({ verdict: judged });
  });
});

const CUTS_APART = 7;
const LAST_CUTS = 8;

/** Disks after a power cut behind each write: of unflushed writes all are lost, none is, or those of every other device. */
function powerCuts(images: BlockTable[][]): (world: SimulatedWorld) => void {
  let last = '';
  return ({ devices }) => {
    for (const survives of [() => false, () => true, (index: number) => index % 2 === 0]) {
      const image = devices.map((device, index) => (survives(index) ? device.visible() : device.durable()));
      const fingerprint = image.map((disk) => disk.fingerprint).join();
      if (fingerprint !== last) images.push(image);
      last = fingerprint;
    }
  };
}

/** Each image is valid, can be mounted, has all files, and is as good when a resumed replace has ended. */
function expectAllRecover(images: readonly BlockTable[][]): Set<string> {
  const phases = new Set<string>();
  for (const [index, image] of images.entries()) {
    // Every one would be the better test, and takes a minute; the end is where most can go wrong.
    if (index % CUTS_APART !== 0 && index < images.length - LAST_CUTS) continue;
    expect(checkImage(image, { crashed: true }).errors).toEqual([]);
    const { value, disks } = runOn(image, function* (fs) {
      phases.add(fs.info.volume.replace.phase);
      const wrong = yield* wrongFiles(fs);
      yield* settle(fs);
      // As a mount by Linux, which always commits.
      yield* mkdir(fs, '/later');
      return wrong;
    });
    expect(value).toEqual([]);
    expect(checkImage(disks, { crashed: false }).errors).toEqual([]);
    expect(runOn(disks, wrongFiles).value).toEqual([]);
  }
  return phases;
}

/** A run of the copy is not over before the file system is left alone for a while. */
function* settle(fs: MountedFilesystem): Task<void> {
  yield* fs.info.volume.replace.running.waitZero();
}

/** The copy stands still for a millisecond when it has copied two device extents. */
const SLOW_COPY: FaultRule = {
  name: 'slow copy',
  when: { point: 'replace-advance', occurrence: 2 },
  then: { kind: 'delay', for: 1_000_000 },
};

describe('an interrupted replace', () => {
  const profile = PROFILES[1];
  const options = { ...REPLACE, ...profile.options };
  const disks = filled(profile);

  const rules: FaultRule[] = [SLOW_COPY];

  /** The unmount comes while that stands still. */
  function suspended() {
    return runOn(
      disks,
      function* (fs) {
        yield* replace(fs, { ...options, background: true });
        yield* fs.world.sleep(1000);
        expect(fs.info.volume.replace.cursorLeft).toBeGreaterThan(0);
        return fs;
      },
      { rules },
    );
  }

  test('is suspended by an unmount, goes on with the next mount, and counts as valid in between', async () => {
    const stopped = suspended();
    expect(stopped.value.info.volume.replace.phase).toBe('suspended');
    expect(stopped.observations.some(({ kind }) => kind === 'device-replaced')).toBe(false);
    expect(checkImage(stopped.disks, { crashed: false })).toMatchObject({ errors: [] });
    expect(await btrfsCheck(stopped.disks)).toMatchObject({ verdict: judged });
    const resumed = runOn(stopped.disks, function* (fs) {
      expect(yield* wrongFiles(fs)).toEqual([]);
      yield* settle(fs);
      expect(fs.info.volume.replace.phase).toBe('finished');
    });
    const members = membersOf(resumed.disks, 1);
    expect(checkImage(members, { crashed: false })).toMatchObject({ errors: [] });
    expect(runOn(members, wrongFiles).value).toEqual([]);
    expect(await btrfsCheck(members)).toMatchObject({ verdict: judged });
  });

  test('does not go on in a read-only mount, and neither is anything written', () => {
    const stopped = suspended().disks;
    const { value, disks: after } = runOn(
      stopped,
      function* (fs) {
        yield* fs.world.sleep(1_000_000);
        return fs.info.volume.replace.phase;
      },
      { mount: { readOnly: true } },
    );
    expect(value).toBe('suspended');
    expect(after.map(({ fingerprint }) => fingerprint)).toEqual(stopped.map(({ fingerprint }) => fingerprint));
  });

  test('is suspended by a remount that makes it read-only, and goes on with one back', () => {
    const remount = function* (fs: MountedFilesystem): Task<string[]> {
      const { replace: state } = fs.info.volume;
      yield* replace(fs, { ...options, background: true });
      yield* fs.world.sleep(1000);
      yield* reconfigure(fs, { readOnly: true, discard: null });
      const phases = [state.phase];
      yield* reconfigure(fs, { readOnly: false, discard: null });
      phases.push(state.phase);
      yield* settle(fs);
      phases.push(state.phase);
      return phases;
    };
    const { value } = runOn(disks, remount, { rules });
    expect(value).toEqual(['suspended', 'started', 'finished']);
  });

  test('needs its target at the next mount, or a degraded mount, which can cancel it', () => {
    const [first, second] = suspended().disks;
    const without = [first!, second!, new BlockTable(SIZE)];
    expect(() => runOn(without, wrongFiles)).toThrow(/EIO.*tgtdev \(devid 0\) is missing/);
    const { value, disks: after } = runOn(
      without,
      function* (fs) {
        const { replace: state } = fs.info.volume;
        const phases = [state.phase];
        yield* replaceCancel(fs);
        return [...phases, state.phase, yield* outcomeOf(replaceCancel(fs))];
      },
      { mount: { degraded: true } },
    );
    expect(value).toEqual(['suspended', 'canceled', 'ENOTCONN: replace cancel: not started']);
    expect(runOn(after.slice(0, 2), wrongFiles).value).toEqual([]);
  });

  test('and cancelled: a power cut anywhere leaves an image that is valid', { timeout: 120_000 }, () => {
    const images: BlockTable[][] = [];
    const cancelled = runOn(
      disks,
      function* (fs) {
        yield* replace(fs, { ...options, background: true });
        yield* fs.world.sleep(1000);
        yield* replaceCancel(fs);
        return fs.info.volume.replace.phase;
      },
      { rules, afterWrite: powerCuts(images) },
    );
    expect(cancelled.value).toBe('canceled');
    expect(checkImage(cancelled.disks, { crashed: false }).errors).toEqual([]);
    expect([...expectAllRecover(images)].sort()).toEqual(['canceled', 'never-started', 'started']);
  });

  test.each(PROFILES)(
    '$name: a power cut anywhere leaves an image that is valid, and goes on',
    { timeout: 120_000 },
    (each) => {
      const images: BlockTable[][] = [];
      const options = { ...REPLACE, ...each.options };
      runOn(filled(each), (fs) => replace(fs, options), { afterWrite: powerCuts(images) });
      expect(images.length).toBeGreaterThan(30);
      expect([...expectAllRecover(images)].sort()).toEqual(['finished', 'never-started', 'started']);
    },
  );
});

describe('a target that was away', () => {
  test('is copied to anew, because writes did not reach it', () => {
    const profile = PROFILES[1];
    const rules: FaultRule[] = [SLOW_COPY];
    const stopped = runOn(
      filled(profile),
      function* (fs) {
        yield* replace(fs, { ...REPLACE, ...profile.options, background: true });
        yield* fs.world.sleep(1000);
      },
      { rules },
    ).disks;
    const [first, second, target] = stopped;
    const meanwhile = runOn(
      [first!, second!, new BlockTable(SIZE)],
      function* (fs) {
        yield* mkdir(fs, '/meanwhile');
      },
      { mount: { degraded: true } },
    ).disks;
    const { disks, value } = runOn([meanwhile[0]!, meanwhile[1]!, target!], function* (fs) {
      yield* settle(fs);
      return fs.info.volume.replace.phase;
    });
    expect(value).toBe('finished');
    expect(checkImage(membersOf(disks, 1), { crashed: false }).errors).toEqual([]);
  });
});

describe('a replace that cannot be', () => {
  const disks = membersAndSpares({ devices: [SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'raid1' }, [
    SIZE - 4096,
    SIZE,
    SIZE,
  ]);

  test.each([
    [
      { devid: 1, target: 2 },
      `EINVAL: replace start: target device smaller than source device (required ${SIZE} bytes)`,
    ],
    [{ devid: 1, target: 1 }, 'EEXIST: replace start: target device 1 is in the filesystem'],
    [{ devid: 1, target: 0 }, 'EEXIST: replace start: target device 0 is in the filesystem'],
    [{ devid: 9, target: 3 }, "ENOENT: replace start: '9' is not a valid devid"],
    [{ devid: 0, target: 3 }, 'EINVAL: replace start: Invalid argument'],
    [{ devid: 0, target: 7 }, 'EINVAL: replace start: Invalid argument'],
    [{ devid: 1, target: 7 }, 'ENOENT: replace start: target device 7 is invalid'],
  ])('%j: %s', (options, words) => {
    const { value, disks: after } = runOn(disks, (fs) => outcomeOf(replace(fs, { ...REPLACE, ...options })));
    expect(value).toBe(words);
    expect(after.map(({ fingerprint }) => fingerprint)).toEqual(disks.map(({ fingerprint }) => fingerprint));
  });

  test('comes while another runs', () => {
    const { value } = runOn(
      disks,
      function* (fs) {
        yield* replace(fs, { ...REPLACE, target: 3, background: true });
        yield* fs.world.sleep(1000);
        const words = [
          yield* outcomeOf(replace(fs, { ...REPLACE, devid: 2, target: 4 })),
          yield* outcomeOf(scrub(fs, { devid: 2, start: 0, end: null, readOnly: false, resume: false })),
          yield* outcomeOf(deviceAdd(fs, 4)),
        ];
        yield* settle(fs);
        return [...words, fs.info.volume.replace.phase];
      },
      { rules: [SLOW_COPY] },
    );
    expect(value).toEqual([
      'EINPROGRESS: replace start: device replace already started',
      expect.stringMatching(/^EINPROGRESS: scrub/),
      "EINPROGRESS: unable to start device add, another exclusive operation 'device replace' in progress",
      'finished',
    ]);
  });

  test('is on a read-only mount, or was never started', () => {
    const readOnly = runOn(
      disks,
      function* (fs) {
        return [yield* outcomeOf(replace(fs, { ...REPLACE, target: 3 })), yield* outcomeOf(replaceCancel(fs))];
      },
      { mount: { readOnly: true } },
    );
    expect(readOnly.value).toEqual([expect.stringMatching(/^EROFS/), expect.stringMatching(/^EROFS/)]);
    const { value } = runOn(disks, (fs) => outcomeOf(replaceCancel(fs)));
    expect(value).toBe('ENOTCONN: replace cancel: not started');
  });
});

/** The task that asks for something has no room to write inodes. */
const NO_ROOM_FOR_USER: FaultRule = {
  name: 'no room',
  when: { task: 'user', site: 'reserve-metadata-space' },
  then: { kind: 'fail', errno: 'ENOSPC' },
};

/** The work, once an inode has changed that its task cannot write out. */
function* withoutRoom(fs: MountedFilesystem, work: Task<unknown>): Task<string> {
  yield* outcomeOf(fallocate(fs, '/new', 0, MIB));
  return yield* outcomeOf(work);
}

describe('errors during a replace', () => {
  const single = PROFILES[0];
  const raid1 = PROFILES[1];

  test('writes to the target that fail end it, and the file system is as before', () => {
    for (const when of [
      { device: 1, operation: 'write', purpose: 'scrub', occurrence: 5 },
      { device: 1, operation: 'write', purpose: 'data', occurrence: 1 },
      { device: 1, operation: 'write', purpose: 'tree-block', occurrence: { from: 1 } },
    ] as const) {
      const rules: FaultRule[] = [SLOW_COPY, { name: 'bad target', when, then: { kind: 'fail', errno: 'EIO' } }];
      const { value, disks } = runOn(
        filled(single),
        function* (fs) {
          const started = fs.world.spawn('user', outcomeOf(replace(fs, REPLACE)));
          yield* fs.world.sleep(1000);
          yield* create(fs, '/new');
          yield* write(fs, '/new', 0, contentOf(1), { direct: true });
          return [yield* started.join(), fs.info.volume.replace.phase, yield* wrongFiles(fs)] as const;
        },
        { rules },
      );
      expect(value).toEqual([expect.stringMatching(/^EIO: device replace/), 'canceled', []]);
      expect(checkImage(disks, { crashed: false }).errors).toEqual([]);
      expect(runOn([disks[0]!], wrongFiles).value).toEqual([]);
    }
  });

  test('what cannot be written out before the swap ends it: nobody would be left to go on', () => {
    const { value, disks } = runOn(
      filled(single),
      function* (fs) {
        yield* create(fs, '/new');
        const words = yield* fs.world.spawn('user', withoutRoom(fs, replace(fs, REPLACE))).join();
        const { phase } = fs.info.volume.replace;
        yield* deviceAdd(fs, 1);
        return [words, phase, yield* wrongFiles(fs)] as const;
      },
      { rules: [NO_ROOM_FOR_USER] },
    );
    expect(value).toEqual([expect.stringMatching(/^ENOSPC: reservation of metadata space/), 'canceled', []]);
    expect(checkImage(disks, { crashed: false }).errors).toEqual([]);
  });

  test('a remount that cannot write everything out lets it go on', () => {
    const { value } = runOn(
      filled(single),
      function* (fs) {
        yield* create(fs, '/new');
        yield* replace(fs, { ...REPLACE, background: true });
        const remount = reconfigure(fs, { readOnly: true, discard: null });
        const words = yield* fs.world.spawn('user', withoutRoom(fs, remount)).join();
        const { phase } = fs.info.volume.replace;
        yield* settle(fs);
        return [words, phase, fs.info.volume.replace.phase] as const;
      },
      { rules: [SLOW_COPY, NO_ROOM_FOR_USER] },
    );
    expect(value).toEqual([expect.stringMatching(/^ENOSPC: reservation of metadata space/), 'started', 'finished']);
  });

  test('data that cannot be read from its only copy stays unreadable, and the replace goes on', () => {
    const disks = filled(single);
    const before = runOn(disks, (fs) => corrupt(fs, '/file-5', 8192, 4096, 1), { staysMounted: true }).disks;
    const { value, disks: after } = runOn(before, function* (fs) {
      return [yield* outcomeOf(replace(fs, REPLACE)), yield* outcomeOf(read(fs, '/file-5', 8192, 4096))];
    });
    expect(value).toEqual(['ok', expect.stringMatching(/^EIO/)]);
    expect(runOn([after[1]!], (fs) => outcomeOf(read(fs, '/file-5', 8192, 4096))).value).toMatch(/^EIO/);
    expect(runOn([after[1]!], (fs) => outcomeOf(read(fs, '/file-5', 0, 8192))).value).toBe('ok');
  });

  test('data with another good copy comes from there', () => {
    const before = runOn(filled(raid1), (fs) => corrupt(fs, '/file-5', 8192, 4096, 2), { staysMounted: true }).disks;
    const { disks } = runOn(before, (fs) => replace(fs, { ...REPLACE, ...raid1.options }));
    expect(checkImage(membersOf(disks, 1), { crashed: false }).errors).toEqual([]);
    expect(runOn(membersOf(disks, 1), wrongFiles).value).toEqual([]);
  });

  test('metadata that no copy can repair ends it', () => {
    const rules: FaultRule[] = [
      {
        name: 'unreadable leaf',
        when: { device: 0, operation: 'read', purpose: 'scrub', occurrence: 1 },
        then: { kind: 'fail', errno: 'EIO' },
      },
    ];
    const { value, disks } = runOn(
      filled(single),
      function* (fs) {
        return [yield* outcomeOf(replace(fs, REPLACE)), fs.info.volume.replace.phase];
      },
      { rules },
    );
    expect(value).toEqual([expect.stringMatching(/^EIO/), 'canceled']);
    expect(checkImage(disks, { crashed: false }).errors).toEqual([]);
  });

  test('a missing source is replaced from the other copies', async () => {
    const [first] = filled(raid1);
    const disks = [first!, new BlockTable(SIZE)];
    const { disks: after, observations } = runOn(disks, (fs) => replace(fs, { ...REPLACE, devid: 2, target: 1 }), {
      mount: { degraded: true },
    });
    expect(observations.filter(({ kind }) => kind === 'device-replaced')).toEqual([
      { kind: 'device-replaced', source: null, target: 1, devid: 2 },
    ]);
    expect(checkImage(after, { crashed: false }).errors).toEqual([]);
    expect(runOn(after, wrongFiles).value).toEqual([]);
    expect(await btrfsCheck(after)).toMatchObject({ verdict: judged });
    expect(await kernelMount(after)).toMatchObject({ verdict: judged });
  });

  test('a source that is to be avoided is read only where no other copy is good', () => {
    const reads: number[] = [];
    const { disks } = runOn(filled(raid1), (fs) => replace(fs, { ...REPLACE, ...raid1.options, avoidSource: true }), {
      onScrubRead: (device) => reads.push(device),
    });
    expect(reads.filter((device) => device === 1)).toEqual([]);
    expect(checkImage(membersOf(disks, 1), { crashed: false }).errors).toEqual([]);
  });
});

describe('the end of a replace while a chunk is removed', () => {
  const chunkSizes = { system: MIB, metadata: 2 * MIB, data: MIB };
  const make = { devices: [16 * MIB], systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: MIB };
  /** With a block group that is unused. */
  const withUnusedGroup = runOn(
    membersAndSpares(make),
    function* (fs) {
      for (const path of ['/a', '/b', '/c']) {
        yield* create(fs, path);
        yield* write(fs, path, 0, new Uint8Array(MIB).fill(7), { direct: true });
      }
      yield* sync(fs);
      yield* unlink(fs, '/b');
    },
    { mount: { chunkSizes } },
  ).disks;
  const rules: FaultRule[] = [
    { name: 'slow swap', when: { point: 'replace-swap-ids' }, then: { kind: 'delay', for: 1_000_000 } },
  ];

  function cleanInTheSwap(fixes: FixSet) {
    return runOn(
      withUnusedGroup,
      function* (fs) {
        const replacing = fs.world.spawn('replacer', outcomeOf(replace(fs, REPLACE)));
        yield* fs.world.sleep(500_000);
        const cleaned = yield* outcomeOf(clean(fs));
        return [cleaned, yield* replacing.join(), fs.info.aborted];
      },
      { mount: { fixes, chunkSizes }, rules, staysMounted: true },
    ).value;
  }

  test('waits for it, and it waits for the end', () => {
    expect(cleanInTheSwap(allFixes())).toEqual(['ok', 'ok', null]);
  });

  test('gave the removal ids that no device extent has, before the removal took the lock', () => {
    const without = new FixSet(FIXES.map(({ id }) => id).filter((id) => id !== 'lock-devices-while-removing-chunk'));
    expect(cleanInTheSwap(without)).toEqual([
      expect.stringMatching(/^ENOENT: removal of item \(0 DEV_EXTENT /),
      expect.stringMatching(/^EROFS/),
      'ENOENT',
    ]);
  });
});
