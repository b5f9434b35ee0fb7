import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sameBytes } from '../src/base/bytes.ts';
import { type RandomStream, randomStream } from '../src/base/random.ts';
import { FsError } from '../src/fs/errors.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { kernelMount } from '../src/oracle/judges/kernel-mount.ts';
import type { Task } from '../src/task/task.ts';
import { complaintOf } from './support/complaint.ts';
import { withoutNoHoles } from './support/hole-item-disks.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout, imagesOf } from './support/scratch-image.ts';

const SECTOR = 4096;
const SECTORS_MAX = 40;
/** All of one content, so that dedupes find something to do. */
const FILLS = [0, 0, 17, 17, 200];
const NAMES = ['one', 'two', 'three', 'in place', 'in place too'];

type Model = Map<string, Uint8Array>;

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, Math.min(size, bytes.length)));
  return result;
}

function put(model: Model, name: string, offset: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const old = model.get(name)!;
  const grown = resized(old, Math.max(old.length, offset + bytes.length));
  grown.set(bytes, offset);
  model.set(name, grown);
}

/** What Linux says to a reflink, by what both files are. */
function reflinkAnswer(
  model: Model,
  from: string,
  to: string,
  at: number,
  asked: number,
  toAt: number,
): string | number {
  const source = model.get(from)!.length;
  const target = model.get(to)!.length;
  if (from.startsWith('in place') !== to.startsWith('in place')) return 'EINVAL';
  if (asked === 0 && at === source) return 0;
  const length = asked === 0 ? source - at : asked;
  if (at >= source || at + length > source || at % SECTOR !== 0 || toAt % SECTOR !== 0) return 'EINVAL';
  if (length % SECTOR !== 0 && (at + length < source || toAt + length < target)) return 'EINVAL';
  const covered = Math.ceil(length / SECTOR) * SECTOR;
  if (from === to && Math.abs(at - toAt) < covered) return 'EINVAL';
  return length;
}

function answer<T>(scratch: ScratchFilesystem, task: Task<T>): T | string {
  try {
    return scratch.run(task);
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
}

/** Mostly whole sectors, sometimes any byte; at most `max`. */
function somewhere(random: RandomStream, max: number): number {
  if (random.chance(1, 6)) return random.below(max + 1);
  return Math.min(max, random.below(Math.floor(max / SECTOR) + 2) * SECTOR);
}

function writeStep(scratch: ScratchFilesystem, model: Model, name: string, random: RandomStream): void {
  const direct = random.chance(1, 3);
  const offset = direct ? random.below(SECTORS_MAX - 8) * SECTOR : random.below((SECTORS_MAX - 8) * SECTOR);
  const length = direct ? (1 + random.below(8)) * SECTOR : 1 + random.below(8 * SECTOR);
  const fill = FILLS[random.below(FILLS.length)]!;
  const bytes = new Uint8Array(length).fill(fill);
  if (random.chance(1, 2)) bytes.fill(fill + 1, length >> 1, (length >> 1) + 10);
  expect(scratch.run(sys.write(scratch.fs, name, offset, bytes, { direct }))).toBe(length);
  put(model, name, offset, bytes);
}

function reflinkStep(scratch: ScratchFilesystem, model: Model, name: string, random: RandomStream): void {
  const other = NAMES[random.below(NAMES.length)]!;
  const size = model.get(name)!.length;
  const sourceOffset = somewhere(random, size);
  const length = random.chance(1, 3) ? 0 : random.chance(1, 2) ? size - sourceOffset : somewhere(random, size);
  const targetOffset = somewhere(random, (SECTORS_MAX - 10) * SECTOR);
  const expected = reflinkAnswer(model, name, other, sourceOffset, length, targetOffset);
  const task = sys.reflink(scratch.fs, name, other, { sourceOffset, length, targetOffset });
  expect(answer(scratch, task)).toBe(typeof expected === 'number' ? undefined : expected);
  if (typeof expected !== 'number' || expected === 0) return;
  put(model, other, targetOffset, model.get(name)!.slice(sourceOffset, sourceOffset + expected));
}

function dedupeStep(scratch: ScratchFilesystem, model: Model, name: string, random: RandomStream): void {
  const other = NAMES[random.below(NAMES.length)]!;
  const source = model.get(name)!;
  const target = model.get(other)!;
  const at = somewhere(random, source.length);
  const toAt = random.chance(1, 2) ? at : somewhere(random, target.length);
  const length = random.chance(1, 2)
    ? Math.min(source.length - at, target.length - toAt)
    : somewhere(random, 4 * SECTOR);
  const result = answer(scratch, sys.dedupe(scratch.fs, name, at, Math.max(0, length), other, toAt));
  if (typeof result !== 'number' || result === 0) return;
  // What it deduped was the same, up to a part of a block at the end.
  const compared =
    at + result === source.length && toAt + result === target.length ? result : result - (result % SECTOR);
  const isSame = sameBytes(source.subarray(at, at + compared), target.subarray(toAt, toAt + compared));
  expect({ at, toAt, result, isSame }).toEqual({ at, toAt, result, isSame: true });
}

function copyStep(scratch: ScratchFilesystem, model: Model, name: string, random: RandomStream): void {
  const other = NAMES[random.below(NAMES.length)]!;
  const source = model.get(name)!;
  const at = somewhere(random, source.length);
  const toAt = somewhere(random, (SECTORS_MAX - 10) * SECTOR);
  const length = random.below(10 * SECTOR);
  const available = Math.max(0, Math.min(length, source.length - at));
  const result = answer(scratch, sys.copyRange(scratch.fs, name, at, other, toAt, length));
  if (name === other && toAt + available > at && toAt < at + available) {
    expect(result).toBe('EINVAL');
    return;
  }
  expect(typeof result === 'number' && result <= available && result > available - SECTOR).toBe(true);
  put(model, other, toAt, source.slice(at, at + Number(result)));
}

function truncateStep(scratch: ScratchFilesystem, model: Model, name: string, random: RandomStream): void {
  const size = somewhere(random, SECTORS_MAX * SECTOR);
  scratch.run(sys.truncate(scratch.fs, name, size));
  model.set(name, resized(model.get(name)!, size));
}

function replaceFile(scratch: ScratchFilesystem, model: Model, name: string): void {
  scratch.run(sys.unlink(scratch.fs, name));
  scratch.run(sys.create(scratch.fs, name, { nodatacow: name.startsWith('in place') }));
  model.set(name, new Uint8Array(0));
}

function step(scratch: ScratchFilesystem, model: Model, random: RandomStream): void {
  const name = NAMES[random.below(NAMES.length)]!;
  const dice = random.below(20);
  if (dice < 5) writeStep(scratch, model, name, random);
  else if (dice < 10) reflinkStep(scratch, model, name, random);
  else if (dice < 12) dedupeStep(scratch, model, name, random);
  else if (dice < 14) copyStep(scratch, model, name, random);
  else if (dice < 16) truncateStep(scratch, model, name, random);
  else if (dice < 17) scratch.run(sys.dropCaches(scratch.fs));
  else if (dice < 18) scratch.run(sys.sync(scratch.fs));
  else if (random.chance(1, 3)) replaceFile(scratch, model, name);
  else if (random.chance(1, 2)) scratch.remount();
  else {
    scratch.run(sys.sync(scratch.fs));
    scratch.crash();
  }
}

function look(scratch: ScratchFilesystem, model: Model): void {
  for (const [name, bytes] of model) {
    const observed = scratch.run(sys.read(scratch.fs, name, 0, 2 * SECTORS_MAX * SECTOR));
    if (!sameBytes(observed, bytes)) expect({ name, observed }).toEqual({ name, observed: bytes });
  }
}

// Goal: files that share data behave as files that do not. The model is plain bytes; who shares what is the oracle's to
// judge. With the last two seeds holes have items.
test.each([1, 2, 3, 4, 5, 6])(
  '600 random reflinks, dedupes, copies, writes and truncates leave the bytes of the model and clean images (seed %i)',
  async (seed) => {
    const random = randomStream(`${seed}`, 'random-reflink');
    const id = `random-reflink-${process.pid}-${seed}`;
    const make = { seed: id, nodeSize: seed % 2 === 0 ? 4096 : 16384 };
    const scratch =
      seed < 5
        ? new ScratchFilesystem(make)
        : new ScratchFilesystem(make, { fixes: allFixes() }, { edit: withoutNoHoles });
    const model: Model = new Map();
    for (const name of NAMES) {
      scratch.run(sys.create(scratch.fs, name, { nodatacow: name.startsWith('in place') }));
      model.set(name, new Uint8Array(0));
    }
    for (let i = 0; i < 600; i++) {
      step(scratch, model, random);
      if (i % 20 === 19) look(scratch, model);
      if (i % 50 !== 49) continue;
      scratch.run(sys.sync(scratch.fs));
      expect(complaintsAbout(scratch)).toEqual([]);
      if (i % 200 === 199 && hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
    }
    scratch.remount();
    look(scratch, model);
    scratch.unmount();
    expect(complaintsAbout(scratch)).toEqual([]);
    if (seed > 2) return;
    const files = [...model].map(([name, bytes]) => ({
      path: `/${name}`,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    }));
    const judged = await kernelMount(imagesOf(scratch), files);
    if (judged.verdict !== 'not-judged') expect(complaintOf(judged)).toBeNull();
  },
  60_000,
);
