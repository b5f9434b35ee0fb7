import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { initramfs } from './initramfs.ts';
import type { KernelVerdict } from './measurement.ts';

const SECONDS_MAX = 150;
const NOBODY = '65534';
const ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
ERRNO.set(117, 'EUCLEAN');

/** Fingerprints of all that the kernel read. */
export interface Reading {
  readonly names: string;
  readonly status: string;
  readonly content: string;
}

/** User-mode Linux with one program in it: a kernel that may oops without anybody else noticing. */
export class Kernel {
  readonly version: string;
  readonly #folder: string;
  readonly #initramfs: string;

  /** Null where there is no User-mode Linux or no compiler. */
  static prepare(folder: string): Kernel | null {
    const found = spawnSync('linux.uml', ['--version'], { encoding: 'utf8' });
    if (found.status !== 0) return null;
    const init = join(folder, 'init');
    execFileSync('gcc', ['-O2', '-static', '-o', init, join(import.meta.dirname, 'uml-init.c')]);
    return new Kernel(folder, found.stdout.trim(), readFileSync(init));
  }

  private constructor(folder: string, version: string, init: Uint8Array) {
    this.version = version;
    this.#folder = folder;
    this.#initramfs = join(folder, 'initramfs');
    writeFileSync(this.#initramfs, initramfs(init));
    mkdirSync(join(folder, 'home'), { recursive: true });
    chmodSync(folder, 0o755);
    chmodSync(join(folder, 'home'), 0o777);
  }

  /** Runs it on an image, which it may change; returns all that it printed. */
  run(image: string): string {
    chmodSync(image, 0o666);
    const arguments_ = [
      'mem=192M',
      `initrd=${this.#initramfs}`,
      `ubd0=${image}`,
      'con=null',
      'con0=null,fd:1',
      'panic=1',
    ];
    const own = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', 'linux.uml', ...arguments_];
    const isRoot = process.getuid?.() === 0;
    const result = spawnSync(isRoot ? 'setpriv' : 'linux.uml', isRoot ? own : arguments_, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: SECONDS_MAX * 1000,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
      env: {
        ...process.env,
        HOME: join(this.#folder, 'home'),
        TMPDIR: existsSync('/dev/shm') ? '/dev/shm' : this.#folder,
      },
    });
    return result.stdout;
  }
}

export function readingOf(output: string): Reading | null {
  const match = /fsquake: read .* names (\w+) status (\w+) content (\w+)/.exec(output);
  return match === null ? null : { names: match[1]!, status: match[2]!, content: match[3]! };
}

/** The kernel's complaints, numbers left out. */
export function complaintsOf(output: string): Set<string> {
  const lines = output.split('\n').filter((line) => /BTRFS (critical|error|warning)|BTRFS: /.test(line));
  return new Set(lines.filter((line) => !line.includes('BTRFS: device fsid')).map((line) => line.replace(/\d+/g, 'N')));
}

/**
 * What the lines of `uml-init.c` and the kernel's own say. `expected` is what the image without the fault reads as, and
 * `usual` what the kernel complains of there.
 */
export function kernelVerdict(
  output: string,
  expected: Reading | null,
  usual: ReadonlySet<string> = new Set(),
): Omit<KernelVerdict, 'corrupts'> {
  const reading = readingOf(output);
  const differs: string[] = [];
  const isMounted = output.includes('fsquake: mount-ro 0\n');
  if (expected !== null && reading !== null && isMounted) {
    if (reading.names !== expected.names) differs.push('names');
    if (reading.status !== expected.status) differs.push('metadata');
    if (reading.content !== expected.content) differs.push('content');
  }
  const broken = [...output.matchAll(/fsquake: (?:killed|hang) (\S+)/g)].map((match) => match[1]!);
  if (!output.includes('fsquake: done')) broken.push('kernel');
  return {
    mountReadOnly: first(output, /fsquake: mount-ro (\d+)/),
    read: first(output, /fsquake: read (\d+)/),
    differs,
    mountWritable: first(output, /fsquake: mount-rw (\d+)/),
    write: first(output, /fsquake: write (\d+) sync (\d+)/),
    remove: first(output, /fsquake: remove (\d+) errors \d+ sync (\d+)/),
    broken,
    complains: [...complaintsOf(output)].some((line) => !usual.has(line)),
    warns: /WARNING: |BUG: |kernel BUG|Oops/.test(output),
  };
}

/** The first errno of the line that is not zero, by name; null where there is no such line. */
function first(output: string, line: RegExp): string | null {
  const match = line.exec(output);
  if (match === null) return null;
  const number = match
    .slice(1)
    .map(Number)
    .find((one) => one !== 0);
  return number === undefined ? '' : (ERRNO.get(number) ?? String(number));
}
