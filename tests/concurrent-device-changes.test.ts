import { expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import type { MountedFilesystem } from '../src/fs/filesystem.ts';
import { clean, deviceAdd, deviceRemove, deviceResize } from '../src/fs/ioctls.ts';
import { create, sync, unlink, write } from '../src/fs/syscalls.ts';
import { seededRandom } from '../src/inject/strategies/seeded-random.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import type { Task } from '../src/task/task.ts';
import { contentOf, newDisks } from './support/device-bench.ts';
import { Race } from './support/simulated-filesystem.ts';

/**
 * Goal: whoever writes, commits or allocates chunks meanwhile, a change of devices either happens or is refused, and
 * leaves trees, superblocks and sizes that agree. Method: random schedules, each final image walked by the oracle.
 */
const RUNS = 60;
const SIZE = 12 * MIB;

function* writeAndForget(fs: MountedFilesystem): Task<string> {
  for (let round = 0; round < 3; round++) {
    yield* create(fs, `/f${round}`);
    yield* write(fs, `/f${round}`, 0, contentOf(2 * MIB, round));
    yield* sync(fs);
    if (round > 0) yield* unlink(fs, `/f${round - 1}`);
    yield* clean(fs);
  }
  return 'written';
}

function* addAndRemove(fs: MountedFilesystem): Task<string> {
  yield* deviceAdd(fs, 2);
  yield* deviceRemove(fs, 3);
  return 'removed';
}

function* shrinkAndGrow(fs: MountedFilesystem): Task<string> {
  yield* deviceResize(fs, 2, 9 * MIB);
  yield* deviceResize(fs, 2, 'max');
  return 'resized';
}

function raceOf(tasks: readonly ((fs: MountedFilesystem) => Task<unknown>)[], seed: string): Race {
  const disks = newDisks({ devices: [SIZE, SIZE], metadataProfile: 'raid1', dataProfile: 'single' }, [SIZE]);
  return new Race({
    disks,
    tasks,
    strategy: seededRandom({ seed }),
    mount: { chunkSizes: { system: MIB, metadata: 2 * MIB, data: 2 * MIB } },
  });
}

function expectAgreement({ world }: Race): void {
  const { errors, warnings } = checkImage(world.devices.map((device) => device.durable()));
  expect([...errors, ...warnings]).toEqual([]);
}

test.each([
  ['an addition and a removal', addAndRemove, ['removed', 'EOPNOTSUPP']],
  ['a resize', shrinkAndGrow, ['resized', 'EOPNOTSUPP']],
] as const)('%s under a writer leaves images that agree with themselves', (_name, change, outcomes) => {
  const race = raceOf([writeAndForget, change], '11');
  for (let run = 0; run < RUNS; run++) {
    race.execute();
    expect(race.outcomes[0]).toBe('written');
    expect(outcomes).toContain(race.outcomes[1]);
    expectAgreement(race);
  }
});

test('of two changes at a time, each happens whole', () => {
  const race = raceOf([addAndRemove, shrinkAndGrow], '12');
  for (let run = 0; run < RUNS; run++) {
    race.execute();
    expect(race.outcomes).toEqual(['removed', 'resized']);
    expectAgreement(race);
  }
});
