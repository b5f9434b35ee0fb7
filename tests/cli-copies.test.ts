import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32c } from '../src/base/crc32c.ts';
import { LinuxCalls } from '../src/campaign/host/linux-calls.ts';
import { fsquake } from './support/run-command-line.ts';

/**
 * Goal: `fsquake cp` takes along all that a file has, both ways, and touches nothing that it should not.
 * Method: images that `mkfs` made, in a folder of their own; system calls that Node has not where this host has them.
 */
const FOLDER = mkdtempSync(join(tmpdir(), 'fsquake-copies-'));
const IMAGE = join(FOLDER, 'disk.img');
const at = (...names: string[]) => join(FOLDER, ...names);
const linux = LinuxCalls.load();
if (typeof linux === 'string') console.log(`skipped: attributes and special files of copies: ${linux}`);

const NANOSECONDS = { access: -1_500_000_000n, modify: 1_222_222_222_987_654_400n };

beforeAll(async () => {
  expect(await fsquake('mkfs', IMAGE, '--size', '64M', '--seed', '1')).toMatchObject({ exitCode: 0 });
  writeFileSync(at('small'), 'hello\n');
  expect(await fsquake('cp', at('small'), `${IMAGE}:/`)).toMatchObject({ exitCode: 0 });
});

afterAll(() => rmSync(FOLDER, { recursive: true }));

const leftovers = () => readdirSync(FOLDER).filter((name) => name.startsWith('.fsquake'));

describe.skipIf(typeof linux === 'string')('with the system calls of Linux', () => {
  const calls = linux as LinuxCalls;

  test('attributes, times, special files and holes go into an image and come back', async () => {
    mkdirSync(at('full/folder'), { recursive: true });
    const file = at('full/file');
    writeFileSync(file, 'content');
    linkSync(file, at('full/folder/again'));
    calls.makeNode(Buffer.from(at('full/fifo')), 0o010640, null);
    const sparse = openSync(at('full/sparse'), 'w');
    ftruncateSync(sparse, 2 ** 40);
    writeSync(sparse, 'zeroes that were written are data', 2 ** 39);
    writeSync(sparse, Buffer.alloc(8192), 0, 8192, 2 ** 38);
    closeSync(sparse);
    symlinkSync('file', at('full/link'));
    const xattr = { name: Buffer.from('user.\xfe', 'latin1'), value: Uint8Array.of(0, 1, 255) };
    const refusals = ['full/file', 'full/folder'].map((name) => calls.setXattr(Buffer.from(at(name)), xattr));
    chmodSync(file, 0o4751);
    for (const name of ['file', 'link', 'fifo', 'folder']) {
      calls.setTimes(Buffer.from(at('full', name)), NANOSECONDS.access, NANOSECONDS.modify);
    }

    expect(await fsquake('cp', '-r', at('full'), `${IMAGE}:/`)).toMatchObject({ exitCode: 0 });
    const out = await fsquake('cp', '-r', `${IMAGE}:/full`, at('back'), '--json');
    expect([out.exitCode, out.stderr]).toEqual([0, '']);
    expect(JSON.parse(out.stdout)).toMatchObject({ files: 7, problems: [], notes: [] });

    for (const name of ['file', 'link', 'fifo', 'folder']) {
      const { mode, atimeNs, mtimeNs } = lstatSync(at('back', name), { bigint: true });
      expect({ name, atimeNs, mtimeNs }).toEqual({ name, atimeNs: NANOSECONDS.access, mtimeNs: NANOSECONDS.modify });
      expect(mode).toBe(lstatSync(at('full', name), { bigint: true }).mode);
    }
    for (const [index, name] of ['back/file', 'back/folder'].entries()) {
      const expected = refusals[index] === null ? [{ name: Buffer.from(xattr.name), value: xattr.value }] : [];
      const found = calls.xattrsOf(Buffer.from(at(name))).filter((one) => Buffer.from(one.name).includes('user.'));
      expect(found.map((one) => ({ ...one, name: Buffer.from(one.name) }))).toEqual(expected);
    }
    expect(statSync(at('back/sparse'))).toMatchObject({ size: 2 ** 40, blocks: statSync(at('full/sparse')).blocks });
    expect(lstatSync(at('back/folder/again')).ino).toBe(lstatSync(at('back/file')).ino);
    expect(await fsquake('check', IMAGE)).toMatchObject({ exitCode: 0 });
  });

  // As root, a rename over a device takes it away from the whole host.
  test('what is no plain file on this host is never replaced', async () => {
    mkdirSync(at('kept'));
    calls.makeNode(Buffer.from(at('kept/small')), 0o010600, null);
    for (const to of ['kept', 'kept/small']) {
      const { exitCode, stderr } = await fsquake('cp', `${IMAGE}:/small`, at(to));
      expect(exitCode).toBeGreaterThan(0);
      expect(stderr).toContain('is neither a file nor a folder');
    }
    expect(lstatSync(at('kept/small')).isFIFO()).toBe(true);
  });
});

test('the image itself, a folder that is not there and all other obstacles are named at once', async () => {
  const before = readFileSync(IMAGE);
  expect(await fsquake('cp', `${IMAGE}:/small`, IMAGE)).toMatchObject({ exitCode: 2, stdout: '' });
  expect(readFileSync(IMAGE).equals(before)).toBe(true);
  const { exitCode, stderr } = await fsquake('cp', `${IMAGE}:/no-1`, `${IMAGE}:/`, `${IMAGE}:/no-2`, at('none/x'));
  expect(exitCode).toBe(2);
  for (const said of ['no folder', 'several files', '/no-1: ENOENT', 'copy it with -r', '/no-2: ENOENT']) {
    expect(stderr).toContain(said);
  }
  expect((await fsquake('cp', `${IMAGE}:/small`, at('small/x'))).stderr).toContain('small is no folder');
  const several = await fsquake('cat', `${IMAGE}:/no-1`, `${IMAGE}:/small`, `${IMAGE}:/`, at('none.img:/x'));
  expect([several.exitCode, several.stdout, several.stderr.trimEnd().split('\n').length]).toEqual([2, '', 3]);
});

test('a symbolic link to where a file goes stays one', async () => {
  writeFileSync(at('old'), 'old');
  symlinkSync('old', at('leads-to-old'));
  expect(await fsquake('cp', `${IMAGE}:/small`, at('leads-to-old'))).toMatchObject({ exitCode: 0 });
  expect([readlinkSync(at('leads-to-old')), readFileSync(at('old'), 'utf8')]).toEqual(['old', 'hello\n']);
});

test('a name that leads out of the folder is not followed', async () => {
  const image = at('hostile.img');
  await fsquake('mkfs', image, '--size', '16M', '--node-size', '4K', '--metadata', 'single', '--seed', '3');
  mkdirSync(at('in/u'), { recursive: true });
  writeFileSync(at('in/evil'), 'evil');
  writeFileSync(at('in/u+..+..+evil'), 'evil');
  expect(await fsquake('cp', '-r', `${at('in')}/.`, `${image}:/`)).toMatchObject({ exitCode: 0 });
  writeFileSync(image, withSlashes(readFileSync(image)));
  const { exitCode, stderr } = await fsquake('cp', '-r', `${image}:/`, at('out'));
  expect(exitCode).toBe(1);
  expect(stderr).toContain('no file can have this name');
  expect(existsSync(at('evil'))).toBe(false);
  expect(readFileSync(at('out/evil'), 'utf8')).toBe('evil');
});

/** Puts slashes into the name of a file and makes the checksums of its blocks right again. */
function withSlashes(image: Buffer): Buffer {
  const block = 4096;
  for (let found = image.indexOf('u+..+..+evil'); found >= 0; found = image.indexOf('u+..+..+evil', found)) {
    image.write('u/../../evil', found);
    const start = found - (found % block);
    image.writeUInt32LE(crc32c(image.subarray(start + 32, start + block)) >>> 0, start);
  }
  return image;
}

test.each(['in', 'out'])('a copy %s that is interrupted leaves nothing behind and ends 130', async (way) => {
  const before = readFileSync(IMAGE);
  mkdirSync(at('stopped'), { recursive: true });
  const running = fsquake(
    ...(way === 'in' ? ['cp', at('small'), `${IMAGE}:/again`] : ['cp', '-r', `${IMAGE}:/`, at('stopped')]),
  );
  let isRunning = true;
  const interrupt = () => {
    process.emit('SIGINT');
    if (isRunning) setImmediate(interrupt);
  };
  interrupt();
  expect(await running).toMatchObject({ exitCode: 130, stdout: '' });
  isRunning = false;
  expect(readFileSync(IMAGE).equals(before)).toBe(true);
  expect([...leftovers(), ...readdirSync(at('stopped')).filter((name) => name.startsWith('.'))]).toEqual([]);
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('subvolumes are chosen by id or path, and those that there are named', async () => {
  const plain = await fsquake('ls', IMAGE);
  expect(await fsquake('ls', IMAGE, '--subvolume', '5')).toEqual(plain);
  expect(await fsquake('ls', IMAGE, '--subvolume', '/')).toEqual(plain);
  const unknown = await fsquake('cp', at('small'), `${IMAGE}:/`, '--subvolume', 'nope');
  expect([unknown.exitCode, unknown.stderr]).toEqual([
    2,
    `fsquake: ${IMAGE}: there is no subvolume /nope; there are: 5 /\n`,
  ]);
});

test('mkfs names what cannot be, and the nearest that can', async () => {
  const small = await fsquake('mkfs', at('new.img'), '--size', '1M');
  expect([small.exitCode, small.stderr]).toEqual([2, expect.stringMatching(/too small .* nearest: \d+ bytes\n$/)]);
  const [, least] = /nearest: (\d+) bytes/.exec(small.stderr)!;
  expect(await fsquake('mkfs', at('new.img'), '--size', least!)).toMatchObject({ exitCode: 0 });
  const several = await fsquake('mkfs', at('new.img'), at('.', 'no/x'), `${FOLDER}/./new.img`, '', '--size', '64M');
  expect(several.exitCode).toBe(2);
  for (const said of ['holds a btrfs', 'there is no folder', 'new.img again', 'name of no file']) {
    expect(several.stderr).toContain(said);
  }
});
