import { describe, expect, test } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { allFixes } from '../src/fs/fixes.ts';
import { nameHash } from '../src/fs/format/directory.ts';
import * as sys from '../src/fs/syscalls.ts';
import type { Task } from '../src/task/task.ts';
import { btrfsCheck, hasBtrfsCheck, ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function expectWhole(scratch: ScratchFilesystem): void {
  scratch.unmount();
  expect(complaintsAbout(scratch)).toEqual([]);
  if (hasBtrfsCheck) expect(btrfsCheck(scratch)).toBe('clean');
}

/**
 * Names of twelve bytes after `prefix` with one hash. CRCs are linear: what four bits of a name change in the hash, the
 * same bits change in every name of its length, so a set of bits that changes nothing (found by elimination) may be
 * added to any name.
 */
function collidingNames(prefix: string, count: number): Uint8Array[] {
  const base = utf8(`${prefix}${'P'.repeat(12)}`);
  const zero = nameHash(base);
  const basis: { hash: number; bits: bigint }[] = [];
  const kernel: bigint[] = [];
  // The four low bits of each byte: `P` to `_`.
  for (let bit = 0; bit < 48; bit++) {
    let bits = 1n << BigInt(bit);
    let hash = (nameHash(withBits(base, prefix.length, bits)) ^ zero) >>> 0;
    for (const row of basis) {
      if ((hash ^ row.hash) >>> 0 >= hash) continue;
      hash = (hash ^ row.hash) >>> 0;
      bits ^= row.bits;
    }
    if (hash === 0) kernel.push(bits);
    else {
      basis.push({ hash, bits });
      basis.sort((a, b) => b.hash - a.hash);
    }
  }
  return Array.from({ length: count }, (_, index) => {
    const bits = kernel.reduce((sum, row, at) => ((index >> at) & 1 ? sum ^ row : sum), 0n);
    return withBits(base, prefix.length, bits);
  });
}

function withBits(base: Uint8Array, from: number, bits: bigint): Uint8Array {
  return base.map((byte, at) => (at < from ? byte : byte ^ Number((bits >> BigInt(4 * (at - from))) & 15n)));
}

describe('names with one hash', () => {
  const names = collidingNames('/', 120);

  test('there are as many as wanted', () => {
    expect(new Set(names.map(textOf)).size).toBe(120);
    expect(new Set(names.map((name) => nameHash(name.subarray(1)))).size).toBe(1);
  });

  test('share an item until it is full; then one more is EOVERFLOW, and nothing else is wrong', () => {
    const scratch = new ScratchFilesystem({ nodeSize: 4096 });
    const outcomes = names.map((name) => scratch.outcome(sys.create(scratch.fs, name)));
    // A leaf of 4 KiB has 3,995 bytes; an entry takes 42, and Linux wants room for two item headers.
    expect(outcomes.indexOf('EOVERFLOW')).toBe(Math.floor((3995 - 50) / 42));
    const made = names.filter((_, index) => outcomes[index] === 'ok');
    const other = names[names.length - 1]!;
    expect(scratch.outcome(sys.mkdir(scratch.fs, other))).toBe('EOVERFLOW');
    expect(scratch.outcome(sys.link(scratch.fs, made[0]!, other))).toBe('EOVERFLOW');
    scratch.run(sys.create(scratch.fs, '/free'));
    expect(scratch.outcome(sys.rename(scratch.fs, '/free', other))).toBe('EOVERFLOW');
    // Measured with Linux 6.18: the name that goes is counted too.
    expect(scratch.outcome(sys.rename(scratch.fs, made[1]!, other))).toBe('EOVERFLOW');
    scratch.run(sys.unlink(scratch.fs, made[0]!));
    expect(scratch.outcome(sys.rename(scratch.fs, '/free', made[0]!))).toBe('ok');
    scratch.remount();
    expect(scratch.run(sys.readdir(scratch.fs, '/')).length).toBe(made.length);
    for (const name of made.slice(2)) scratch.run(sys.unlink(scratch.fs, name));
    expectWhole(scratch);
  });

  test('of attributes share an item too, which keeps the others when one changes or goes', () => {
    const scratch = new ScratchFilesystem({ nodeSize: 4096 });
    const { fs } = scratch;
    const attributes = collidingNames('user.', 8);
    scratch.run(sys.create(fs, '/f'));
    for (const [index, name] of attributes.entries()) scratch.run(sys.setXattr(fs, '/f', name, utf8(`value ${index}`)));
    scratch.run(sys.setXattr(fs, '/f', attributes[2]!, new Uint8Array(1000)));
    scratch.run(sys.removeXattr(fs, '/f', attributes[5]!));
    expect(scratch.outcome(sys.setXattr(fs, '/f', attributes[3]!, new Uint8Array(3900)))).toBe('ENOSPC');
    const kept = attributes.filter((_, index) => index !== 5 && index !== 2).concat([attributes[2]!]);
    expect(scratch.run(sys.listXattrs(fs, '/f')).map(textOf)).toEqual(kept.map(textOf));
    scratch.remount();
    expect(textOf(scratch.run(sys.getXattr(scratch.fs, '/f', attributes[7]!)))).toBe('value 7');
    expect(scratch.run(sys.getXattr(scratch.fs, '/f', attributes[2]!)).length).toBe(1000);
    expectWhole(scratch);
  });
});

test('a file without a name, and one whose names are gone, are freed after a power cut', () => {
  const scratch = new ScratchFilesystem();
  const { fs } = scratch;
  const nameless = scratch.run(sys.open(fs, '/', { tmpfile: true }));
  scratch.run(sys.write(fs, nameless, 0, new Uint8Array(100_000).fill(1)));
  scratch.run(sys.create(fs, '/gone'));
  scratch.run(sys.write(fs, '/gone', 0, new Uint8Array(100_000).fill(2)));
  const open = scratch.run(sys.open(fs, '/gone'));
  scratch.run(sys.unlink(fs, '/gone'));
  const linked = scratch.run(sys.open(fs, '/', { tmpfile: true }));
  scratch.run(sys.write(fs, linked, 0, utf8('kept')));
  scratch.run(sys.link(fs, linked, '/linked'));
  scratch.run(sys.sync(fs));
  expect([nameless, open].map((handle) => scratch.run(sys.stat(fs, handle)).links)).toEqual([0, 0]);
  const before = scratch.run(sys.statfs(fs)).blocksFree;
  scratch.crash();
  scratch.run(sys.sync(scratch.fs));
  expect(scratch.run(sys.statfs(scratch.fs)).blocksFree).toBeGreaterThanOrEqual(before + 48);
  expect(textOf(scratch.run(sys.read(scratch.fs, '/linked', 0, 10)))).toBe('kept');
  expectWhole(scratch);
});

test('messages show names so that none breaks a line', () => {
  const scratch = new ScratchFilesystem();
  const bad = Uint8Array.of(0x2f, 0x61, 0x0a, 0xff, 0x1b, 0x5b);
  expect(() => scratch.run(sys.stat(scratch.fs, bad))).toThrow('ENOENT: /a\\x0a\\xff\\x1b[ does not exist');
});

describe('an operation that cannot reserve space changes nothing', () => {
  const operations: [string, (fs: ScratchFilesystem['fs']) => Task<unknown>][] = [
    ['link', (fs) => sys.link(fs, '/f', '/new')],
    ['symlink', (fs) => sys.symlink(fs, 'target', '/new')],
    ['mknod', (fs) => sys.mknod(fs, '/new', { kind: 'fifo' })],
    ['exchange', (fs) => sys.rename(fs, '/f', '/d', { exchange: true })],
    ['rename', (fs) => sys.rename(fs, '/f', '/new')],
    ['chmod', (fs) => sys.chmod(fs, '/f', 0o600)],
    ['chown', (fs) => sys.chown(fs, '/f', 1, 1)],
    ['utimes', (fs) => sys.utimes(fs, '/f', { access: 5, modify: 6 })],
    ['setxattr', (fs) => sys.setXattr(fs, '/f', 'user.b', utf8('v'))],
    ['removexattr', (fs) => sys.removeXattr(fs, '/f', 'user.a')],
    ['flags', (fs) => sys.setFlags(fs, '/f', { nodump: true })],
    ['a file without a name', (fs) => sys.open(fs, '/', { tmpfile: true })],
  ];

  test.each(operations)('%s', (_name, operation) => {
    const scratch = new ScratchFilesystem();
    const { fs, world } = scratch;
    scratch.run(sys.create(fs, '/f'));
    scratch.run(sys.mkdir(fs, '/d'));
    scratch.run(sys.setXattr(fs, '/f', 'user.a', utf8('old')));
    const look = () => [
      scratch.run(sys.stat(fs, '/')),
      scratch.run(sys.stat(fs, '/f')),
      scratch.run(sys.readdir(fs, '/')).map(textOf),
      scratch.run(sys.listXattrs(fs, '/f')).map(textOf),
    ];
    const before = look();
    world.failure = (site) => (site === 'reserve-metadata-space' ? 'ENOSPC' : null);
    expect(scratch.outcome(operation(fs))).toBe('ENOSPC');
    world.failure = () => null;
    expect(look()).toEqual(before);
    expect(scratch.outcome(operation(fs))).toBe('ok');
    for (const handle of [0]) scratch.outcome(sys.close(fs, handle));
    expectWhole(scratch);
  });
});

test('statfs counts what is used once for each copy, and never more than there is', () => {
  const scratch = new ScratchFilesystem({ devices: [64 * MIB], metadataProfile: 'dup' }, { fixes: allFixes() });
  const empty = scratch.run(sys.statfs(scratch.fs));
  expect(empty).toMatchObject({ blockSize: 4096, blocks: 16384, files: 0, filesFree: 0, nameLengthMax: 255 });
  scratch.run(sys.create(scratch.fs, '/f'));
  scratch.run(sys.write(scratch.fs, '/f', 0, new Uint8Array(MIB)));
  scratch.run(sys.sync(scratch.fs));
  const { blocksFree, blocksAvailable } = scratch.run(sys.statfs(scratch.fs));
  expect(empty.blocksFree - blocksFree).toBeGreaterThanOrEqual(256);
  expect(empty.blocksAvailable - blocksAvailable).toBe(256);
});
