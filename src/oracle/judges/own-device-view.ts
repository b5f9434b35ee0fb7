import { stat } from 'node:fs/promises';
import { type CommandResult, runCommand } from './command.ts';

const PROBE_TIMEOUT_MS = 20_000;
/** What a shell answers where the program that it is to become does not exist. */
const EXIT_NOT_FOUND = 127;

/**
 * What others have mounted from images is let go of first: as long as this namespace holds it too, their unmounts do not
 * end it where mounts are private; where they are shared, an unmount reaches this namespace. Its arguments: device nodes as `NAME TYPE MAJOR MINOR`, then `--` and the program.
 */
const UNDER_OWN_DEV = `
set -e
umount -a -t btrfs,xfs 2>/dev/null || true
mount -n -t tmpfs -o mode=755 tmpfs /dev
while [ "$1" != -- ]; do mknod "$1" "$2" "$3" "$4"; shift 4; done
shift
export BLKID_FILE=/dev/null
exec "$@"
`;

const PLAIN_NODES = ['/dev/null c 1 3', '/dev/zero c 1 5', '/dev/random c 1 8', '/dev/urandom c 1 9'];

/** Asked of the host once in a process. */
let canHide: Promise<boolean> | null = null;

/**
 * Runs a program that looks for members of a file system among all block devices of the host, in a mount namespace whose
 * `/dev` has nothing but `devices` and no list of earlier devices: what others attach and detach meanwhile stays out of
 * sight. Where namespaces cannot be made, it runs as it would anyway.
 */
export async function runWithOwnDevices(
  devices: readonly string[],
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number },
): Promise<CommandResult> {
  canHide ??= probe();
  if (!(await canHide)) return runCommand(program, args, options);
  const nodes: string[] = [];
  for (const device of devices) nodes.push(await nodeOf(device));
  const result = await runHidden(nodes, [program, ...args], options.timeoutMs);
  return result.kind === 'ended' && result.exitCode === EXIT_NOT_FOUND ? { kind: 'not-found' } : result;
}

async function probe(): Promise<boolean> {
  const result = await runHidden([], ['true'], PROBE_TIMEOUT_MS);
  return result.kind === 'ended' && result.exitCode === 0;
}

function runHidden(nodes: readonly string[], command: readonly string[], timeoutMs: number): Promise<CommandResult> {
  const words = [...PLAIN_NODES, ...nodes].flatMap((node) => node.split(' '));
  const script = ['sh', '-c', UNDER_OWN_DEV, 'sh', ...words, '--', ...command];
  return runCommand('unshare', ['--mount', '--propagation', 'slave', ...script], { timeoutMs });
}

/** Device numbers as Linux packs them: 12 bits of major inside 20 of minor. */
async function nodeOf(device: string): Promise<string> {
  const { rdev } = await stat(device);
  return `${device} b ${(rdev >> 8) & 0xfff} ${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
}
