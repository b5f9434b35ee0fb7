import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complaintOf } from '../../../tests/support/complaint.ts';
import type { DiskImage } from '../../record/image.ts';
import { btrfsCheck, checkDevices, judgeOutput } from './btrfs-check.ts';
import { runCommand } from './command.ts';
import { writeImageFiles } from './image-files.ts';
import { kernelMount } from './kernel-mount.ts';
import { attachLoops, loopsMissing } from './loop-devices.ts';
import { runWithOwnDevices } from './own-devices.ts';
import { mountAlone } from './own-mount.ts';

const MIB = 1024 * 1024;
const isThere = async (program: string) =>
  (await runCommand(program, ['--version'], { timeoutMs: 10_000 })).kind === 'ended';
const hasMkfs = (await isThere('mkfs.btrfs')) && (await isThere('btrfs'));
const hasBtrfs = /\bbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'));
const canMount = hasMkfs && hasBtrfs && (await loopsMissing()) === null;
const HELLO = 'hello '.repeat(2000);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const ZEROES = new Uint8Array(4096);

/** An image held in memory; zero blocks count as not written. */
function imageOf(bytes: Uint8Array): DiskImage {
  const block = 4096;
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    *written() {
      for (let offset = 0; offset < bytes.length; offset += block) {
        const part = bytes.subarray(offset, offset + block);
        if (Buffer.compare(part, ZEROES) !== 0) yield { offset, bytes: part };
      }
    },
    fingerprint: 'unused',
  };
}

async function makeImage(): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'fsquake-test-'));
  try {
    await mkdir(join(folder, 'root'));
    await writeFile(join(folder, 'root', 'hello'), HELLO);
    const path = join(folder, 'image');
    await writeFile(path, '');
    await truncate(path, 116 * MIB);
    const made = await runCommand('mkfs.btrfs', ['-q', '-r', join(folder, 'root'), path], { timeoutMs: 30_000 });
    expect(made).toMatchObject({ kind: 'ended', exitCode: 0 });
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

let good: Uint8Array = new Uint8Array(0);
/** All that the judges leave lying about would lie here. */
let temporary = '';
const usualFolder = process.env['TMPDIR'];
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'fsquake-judges-test-'));
  process.env['TMPDIR'] = temporary;
  if (hasMkfs) good = await makeImage();
});
afterAll(async () => {
  if (usualFolder === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = usualFolder;
  await rm(temporary, { recursive: true });
});

/** Flips one byte in every copy of the file's data. */
function spoilData(image: Uint8Array): Uint8Array {
  const spoilt = Buffer.from(image);
  for (let at = spoilt.indexOf('hello hello hello '); at >= 0; at = spoilt.indexOf('hello hello hello ', at + 4096)) {
    spoilt[at] = 0x48;
  }
  return spoilt;
}

describe('btrfs check', () => {
  test.skipIf(!hasMkfs)('finds a fresh image clean', async () => {
    expect(complaintOf(await btrfsCheck([imageOf(good)]))).toBeNull();
  });

  test.skipIf(!hasMkfs)('finds wrong data checksums', async () => {
    const report = await btrfsCheck([imageOf(spoilData(good))]);
    expect(report.verdict).toBe('faulty');
    expect(report.output).toContain('csum');
  });

  test.skipIf(!hasMkfs)('finds that an empty disk holds no file system', async () => {
    expect((await btrfsCheck([imageOf(new Uint8Array(16 * MIB))])).verdict).toBe('faulty');
  });

  test('does not judge without images', async () => {
    expect((await btrfsCheck([])).reason).toBe('not judged by btrfs check: there is no image');
  });

  test.each([
    [0, 'found 0 bytes used, no error found', 'clean', 'no complaint'],
    [
      0,
      'Opening\nWARNING: super bytes used 5 mismatches actual used 4',
      'faulty',
      'WARNING: super bytes used 5 mismatches actual used 4',
    ],
    [0, 'warning, device 2 is missing', 'faulty', 'warning, device 2 is missing'],
    [
      1,
      'Opening filesystem to check...\n[1/7] checking root items\nref mismatch on [1 2]',
      'faulty',
      'ref mismatch on [1 2]',
    ],
    [1, 'ERROR: cannot open file system', 'faulty', 'ERROR: cannot open file system'],
    [1, '[1/7] checking root items', 'faulty', 'exit code 1'],
    [1, "btrfs check: unrecognized option '--check-data-csum'", 'not-judged', /does not know the options/],
  ] as const)('exit code %i with %j is %s', (exitCode, output, verdict, reason) => {
    const report = judgeOutput(exitCode, output);
    expect(report.verdict).toBe(verdict);
    expect(report.reason).toMatch(
      typeof reason === 'string' ? new RegExp(`^${reason.replace(/[[\]()]/g, '\\$&')}$`) : reason,
    );
  });
});

describe('a program of the host', () => {
  test('that does not exist is told apart from one that fails', async () => {
    expect(await runCommand('no-such-program-anywhere', [], { timeoutMs: 5000 })).toEqual({ kind: 'not-found' });
    expect(await runCommand(process.execPath, ['-e', 'process.exit(1)'], { timeoutMs: 5000 })).toMatchObject({
      kind: 'ended',
      exitCode: 1,
    });
  });

  test('that does not end in time has said nothing', async () => {
    const sleeper = ['-e', 'setInterval(() => {}, 1000)'];
    const result = await runCommand(process.execPath, sleeper, { timeoutMs: 200 });
    expect(result).toMatchObject({ kind: 'broken', why: `${process.execPath} took longer than 200 ms` });
  });

  test('that is killed has said nothing', async () => {
    const result = await runCommand('sh', ['-c', 'kill -9 $$'], { timeoutMs: 5000 });
    expect(result).toMatchObject({ kind: 'broken', why: 'sh was killed by SIGKILL' });
  });
});

test('image files are sparse, exact, and gone after remove', async () => {
  const bytes = new Uint8Array(MIB);
  bytes.set([1, 2, 3], 65536);
  const files = await writeImageFiles([imageOf(bytes), imageOf(new Uint8Array(8192))]);
  expect(Buffer.compare(await readFile(files.paths[0]!), bytes)).toBe(0);
  expect((await readFile(files.paths[1]!)).length).toBe(8192);
  await files.remove();
  await expect(readFile(files.paths[0]!)).rejects.toThrow('ENOENT');
});

describe('kernel mount', () => {
  test.skipIf(!canMount)('mounts, reads back, writes, and leaves nothing behind', async () => {
    const report = await kernelMount([imageOf(good)], [{ path: '/hello', sha256: sha256(HELLO) }]);
    expect(complaintOf(report)).toBeNull();
    expect(report.reason).toBe('mounted, 1 files read back, unmounted');
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(temporary);
    const loops = await runCommand('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], { timeoutMs: 5000 });
    expect((loops as { output: string }).output).not.toContain(temporary);
    expect(await readdir(temporary)).toEqual([]);
  });

  test.skipIf(!canMount)('finds files that differ or are missing', async () => {
    const report = await kernelMount(
      [imageOf(good)],
      [
        { path: '/hello', sha256: sha256('bye') },
        { path: '/gone', sha256: sha256('bye') },
      ],
    );
    expect(report.verdict).toBe('faulty');
    expect(report.reason).toMatch(/\/hello: 12000 bytes with sha256 .*; \/gone: ENOENT/);
  });

  test.skipIf(!canMount)('finds data that cannot be read', async () => {
    const report = await kernelMount([imageOf(spoilData(good))], [{ path: '/hello', sha256: sha256(HELLO) }]);
    expect(report).toMatchObject({ verdict: 'faulty', reason: '/hello: EIO' });
  });

  test.skipIf(!canMount)('finds that an empty disk cannot be mounted', async () => {
    const report = await kernelMount([imageOf(new Uint8Array(16 * MIB))]);
    expect(report.verdict).toBe('faulty');
    expect(report.reason).toMatch(/^mount: /);
  });

  test.skipIf(canMount)('says why it does not judge', async () => {
    expect((await kernelMount([imageOf(new Uint8Array(MIB))])).reason).toMatch(/^not judged by kernel mount: /);
  });
});

describe('several devices', () => {
  let images: DiskImage[] = [];
  beforeAll(async () => {
    if (!canMount) return;
    const empty = imageOf(new Uint8Array(128 * MIB));
    const files = await writeImageFiles([empty, empty]);
    const loops = await attachLoops(files.paths);
    if ('failed' in loops) throw new Error(loops.failed);
    try {
      const args = ['-q', '-m', 'raid1', '-d', 'raid1', ...loops.devices];
      expect(await runCommand('mkfs.btrfs', args, { timeoutMs: 30_000 })).toMatchObject({ kind: 'ended', exitCode: 0 });
    } finally {
      await loops.detach();
    }
    images = await Promise.all(files.paths.map(async (path) => imageOf(await readFile(path))));
    await files.remove();
  });

  test.skipIf(!canMount)('are checked and mounted together', async () => {
    expect(complaintOf(await btrfsCheck(images))).toBeNull();
    expect(complaintOf(await kernelMount(images))).toBeNull();
  });

  // Copies under one id and a grown device of the same number: whoever sees them too finds sizes that contradict.
  test.skipIf(!canMount)('are judged without a look at what else the host has', async () => {
    const grown = { ...images[1]!, size: images[1]!.size + 64 * MIB };
    const files = await writeImageFiles([...images, images[0]!, grown]);
    const loops = await attachLoops(files.paths);
    if ('failed' in loops) throw new Error(loops.failed);
    try {
      const own = loops.devices.slice(0, 2);
      const seen = await runWithOwnDevices(own, 'find', ['/dev', '-type', 'b'], { timeoutMs: 20_000 });
      expect(seen).toMatchObject({ kind: 'ended', exitCode: 0 });
      expect(seen.kind === 'ended' ? seen.output.split('\n').sort() : []).toEqual([...own].sort());
      expect(complaintOf(await checkDevices(own, 0))).toBeNull();
    } finally {
      await loops.detach();
      await files.remove();
    }
  });

  test.skipIf(!canMount)('that are not there are no fault of an image', async () => {
    expect(
      await runWithOwnDevices(['/dev/no-such-device'], 'btrfs', ['--version'], { timeoutMs: 20_000 }),
    ).toMatchObject({
      kind: 'broken',
    });
    const mount = await mountAlone(['/dev/no-such-device'], 'ro');
    expect(mount).toMatchObject({ failed: { kind: 'broken' } });
  });

  test.skipIf(!canMount)('need a program that is there', async () => {
    expect(await runWithOwnDevices([], 'no-such-program-anywhere', [], { timeoutMs: 20_000 })).toEqual({
      kind: 'not-found',
    });
  });
});
