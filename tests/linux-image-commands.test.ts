import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseShownName } from '../src/base/parse-name.ts';
import { shellOnItsOwn, whyNoLoopFilesystem } from './support/loop-filesystem.ts';
import { fsquake } from './support/run-command-line.ts';

/**
 * Goal: an image that Linux filled is read, changed and handed back by the commands, and Linux sees what they did.
 * Method: a tree of 10,000 files and everything that is special, its list made by Linux before and after.
 */
const missing = whyNoLoopFilesystem();
if (missing !== null) console.log(`skipped: commands on an image by Linux: ${missing}`);

const FOLDER = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-commands-'));
const IMAGE = join(FOLDER, 'linux.img');
const SCRIPT = resolve(import.meta.dirname, 'fixtures/make-linux-tree.py');
const MINUTES = 60_000;

/** Kind, mode, uid, gid, links, size, and content: sha256 of a file, hex of the target of a link. */
type Entry = [number, number, number, number, number, number, string | null];
type Tree = Readonly<Record<string, Entry>>;

let before: Tree = {};

beforeAll(() => {
  if (missing !== null) return;
  writeFileSync(IMAGE, '');
  truncateSync(IMAGE, 400 * 2 ** 20);
  execFileSync('mkfs.btrfs', ['-q', IMAGE], { stdio: 'pipe' });
  before = onLinux('compress=zstd', []);
}, 5 * MINUTES);

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** Mounts the image, runs the script, unmounts. */
function onLinux(options: string, args: readonly string[]): Tree {
  const mountPoint = mkdtempSync(join(FOLDER, 'mount-'));
  const script = 'set -e; mount -o $1 $2 $3; trap "umount $3" EXIT; python3 "$4" $3 $5';
  try {
    const words = [`loop,${options}`, IMAGE, mountPoint, SCRIPT, ...args];
    return JSON.parse(shellOnItsOwn(script, words, { maxBuffer: 2 ** 28, stdio: 'pipe' })) as Tree;
  } finally {
    rmSync(mountPoint, { recursive: true });
  }
}

interface ListedFile {
  readonly path: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly size: number;
  readonly target: string | null;
}

describe.skipIf(missing !== null)('an image by Linux with 10,000 files', () => {
  test(
    'is checked without complaint',
    async () => {
      const { exitCode, stdout } = await fsquake('check', IMAGE, '--json');
      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject([{ clean: true, errors: [], warnings: [], notChecked: [] }]);
    },
    MINUTES,
  );

  test(
    'is listed as Linux lists it',
    async () => {
      const { exitCode, stdout } = await fsquake('ls', '-R', IMAGE, '--json');
      expect(exitCode).toBe(0);
      const [{ listings }] = JSON.parse(stdout) as [{ listings: { files: ListedFile[]; problems: string[] }[] }];
      const ours = new Map(
        listings.flatMap(({ files }) => files.map((file) => [hexOf(file.path), entryOf(file)] as const)),
      );
      const theirs = Object.entries(before).map(
        ([path, [...entry]]) => [path, withoutContent(entry as Entry)] as const,
      );
      expect(ours.size).toBe(theirs.length);
      expect(theirs.filter(([path, entry]) => JSON.stringify(ours.get(path)) !== JSON.stringify(entry))).toEqual([]);
      expect(theirs.length).toBeGreaterThan(20_000);
    },
    2 * MINUTES,
  );

  test(
    'is copied out with equal content',
    async () => {
      const out = join(FOLDER, 'out');
      const { exitCode, stderr } = await fsquake('cp', '-r', `${IMAGE}:/`, out);
      expect(stderr).not.toContain('cannot');
      expect(exitCode).toBe(0);
      const wrong = Object.entries(before).filter(([path, entry]) => !isCopied(out, path, entry));
      expect(wrong).toEqual([]);
      const linked = lstatSync(join(out, 'd01/another name of one file 007'));
      expect([linked.ino, linked.nlink]).toEqual([lstatSync(join(out, 'd00/f01')).ino, 401]);
      expect(lstatSync(join(out, 'd08/f00')).mtimeMs).toBe(-1_000_000_000_500);
      expect(lstatSync(join(out, 'snapshot/d07/two')).isDirectory()).toBe(true);
    },
    3 * MINUTES,
  );

  test(
    'gives its snapshot by path and id, and says where paths start when that is not the top',
    async () => {
      const [, id] = /there are: .*\b(\d+) \/snapshot(,|$)/m.exec(
        (await fsquake('ls', IMAGE, '--subvolume', '/snapshto')).stderr,
      )!;
      const snapshot = await fsquake('ls', `${IMAGE}:/d05`, '--subvolume', 'snapshot');
      expect(snapshot.stdout).toContain('f00\n');
      expect((await fsquake('ls', `${IMAGE}:/d05`)).stdout).not.toContain('f00\n');
      expect(await fsquake('ls', `${IMAGE}:/d05`, '--subvolume', id!)).toEqual(snapshot);

      const other = join(FOLDER, 'default.img');
      copyFileSync(IMAGE, other);
      const script = 'set -e; mount -o loop $1 $2; trap "umount $2" EXIT; btrfs subvolume set-default $2/snapshot';
      const mountPoint = mkdtempSync(join(FOLDER, 'mount-'));
      shellOnItsOwn(script, [other, mountPoint], { stdio: 'pipe' });
      const byDefault = await fsquake('ls', `${other}:/d05`);
      expect(byDefault.stdout).toBe(snapshot.stdout);
      expect(byDefault.stderr).toBe(
        `fsquake: ${other}: paths start at its default subvolume ${id}, /snapshot; with --subvolume / at the top-level one\n`,
      );
      rmSync(other);
      rmSync(mountPoint, { recursive: true });
    },
    MINUTES,
  );

  test(
    'is changed, and Linux reads the change and all that was there',
    async () => {
      const source = join(FOLDER, 'new');
      mkdirSync(join(source, 'deep/er'), { recursive: true });
      for (let number = 0; number < 300; number++)
        writeFileSync(join(source, `deep/n${number}`), 'n'.repeat(number * 20));
      writeFileSync(join(source, 'deep/er/large'), Buffer.alloc(70 * 2 ** 20, 'seventy'));
      writeFileSync(join(source, 'f00'), 'written over a file that a snapshot shares');
      expect(await fsquake('cp', '-r', join(source, 'deep'), `${IMAGE}:/d10`)).toMatchObject({ exitCode: 0 });
      expect(await fsquake('cp', join(source, 'f00'), `${IMAGE}:/d06`)).toMatchObject({ exitCode: 0 });
      expect(await fsquake('check', IMAGE)).toMatchObject({ exitCode: 0 });

      const after = onLinux('noatime', ['list']);
      const added = Object.keys(after).filter((path) => before[path] === undefined);
      expect(added).toHaveLength(303);
      const changed = Object.keys(before).filter(
        (path) => JSON.stringify(after[path]) !== JSON.stringify(before[path]),
      );
      expect(changed.map((path) => Buffer.from(path, 'hex').toString()).sort()).toEqual(['/d06/f00', '/d10']);
      expect(contentOf(after, '/d06/f00')).toBe(sha256(readFileSync(join(source, 'f00'))));
      expect(contentOf(after, '/snapshot/d06/f00')).toBe(contentOf(before, '/d06/f00'));
      expect(contentOf(after, '/d10/deep/er/large')).toBe(sha256(readFileSync(join(source, 'deep/er/large'))));
      execFileSync('btrfs', ['check', '--readonly', '--check-data-csum', IMAGE], { stdio: 'pipe' });
    },
    4 * MINUTES,
  );
});

function hexOf(shown: string): string {
  return Buffer.from(parseShownName(shown)!).toString('hex');
}

function entryOf({ mode, uid, gid, links, size, target }: ListedFile): unknown[] {
  const bits = Number.parseInt(mode, 8);
  return [bits & 0o170000, bits & 0o7777, uid, gid, links, size, target === null ? null : hexOf(target)];
}

function withoutContent(entry: Entry): Entry {
  if (entry[0] === 0o100000) entry[6] = null;
  return entry;
}

function isCopied(out: string, path: string, [kind, mode, , , , size, content]: Entry): boolean {
  const place = Buffer.concat([Buffer.from(out), Buffer.from(path, 'hex')]);
  if (kind === 0o010000 || kind === 0o020000) return (lstatSync(place).mode & 0o170000) === kind;
  if (kind === 0o120000) return readlinkSync(place, { encoding: 'buffer' }).toString('hex') === content;
  if ((lstatSync(place).mode & 0o7777) !== mode) return false;
  return kind !== 0o100000 || (lstatSync(place).size === size && sha256(readFileSync(place)) === content);
}

function contentOf(tree: Tree, path: string): string | null | undefined {
  return tree[Buffer.from(path).toString('hex')]?.[6];
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
