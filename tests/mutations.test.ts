import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bench } from '../src/campaign/bench.ts';
import { VOCABULARY } from '../src/campaign/registry.ts';
import { strategyOf } from '../src/campaign/strategies.ts';
import { mountFilesystem } from '../src/fs/filesystem.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { LOCK_ORDER } from '../src/fs/lock-order.ts';
import { MUTATIONS, type MutationId } from '../src/fs/mutations.ts';
import * as sys from '../src/fs/syscalls.ts';
import { SimulatedWorld } from '../src/inject/simulated-world.ts';
import { SteadyStrategy } from '../src/inject/strategies/steady.ts';
import type { Choice, Strategy, WorldView } from '../src/inject/strategy.ts';
import type { Violation } from '../src/oracle/law.ts';
import { LAWS } from '../src/oracle/laws.ts';
import { checkImage } from '../src/oracle/structure/check-image.ts';
import { openImage } from '../src/oracle/structure/open-image.ts';
import type { DiskImage } from '../src/record/image.ts';
import type { Task } from '../src/task/task.ts';
import type { ExploreStage, Workload } from '../src/workload/model.ts';
import { parseWorkload } from '../src/workload/parse.ts';
import { disksAfter } from './support/simulated-filesystem.ts';

/**
 * Goal: each law can fail, and fails for the right reason. Method: seed one bug, run a workload that meets it until the
 * law that the registry names complains; then run the same workload as often without the bug, under all laws.
 */
const ROOT = resolve(import.meta.dirname, '..');

type Entry = (typeof MUTATIONS)[number];
type DurabilityId = Extract<Entry, { readonly law: 'durability' }>['id'];
type JudgedId = Exclude<MutationId, DurabilityId>;

interface Scenario {
  readonly workload: string;
  /** Executions within which the law must complain. */
  readonly executionsMax: number;
  readonly strategy: ExploreStage['strategy'];
}

/** `tasks` on a file of one extent of 32K. */
function alone(...tasks: readonly string[]): Scenario {
  return { workload: textOf(tasks), executionsMax: 1, strategy: 'random' };
}

function raced(executionsMax: number, ...tasks: readonly string[]): Scenario {
  return { workload: textOf(tasks), executionsMax, strategy: 'random' };
}

function textOf(tasks: readonly string[]): string {
  const lists = tasks.map((operation, index) => `  t${index}:\n    - ${operation}\n`);
  return `setup:\n  - create: /f\n  - write: { file: /f, length: 32K }\ntasks:\n${lists.join('')}`;
}

function shipped(name: string, executionsMax: number, strategy: Scenario['strategy'] = 'random'): Scenario {
  return { workload: readFileSync(join(ROOT, 'workloads', `${name}.yaml`), 'utf8'), executionsMax, strategy };
}

/** In the middle of the extent: two file extent items refer to it afterwards. */
const OVERWRITE = 'write: { file: /f, offset: 8K, length: 8K, direct: true }';

/**
 * The reader has read the item when writeback inserts the map of [0, 8K); then it fits [8K, 32K) in behind it. With the
 * address of what was cut off at the front, that map says where [0, 24K) lay.
 */
const SECOND_GAP = `
setup:
  - create: /f
  - write: { file: /f, length: 32K }
tasks:
  reader:
    - read: { file: /f, offset: 16K, length: 4K, direct: true }
  writer:
    - write: { file: /f, offset: 0, length: 8K }
    - fsync: /f
explore:
  strategy: script
schedule:
  - reader: extent-map-lookup
  - writer: extent-map-insert-new
  - reader: extent-map-insert
`;

/** Small chunks on as many devices as `filesystem` says; /gone leaves an empty data block group behind. */
function administration(filesystem: string, ...tasks: readonly string[]): Scenario {
  const lists = tasks.map((list, index) => `  t${index}:\n${list.replace(/^/gm, '    - ')}\n`);
  const workload = `
filesystem:
  block-groups: { system: 1M, metadata: 2M, data: 1M }
${filesystem.replace(/^/gm, '  ')}
setup:
  - create: /keep
  - write: { file: /keep, length: 1M, direct: true }
  - create: /gone
  - write: { file: /gone, length: 256K, direct: true }
  - create: /f
  - write: { file: /f, length: 256K, direct: true }
  - sync
  - unlink: /gone
tasks:
${lists.join('')}`;
  return { workload, executionsMax: 1, strategy: 'random' };
}

/** The race that a fix has closed: what the fix relies on is that a group is marked before its chunk map goes. */
const SCRUB_AND_CLEANER = shipped('scrub-vs-block-group-deletion', 400);

const SCENARIOS: Readonly<Record<JudgedId, Scenario>> = {
  'lose-block-group-update': alone(OVERWRITE),
  'drop-back-reference': alone(OVERWRITE),
  'skip-data-checksum': alone(OVERWRITE),
  'stale-parent-generation': alone(OVERWRITE),
  'leak-free-space-range': alone('unlink: /f'),
  'forget-lock-release': alone(OVERWRITE),
  'lock-order-swap': alone(OVERWRITE),
  'ignore-tree-write-error': shipped('tree-block-write-error', 20),
  'extent-map-overlap': alone(OVERWRITE),
  'wrong-gap-fit': { workload: SECOND_GAP, executionsMax: 1, strategy: 'script' },
  'lost-write': alone(OVERWRITE),
  'stale-read': shipped('direct-write-against-buffered-read', 100),
  'skip-ordered-wait': raced(200, OVERWRITE, 'write: { file: /f, offset: 12K, length: 8K, direct: true }'),
  'wrong-errno': alone('read: { file: /f, offset: 0, length: 4K, direct: true }'),
  'forget-range-unlock': alone(OVERWRITE),
  'erase-chunk-map-before-removed': SCRUB_AND_CLEANER,
  'forget-read-only-release': administration('devices: [16M]', 'scrub: {}'),
  'leak-unused-space-total': administration('devices: [16M]', 'unlink: /f\nsync\nclean'),
  'forget-unfreeze': administration('devices: [16M]', 'trim: {}'),
  'skip-one-device-extent': administration('devices: [16M]', 'scrub: {}'),
  'write-first-mirror-only': administration(
    'devices: [16M, 16M]\nmetadata: raid1\ndata: raid1',
    'write: { file: /f, length: 64K, direct: true }',
  ),
  'copy-first-half': administration('devices: [16M]\nspare: [16M]', 'replace: { devid: 1, target: 1 }'),
  'discard-before-commit': administration('devices: [16M]\nmount: { discard: true }', 'unlink: /f\nsync'),
};

function workloadOf(text: string): Workload {
  const result = parseWorkload(text, { file: 'seeded-bug.yaml', vocabulary: VOCABULARY });
  if (result.problems !== undefined) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.workload;
}

/** The violations of each execution, lazily. */
function* executions(scenario: Scenario, mutations: readonly MutationId[]): Generator<readonly Violation[]> {
  const workload = workloadOf(scenario.workload);
  const stage = workload.explore.find(({ strategy }) => strategy === scenario.strategy)!;
  const bench = new Bench(workload, allFixes(), LAWS, new Set(mutations));
  const strategy = strategyOf(stage, workload);
  for (let execution = 0; execution < scenario.executionsMax; execution++) {
    yield bench.execute(strategy, { decideAt: 'everything', keepEvents: false, seed: '1' })!.violations;
  }
}

describe.each(MUTATIONS.filter((mutation) => mutation.law !== 'durability'))('the seeded bug $id', ({ id, law }) => {
  const scenario = SCENARIOS[id];

  test(`breaks the law ${law}`, () => {
    let broken: readonly string[] = [];
    for (const violations of executions(scenario, [id])) {
      broken = violations.map((violation) => violation.law);
      if (broken.includes(law)) break;
    }
    expect(broken).toContain(law);
  });

  test('is all that is wrong: the same workload without it is clean under all laws', () => {
    for (const violations of executions(scenario, [])) expect(violations).toEqual([]);
  });
});

/** Looks at the disk before every effect of the run, and keeps what a power cut there would leave. */
class PowerCuts extends SteadyStrategy implements Strategy {
  override readonly name = 'power-cuts';
  override readonly wantsEveryStep = true;
  readonly images = new Map<string, DiskImage>();
  private world: SimulatedWorld | null = null;

  watch(world: SimulatedWorld): void {
    this.world = world;
  }

  override pick(choices: readonly Choice[], view: WorldView): number {
    const [device] = this.world!.devices;
    // The cache may have been written out, or be lost: both extremes of what may survive.
    for (const image of [device!.visible(), device!.durable()]) this.images.set(image.fingerprint, image);
    return super.pick(choices, view);
  }
}

const OLD = new Uint8Array(16 * 1024).fill(0x11);
const PROMISED = new Uint8Array(16 * 1024).fill(0x22);

const committed = disksAfter(function* (fs) {
  for (const path of ['/a', '/b', '/c']) {
    yield* sys.create(fs, path);
    yield* sys.write(fs, path, 0, OLD, { direct: true });
  }
});

/** What power cuts leave of a run that frees extents and promises bytes: complaints, and what /promised holds last. */
function afterPowerCuts(mutations: readonly MutationId[]): { complaints: string[]; promised: Uint8Array | null } {
  const cuts = new PowerCuts('1');
  const world = new SimulatedWorld({ devices: committed, strategy: cuts, lockOrder: LOCK_ORDER });
  cuts.watch(world);
  let atPromise: DiskImage | null = null;
  world.execute(function* (): Task<void> {
    const fs = yield* mountFilesystem(world, { fixes: allFixes(), mutations: new Set(mutations) });
    world.beginExploration();
    for (const path of ['/a', '/b', '/c']) {
      yield* sys.unlink(fs, path);
      yield* sys.sync(fs);
    }
    yield* sys.create(fs, '/promised');
    yield* sys.write(fs, '/promised', 0, PROMISED);
    yield* sys.fsync(fs, '/promised');
    atPromise = world.devices[0]!.durable();
    world.endExploration();
  });
  const complaints = new Set<string>();
  for (const image of cuts.images.values()) {
    for (const { fault } of checkImage([image], { crashed: true }).errors) complaints.add(fault);
  }
  const reader = openImage([atPromise!]);
  return { complaints: [...complaints], promised: reader === null ? null : reader.readFile('/promised') };
}

describe('bugs that only a power cut shows', () => {
  test('without a seeded bug every cut leaves a sound file system, with the bytes that fsync promised', () => {
    expect(afterPowerCuts([])).toEqual({ complaints: [], promised: PROMISED });
  });

  const TORN: readonly DurabilityId[] = ['skip-unpin-wait', 'skip-flush-before-superblock'];
  test.each(TORN)('%s leaves a superblock that leads to tree blocks which are not there', (id) => {
    expect(afterPowerCuts([id]).complaints).not.toEqual([]);
  });

  test('skip-fsync-commit loses bytes that fsync promised, on a sound file system', () => {
    const { complaints, promised } = afterPowerCuts(['skip-fsync-commit']);
    expect(complaints).toEqual([]);
    expect(promised).not.toEqual(PROMISED);
  });

  test('these are all of them', () => {
    const ids = MUTATIONS.filter(({ law }) => law === 'durability').map(({ id }) => id);
    expect(ids.sort()).toEqual([...TORN, 'skip-fsync-commit'].sort());
  });
});

describe('the registry of seeded bugs', () => {
  test('has at least one for each law', () => {
    const caught = new Set<string>(MUTATIONS.map(({ law }) => law));
    expect(LAWS.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });

  test('names laws that exist, or durability, which judges power cuts', () => {
    const laws = new Set([...LAWS.map(({ name }) => name), 'durability']);
    expect(MUTATIONS.filter(({ law }) => !laws.has(law))).toEqual([]);
  });

  test('lists what the engine asks for, each at exactly one place', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
      .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'));
    const asked = sources.flatMap((text) =>
      [...text.matchAll(/mutations\.has\('([^']*)'\)/g)].map((match) => match[1]),
    );
    expect(asked.sort()).toEqual(MUTATIONS.map(({ id }) => id as string).sort());
  });
});
