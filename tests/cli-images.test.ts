import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32c } from '../src/base/crc32c.ts';
import { randomStream } from '../src/base/random.ts';
import { fsquake } from './support/run-command-line.ts';

/**
 * Goal: the commands on image files keep their promises: what they print, their exit codes, and that an image changes as
 * a whole or not at all.
 * Method: images that `mkfs` made, in a folder of their own; no root, no loop devices.
 */
const FOLDER = mkdtempSync(join(tmpdir(), 'fsquake-images-'));
const IMAGE = join(FOLDER, 'disk.img');
const TREE = join(FOLDER, 'tree');
const NEWLINE_NAME = 'two\nlines';
const INVALID_NAME = Buffer.concat([Buffer.from(`${TREE}/`), Buffer.from([0x62, 0xff, 0x64])]);
const LARGE = Buffer.alloc(3_000_001, 'large and not sparse ');

const at = (...names: string[]) => join(FOLDER, ...names);
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

beforeAll(async () => {
  mkdirSync(join(TREE, 'folder/below'), { recursive: true });
  writeFileSync(join(TREE, 'large'), LARGE);
  writeFileSync(join(TREE, 'small'), 'hello\n');
  writeFileSync(join(TREE, 'empty'), '');
  writeFileSync(join(TREE, 'folder/below', NEWLINE_NAME), 'odd');
  writeFileSync(INVALID_NAME, 'invalid');
  writeFileSync(join(TREE, 'sparse'), 'x');
  truncateSync(join(TREE, 'sparse'), 5_000_000);
  linkSync(join(TREE, 'large'), join(TREE, 'folder/another'));
  symlinkSync('../small', join(TREE, 'folder/link'));
  chmodSync(join(TREE, 'small'), 0o4751);
  utimesSync(join(TREE, 'large'), 1_600_000_000, 1_500_000_000);
  utimesSync(join(TREE, 'folder'), 1_400_000_000, 1_300_000_000);
  expect(await fsquake('mkfs', IMAGE, '--size', '128M', '--seed', '1', '--label', 'test')).toMatchObject({
    exitCode: 0,
  });
  expect(await fsquake('cp', '-r', TREE, `${IMAGE}:/`)).toMatchObject({ exitCode: 0 });
});

afterAll(() => rmSync(FOLDER, { recursive: true }));

describe('mkfs', () => {
  test('makes sparse images that the structure oracle finds clean', async () => {
    const variants = [
      ['--size', '64M'],
      ['--size', '64M', '--mixed'],
      ['--size', '128M', '--block-group-tree', '--node-size', '32K'],
      ['--size', '64M', '--no-free-space-tree', '--hole-items', '--metadata', 'single'],
    ];
    for (const [index, options] of variants.entries()) {
      const path = at(`made-${index}.img`);
      expect(await fsquake('mkfs', path, ...options)).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await fsquake('check', path)).toMatchObject({ exitCode: 0 });
      expect(statSync(path).blocks * 512).toBeLessThan(4 * 2 ** 20);
    }
  });

  test('makes several devices of one file system, named together', async () => {
    const made = await fsquake('mkfs', at('a.img'), at('b.img'), '--size', '64M', '--data', 'raid1', '--json');
    expect(JSON.parse(made.stdout)).toMatchObject({ images: [{ size: 2 ** 26 }, { size: 2 ** 26 }], nodeSize: 16384 });
    expect(await fsquake('check', at('a.img'), at('b.img'))).toMatchObject({ exitCode: 0 });
    expect(await fsquake('cp', join(TREE, 'small'), `${at('a.img')}:/`, '--device', at('b.img'))).toMatchObject({
      exitCode: 0,
    });
    expect(await fsquake('cat', '--device', at('a.img'), `${at('b.img')}:/small`)).toMatchObject({ stdout: 'hello\n' });
    expect(await fsquake('cat', `${at('b.img')}:/small`, '--degraded')).toMatchObject({ stdout: 'hello\n' });
    const alone = await fsquake('ls', at('a.img'));
    expect([alone.exitCode, alone.stdout]).toEqual([2, '']);
    expect(alone.stderr).toContain('missing');
  });

  test('with a seed, gives the same bytes', async () => {
    for (const name of ['one', 'two']) await fsquake('mkfs', at(name), '--size', '32M', '--seed', '7');
    expect(sha256(at('one'))).toBe(sha256(at('two')));
  });

  test('says everything that is wrong, by the names of its options, and makes nothing', async () => {
    const { exitCode, stdout, stderr } = await fsquake(
      ...['mkfs', at('never.img'), IMAGE, '--size', '64M', '--node-size', '5K', '--data', 'raid5'],
    );
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /disk\.img holds a btrfs file system.*\nfsquake: --node-size: 5120 .*\nfsquake: --data: 'raid5'/,
    );
    expect(readdirSync(FOLDER).filter((name) => name.startsWith('never') || name.startsWith('.'))).toEqual([]);
  });

  test('needs a size for a file that is not there', async () => {
    const { exitCode, stderr } = await fsquake('mkfs', at('never.img'));
    expect([exitCode, stderr]).toEqual([2, `fsquake: there is no file ${at('never.img')}: give --size to make it\n`]);
  });
});

describe('ls', () => {
  test('shows odd names so that they break nothing and can be typed again', async () => {
    const { stdout } = await fsquake('ls', '-R', `${IMAGE}:/tree`);
    expect(stdout).toBe(
      [
        `${IMAGE}:/tree:\nb\\xffd\nempty\nfolder\nlarge\nsmall\nsparse\n`,
        `${IMAGE}:/tree/folder:\nanother\nbelow\nlink\n`,
        `${IMAGE}:/tree/folder/below:\ntwo\\x0alines\n`,
      ].join('\n'),
    );
    expect(await fsquake('cat', `${IMAGE}:/tree/b\\xffd`, `${IMAGE}:/tree/folder/below/two\\x0alines`)).toMatchObject({
      stdout: 'invalidodd',
    });
  });

  test('shows what stat would', async () => {
    const { stdout } = await fsquake('ls', '-l', `${IMAGE}:/tree`);
    const { uid, gid } = lstatSync(join(TREE, 'small'));
    expect(stdout).toMatch(new RegExp(`^-rwsr-x--x 1 ${uid} ${gid} +6 .* small$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^-rw-.* 2 ${uid} ${gid} +3000001 2017-07-14 02:40:00 large$`, 'm'));
    const json = JSON.parse((await fsquake('ls', `${IMAGE}:/tree/folder/link`, '--json')).stdout);
    expect(json[0].listings[0].files[0]).toMatchObject({ kind: 'symlink', target: '../small', mode: '120777' });
  });

  test.each([
    ['a path that is not there', `${IMAGE}:/nope`, 'ENOENT'],
    ['an image that is not there', at('nope.img'), 'there is no file'],
    ['a wrong escape', `${IMAGE}:/a\\y`, 'a backslash begins'],
  ])('%s is bad usage', async (_title, place, said) => {
    const { exitCode, stdout, stderr } = await fsquake('ls', place);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
  });
});

describe('cp', () => {
  test('brings back what it took in, with modes, times, links and holes', async () => {
    const out = at('out');
    expect(await fsquake('cp', '-r', `${IMAGE}:/tree`, out)).toMatchObject({ exitCode: 0 });
    // Before they are read here: that changes the time of access.
    expect(lstatSync(join(out, 'large'))).toMatchObject({ mtimeMs: 1.5e12, atimeMs: 1.6e12, nlink: 2 });
    expect(readFileSync(join(out, 'large')).equals(LARGE)).toBe(true);
    expect(readFileSync(join(out, 'folder/below', NEWLINE_NAME), 'utf8')).toBe('odd');
    expect(readdirSync(out, { encoding: 'buffer' }).map((name) => name.toString('hex'))).toContain('62ff64');
    expect(readlinkSync(join(out, 'folder/link'))).toBe('../small');
    expect(lstatSync(join(out, 'small')).mode & 0o7777).toBe(0o4751);
    expect(lstatSync(join(out, 'folder')).mtimeMs).toBe(1.3e12);
    expect(lstatSync(join(out, 'folder/another')).ino).toBe(lstatSync(join(out, 'large')).ino);
    expect(lstatSync(join(out, 'sparse')).blocks * 512).toBeLessThan(1_000_000);
    expect(sha256(join(out, 'sparse'))).toBe(sha256(join(TREE, 'sparse')));
  });

  test('writes over files, and leaves an image that is clean', async () => {
    const path = at('over.img');
    copyFileSync(IMAGE, path);
    writeFileSync(at('small'), 'another content');
    expect(await fsquake('cp', at('small'), `${path}:/tree/small`)).toMatchObject({ exitCode: 0 });
    expect(await fsquake('cp', at('small'), `${path}:/tree/folder`, '--json')).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect(await fsquake('cat', `${path}:/tree/small`, `${path}:/tree/folder/small`)).toMatchObject({
      stdout: 'another contentanother content',
    });
    expect(await fsquake('check', path)).toMatchObject({ exitCode: 0 });
    expect(await fsquake('cat', `${IMAGE}:/tree/small`)).toMatchObject({ stdout: 'hello\n' });
  });

  test('without room for all of it, changes nothing and leaves nothing behind', async () => {
    const path = at('full.img');
    await fsquake('mkfs', path, '--size', '32M');
    const before = sha256(path);
    writeFileSync(at('too-large'), Buffer.alloc(40 * 2 ** 20, 'x'));
    const { exitCode, stderr } = await fsquake('cp', join(TREE, 'small'), at('too-large'), `${path}:/`);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('full.img:/too-large: ENOSPC');
    expect(sha256(path)).toBe(before);
    expect(readdirSync(FOLDER).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('names everything that stands in the way before it begins', async () => {
    const { exitCode, stderr } = await fsquake('cp', at('none-1'), TREE, at('none-2'), `${IMAGE}:/no/where`);
    expect(exitCode).toBe(2);
    for (const said of ['none-1', 'none-2', 'copy it with -r', ':/no does not exist', 'several files']) {
      expect(stderr).toContain(said);
    }
  });

  test.each([
    ['no side is in an image', ['a', 'b'], 'neither side'],
    ['both sides are', [`${IMAGE}:/a`, `${IMAGE}:/b`], 'both sides'],
    ['there is no place to copy to', ['a'], 'say where'],
  ])('is refused where %s', async (_title, places, said) => {
    const { exitCode, stderr } = await fsquake('cp', ...places);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(said);
  });

  test('a packed image is not changed', async () => {
    expect((await fsquake('cp', join(TREE, 'small'), `${at('x.img.gz')}:/`)).stderr).toContain('x.img.gz');
  });
});

describe('dump', () => {
  test('shows every item of every tree, for people and for programs', async () => {
    const text = await fsquake('dump', IMAGE);
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toContain('label test');
    expect(text.stdout).toMatch(/item \d+ key \(\d+ EXTENT_DATA 0\) itemoff \d+ itemsize 53\n {4}type REGULAR/);
    expect(text.stdout).not.toContain('problem');
    const { stdout } = await fsquake('dump', IMAGE, '--json');
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ format: 'fsquake-dump-1', files: [IMAGE] });
    const names = document.trees.map(({ name }: { name: string }) => name);
    expect(names).toEqual([...'root chunk extent dev fs csum uuid free-space data-reloc'.split(' ')]);
    expect(JSON.stringify(document)).toContain('two\\\\x0alines');
  });

  test('shows one tree, by any of its names', async () => {
    const byName = await fsquake('dump', IMAGE, '--tree', 'fs');
    expect(byName.stdout).toMatch(/^\ntree fs \(5\), root/);
    expect(await fsquake('dump', IMAGE, '--tree', '5')).toEqual(byName);
    expect(await fsquake('dump', IMAGE, '--tree', 'FS_TREE')).toEqual(byName);
    const unknown = await fsquake('dump', IMAGE, '--tree', 'extnt', '--json');
    expect(unknown).toMatchObject({ exitCode: 2 });
    expect(JSON.parse(unknown.stdout).message).toContain('did you mean extent?');
  });

  test('shows where the bytes of a file lie', async () => {
    const { stdout } = await fsquake('dump', IMAGE, '--extent-maps', '/tree/sparse');
    expect(stdout).toMatch(/^\/tree\/sparse: inode \d+ of subvolume 5, 5000000 bytes/);
    expect(stdout).toMatch(/ {2}\[0, 4096\) regular extent \d+\+4096 offset 0: device 1 at \d+\n/);
    expect(stdout).toContain('  [4096, 5000000) hole\n');
    expect((await fsquake('dump', IMAGE, '--extent-maps', '/nope')).exitCode).toBe(2);
  });

  test('shows how addresses lie on devices', async () => {
    const { stdout } = await fsquake('dump', IMAGE, '--chunks', '--json');
    const { chunks } = JSON.parse(stdout);
    expect(chunks.map(({ type }: { type: string }) => type)).toEqual(['SYSTEM|DUP', 'METADATA|DUP', 'DATA|single']);
    expect(chunks[0].stripes).toHaveLength(2);
  });

  test('of what damage may hide does not say that it is not there', async () => {
    const path = at('hidden.img');
    await fsquake('mkfs', path, '--size', '16M', '--node-size', '4K', '--metadata', 'single', '--seed', '4');
    const bytes = readFileSync(path);
    // The superblock leads to no root tree.
    bytes.writeUIntLE(2 ** 40, 65536 + 80, 6);
    bytes.writeUInt32LE(crc32c(bytes.subarray(65536 + 32, 65536 + 4096)), 65536);
    writeFileSync(path, bytes);
    for (const wish of [
      ['--tree', 'fs'],
      ['--extent-maps', '/file'],
    ]) {
      const { exitCode, stderr } = await fsquake('dump', path, ...wish);
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining('damage may hide it: corrupt ')]);
    }
  });

  // Bytes anywhere in what is written of a small image, so that headers, keys, sizes and pointers are hit alike.
  test('of a damaged image shows what is left and says what is damaged', async () => {
    const path = at('damaged.img');
    await fsquake('mkfs', path, '--size', '16M', '--node-size', '4K', '--metadata', 'single', '--seed', '3');
    const good = readFileSync(path);
    const random = randomStream('dump', 'damage');
    const places: number[] = [];
    for (let block = 0; block < good.length; block += 4096) {
      if (good.subarray(block, block + 4096).some((byte) => byte !== 0)) places.push(block);
    }
    for (let round = 0; round < 60; round++) {
      const bad = Buffer.from(good);
      for (let hit = 0; hit < 4; hit++) {
        bad[places[random.below(places.length)]! + random.below(round % 2 === 0 ? 160 : 4096)] = random.below(256);
      }
      writeFileSync(path, bad);
      const { exitCode, stdout } = await fsquake('dump', path, '--json');
      expect([0, 1]).toContain(exitCode);
      expect(JSON.parse(stdout).format).toBe('fsquake-dump-1');
      for (const command of [
        ['ls', '-R', path],
        ['check', path],
      ]) {
        expect((await fsquake(...command)).exitCode).toBeLessThan(3);
      }
    }
  });
});

test('commands that read leave the image as it was, to the last time stamp', async () => {
  const before = { content: sha256(IMAGE), mtime: statSync(IMAGE).mtimeMs };
  chmodSync(IMAGE, 0o400);
  await fsquake('ls', '-lR', IMAGE);
  await fsquake('cat', `${IMAGE}:/tree/large`);
  await fsquake('dump', IMAGE);
  await fsquake('check', IMAGE);
  await fsquake('cp', '-r', `${IMAGE}:/tree`, at('again'));
  expect({ content: sha256(IMAGE), mtime: statSync(IMAGE).mtimeMs }).toEqual(before);
});

test('cat gives the bytes as they are, in pieces or as one document', async () => {
  expect((await fsquake('cat', `${IMAGE}:/tree/large`)).stdout).toBe(LARGE.toString());
  const [document] = JSON.parse((await fsquake('cat', `${IMAGE}:/tree/folder/link`, '--json')).stdout);
  expect(Buffer.from(document.base64, 'base64').toString()).toBe('hello\n');
  expect((await fsquake('cat', IMAGE)).stderr).toContain(`name a file in the image, as in ${IMAGE}:/path`);
  expect((await fsquake('cat', `${IMAGE}:/tree`)).exitCode).toBe(2);
});

test.each(['mkfs', 'dump', 'ls', 'cat', 'cp', 'check'])('the help of %s leads with examples', async (command) => {
  const { exitCode, stdout } = await fsquake(command, '--help');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(new RegExp(`^Examples:\\n {2}\\$ fsquake ${command} `));
  expect(stdout).toContain('--json');
});
