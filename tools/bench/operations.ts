import { type RandomStream, randomStream } from '../../src/base/random.ts';
import { GIB } from '../../src/base/units.ts';
import { type MountedFilesystem, mountFilesystem, unmountFilesystem } from '../../src/fs/filesystem.ts';
import { allFixes } from '../../src/fs/fixes.ts';
import { makeFilesystem } from '../../src/fs/mkfs.ts';
import {
  chmod,
  create,
  fiemap,
  link,
  mkdir,
  read,
  readdir,
  reflink,
  rename,
  stat,
  symlink,
  sync,
  truncate,
  unlink,
  write,
} from '../../src/fs/syscalls.ts';
import { SimulatedWorld } from '../../src/inject/simulated-world.ts';
import { LAWS } from '../../src/oracle/laws.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import type { Task } from '../../src/task/task.ts';
import type { Figure } from './figure.ts';

const DEVICE_BYTES = 8 * GIB;
const NODE_BYTES = 16384;
const DATA = new Uint8Array(4096).fill(7);
/** Files that the mixed operations are about, and how many of them lie in one directory. */
const MIXED_FILES = 1000;
const FILES_IN_DIRECTORY = 100;
const MIXED_OPERATIONS = 20_000;
/** Somebody calls sync after so many operations. */
const SYNC_EVERY = 500;
const OF_A_KIND = 2000;
/** Sizes of the file system, in files, at which the cost of an operation is looked at. */
const SCALES = [1000, 10_000, 100_000];

/**
 * Operations per second of the engine by kind and mixed, one task, the law on extent maps watching. Seconds are those of
 * the processor that the process had, with all its threads (the collector of garbage has some): what else runs on the
 * machine matters less to them than to the clock.
 */
export function measureOperations(filesMax = SCALES.at(-1)!): Figure[] {
  return [...measureKinds(), ...measureMixed(), ...measureScales(filesMax)];
}

type Operate = (fs: MountedFilesystem, at: number, random: RandomStream) => Task<unknown>;

const nameOf = (at: number) => `/d${Math.floor(at / FILES_IN_DIRECTORY)}/file-${at}`;

/** In this order: later ones find what earlier ones left. */
const KINDS: readonly (readonly [string, Operate])[] = [
  ['create', (fs, at) => create(fs, nameOf(at))],
  ['write of 4 KiB to a new file', (fs, at) => write(fs, nameOf(at), 0, DATA)],
  ['overwrite of 4 KiB', (fs, at) => write(fs, nameOf(at), 0, DATA)],
  ['direct write of 4 KiB', (fs, at) => write(fs, nameOf(at), 4096, DATA, { direct: true })],
  ['read of 4 KiB', (fs, at) => read(fs, nameOf(at), 0, 4096)],
  ['direct read of 4 KiB', (fs, at) => read(fs, nameOf(at), 0, 4096, { direct: true })],
  ['stat', (fs, at) => stat(fs, nameOf(at))],
  ['chmod', (fs, at) => chmod(fs, nameOf(at), 0o600)],
  ['fiemap', (fs, at) => fiemap(fs, nameOf(at))],
  ['truncate', (fs, at) => truncate(fs, nameOf(at), 6000)],
  ['link', (fs, at) => link(fs, nameOf(at), `${nameOf(at)}-l`)],
  ['symlink', (fs, at) => symlink(fs, 'target', `${nameOf(at)}-s`)],
  ['rename', (fs, at) => rename(fs, `${nameOf(at)}-l`, `${nameOf(at)}-m`)],
  ['reflink of 4 KiB', (fs, at) => reflink(fs, nameOf(at), nameOf(at), { length: 4096, targetOffset: 65_536 })],
  ['readdir of 300 names', (fs, at) => readdir(fs, `/d${Math.floor(at / FILES_IN_DIRECTORY)}`)],
  ['unlink', (fs, at) => unlink(fs, nameOf(at))],
];

function measureKinds(): Figure[] {
  const figures: Figure[] = [];
  run(function* (fs) {
    yield* makeDirectories(fs, OF_A_KIND);
    yield* sync(fs);
    const random = randomStream('kinds', 'workload');
    for (const [name, operate] of KINDS) {
      const started = processorTime();
      for (let at = 0; at < OF_A_KIND; at++) yield* operate(fs, at, random);
      yield* sync(fs);
      figures.push({ name: `operations: ${name}`, value: perSecond(OF_A_KIND, started), unit: '/s' });
    }
  });
  return figures;
}

/** Weights of the mix, roughly what a build or a mail server does. */
const MIX: readonly (readonly [number, Operate])[] = [
  [25, (fs, at, random) => write(fs, nameOf(at), random.below(16) * 4096, DATA)],
  [5, (fs, at, random) => write(fs, nameOf(at), random.below(16) * 4096, DATA, { direct: true })],
  [25, (fs, at, random) => read(fs, nameOf(at), random.below(16) * 4096, 4096)],
  [15, (fs, at) => stat(fs, nameOf(at))],
  [6, (fs, at, random) => truncate(fs, nameOf(at), random.below(65_536))],
  [6, replace],
  [6, renameBack],
  [6, linkBriefly],
  [3, (fs, at) => chmod(fs, nameOf(at), 0o600)],
  [3, (fs, at) => fiemap(fs, nameOf(at))],
];

function* replace(fs: MountedFilesystem, at: number): Task<void> {
  yield* unlink(fs, nameOf(at));
  yield* create(fs, nameOf(at));
}

function* renameBack(fs: MountedFilesystem, at: number): Task<void> {
  yield* rename(fs, nameOf(at), `${nameOf(at)}-r`);
  yield* rename(fs, `${nameOf(at)}-r`, nameOf(at));
}

function* linkBriefly(fs: MountedFilesystem, at: number): Task<void> {
  yield* link(fs, nameOf(at), `${nameOf(at)}-l`);
  yield* unlink(fs, `${nameOf(at)}-l`);
}

/** Those that are two operations count as two. */
const PAIRS = new Set<Operate>([replace, renameBack, linkBriefly]);

function measureMixed(): Figure[] {
  let value = 0;
  let byClock = 0;
  run(function* (fs) {
    yield* makeFiles(fs, 0, MIXED_FILES);
    const random = randomStream('mixed', 'workload');
    const wheel = MIX.flatMap(([weight, operate]) => Array.from({ length: weight }, () => operate));
    let done = 0;
    const started = processorTime();
    const startedAt = performance.now();
    while (done < MIXED_OPERATIONS) {
      const operate = wheel[random.below(wheel.length)]!;
      yield* operate(fs, random.below(MIXED_FILES), random);
      done += PAIRS.has(operate) ? 2 : 1;
      if (done % SYNC_EVERY === 0) yield* sync(fs);
    }
    yield* sync(fs);
    value = perSecond(done, started);
    byClock = (done * 1000) / (performance.now() - startedAt);
  });
  return [
    { name: 'operations: mixed', value, unit: '/s', bound: 'aim 20,000' },
    { name: 'operations: mixed, by the clock', value: byClock, unit: '/s' },
  ];
}

/** Creation and overwriting in file systems of growing size: the cost may grow as the depth of the trees does. */
function measureScales(filesMax: number): Figure[] {
  const figures: Figure[] = [];
  run(function* (fs) {
    let made = 0;
    const random = randomStream('scales', 'workload');
    for (let scale = SCALES[0]!; scale <= filesMax; scale *= 10) {
      const started = processorTime();
      const before = made;
      yield* makeFiles(fs, made, scale);
      made = scale;
      const creating = (processorTime() - started) / (made - before);
      const again = processorTime();
      for (let count = 0; count < OF_A_KIND; count++) yield* write(fs, nameOf(random.below(made)), 0, DATA);
      yield* sync(fs);
      const level = fs.info.trees.fs.root.level;
      const what = `with ${scale.toLocaleString('en')} files (level ${level})`;
      figures.push({ name: `operations: create ${what}`, value: creating * 1000, unit: 'µs' });
      const writing = ((processorTime() - again) * 1000) / OF_A_KIND;
      figures.push({ name: `operations: write anywhere ${what}`, value: writing, unit: 'µs' });
    }
  });
  return figures;
}

function* makeDirectories(fs: MountedFilesystem, files: number): Task<void> {
  for (let at = 0; at < files; at += FILES_IN_DIRECTORY) yield* mkdir(fs, `/d${at / FILES_IN_DIRECTORY}`);
}

function* makeFiles(fs: MountedFilesystem, from: number, to: number): Task<void> {
  for (let at = from; at < to; at++) {
    if (at % FILES_IN_DIRECTORY === 0) yield* mkdir(fs, `/d${at / FILES_IN_DIRECTORY}`);
    yield* create(fs, nameOf(at));
    if (at % 10_000 === 9999) yield* sync(fs);
  }
  yield* sync(fs);
}

function run(main: (fs: MountedFilesystem) => Task<void>): void {
  const disk = new BlockTable(DEVICE_BYTES);
  for (const { offset, bytes } of makeFilesystem({ devices: [DEVICE_BYTES], nodeSize: NODE_BYTES })) {
    disk.write(offset, bytes);
  }
  const law = LAWS.find(({ name }) => name === 'extent-maps')!.begin({ sectorSize: 4096, disks: () => [disk] });
  const world = new SimulatedWorld({
    devices: [disk],
    observer: (observation, step) => law.observe?.(observation, step),
    stepLimit: Number.POSITIVE_INFINITY,
  });
  world.execute(function* () {
    const fs = yield* mountFilesystem(world, { fixes: allFixes() });
    yield* main(fs);
    yield* unmountFilesystem(fs);
  });
}

function perSecond(count: number, startedAt: number): number {
  return (count * 1000) / (processorTime() - startedAt);
}

/** Milliseconds of processor time that the process has used. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
