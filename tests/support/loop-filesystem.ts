import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OWN_DEVICES, OWN_NAMESPACE } from '../../src/oracle/judges/own-devices.ts';
import { BlockTable } from '../../src/record/block-table.ts';
import { FileImage } from './host-image.ts';

const MIB = 1024 * 1024;

/** Why the host's kernel cannot be asked to write btrfs onto loop devices; null when it can. */
export function whyNoLoopFilesystem(): string | null {
  try {
    execFileSync('mkfs.btrfs', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'needs mkfs.btrfs';
  }
  if (process.getuid?.() !== 0) return 'needs root and loop devices';
  try {
    accessSync('/dev/loop-control', constants.W_OK);
    return null;
  } catch {
    return 'needs root and loop devices';
  }
}

/**
 * Runs a shell script in a mount namespace of its own; it may call `own_devices`. What it mounts nobody else can hold, so that its unmounts have
 * written everything when they are through.
 */
export function shellOnItsOwn(
  script: string,
  words: readonly string[],
  options: Omit<ExecFileSyncOptionsWithStringEncoding, 'encoding'>,
): string {
  const [unshare, ...namespace] = OWN_NAMESPACE;
  return execFileSync(unshare, [...namespace, 'sh', '-c', OWN_DEVICES + script, 'sh', ...words], {
    ...options,
    encoding: 'utf8',
  });
}

/** Around every script: `$1` … are the loop devices, the only ones in sight, `$dir` the place to mount; whatever happens, all is put away. */
export const LOOP_FRAME = `
set -e
loops=
dir=$(mktemp -d)
cleanup() {
  cd /
  for attempt in 1 2 3 4 5 6 7 8 9 10; do mountpoint -q $dir || break; umount $dir 2>/dev/null && break; sleep 0.3; done
  for loop in $loops; do btrfs device scan --forget $loop 2>/dev/null || true; losetup -d $loop || true; done
  rmdir $dir
}
trap cleanup EXIT
for image in $IMAGES; do loops="$loops $(losetup -f --show $image)"; done
set -- $loops
own_devices "$@"
`;

/**
 * Runs a shell script on blank disks attached as loop devices, and returns the disks as it left them, by index. The
 * script unmounts at its end.
 */
export function imagesByLinux(sizes: readonly number[], script: string): BlockTable[] {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-loop-'));
  try {
    const paths = sizes.map((megabytes, index) => {
      const path = join(folder, `${index}.img`);
      writeFileSync(path, '');
      truncateSync(path, megabytes * MIB);
      return path;
    });
    const env = { ...process.env, IMAGES: paths.join(' '), LC_ALL: 'C' };
    shellOnItsOwn(LOOP_FRAME + script, [], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    return paths.map(readWhole);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readWhole(path: string): BlockTable {
  const image = new FileImage(path);
  try {
    return BlockTable.copyOf(image);
  } finally {
    image.close();
  }
}
