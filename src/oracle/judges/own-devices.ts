import { type CommandResult, runCommand } from './command.ts';

const PROBE_TIMEOUT_MS = 20_000;
/** What a shell answers where the program that it is to become does not exist. */
const EXIT_NOT_FOUND = 127;
/** The namespace was not to be had: nothing is known about what should have run in it. */
export const EXIT_NO_NAMESPACE = 125;

/**
 * Shell function `own_devices DEVICE…`: from here on, `/dev` of this mount namespace has only these block devices. btrfs-progs
 * looks for members of a file system, and for what is mounted, among all block devices of the host: what others attach and
 * detach meanwhile stays out of sight.
 */
export const OWN_DEVICES = `
own_devices() {
  make_own_devices "$@" || exit ${EXIT_NO_NAMESPACE}
}
make_own_devices() {
  mount -n -t tmpfs -o mode=755 tmpfs /tmp || return
  for node in null zero random urandom fd loop-control btrfs-control; do
    [ ! -e /dev/$node ] || set -- "$@" /dev/$node
  done
  cp -a "$@" /tmp/ || return
  if [ -d /dev/shm ]; then mkdir /tmp/shm && mount -n --bind /dev/shm /tmp/shm || return; fi
  mount -n --move /tmp /dev || return
  export BLKID_FILE=/dev/null
}
`;

/** What a command is put before so that mounts of it are its own; where the host shares mounts, unmounts still reach it. */
export const OWN_NAMESPACE = ['unshare', '--mount', '--propagation', 'slave'] as const;

/**
 * Its arguments: devices, `--`, the program. What others have mounted is let go of first: as long as this namespace holds
 * it too, their unmounts do not end it where mounts are private.
 */
const UNDER_OWN_DEVICES = `
${OWN_DEVICES}
umount -a -t btrfs,xfs 2>/dev/null || true
devices=
while [ "$1" != -- ]; do devices="$devices $1"; shift; done
shift
own_devices $devices
exec "$@"
`;

/** Asked of the host once in a process. */
let canHide: Promise<boolean> | null = null;

/** Runs a program under `OWN_DEVICES`. Where namespaces cannot be made, it runs as it would anyway. */
export async function runWithOwnDevices(
  devices: readonly string[],
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number },
): Promise<CommandResult> {
  canHide ??= probe();
  if (!(await canHide)) return runCommand(program, args, options);
  const result = await runHidden(devices, [program, ...args], options.timeoutMs);
  return resultInside(result);
}

/** What the result of a script that began with \`own_devices\` says about the program that it became. */
export function resultInside(result: CommandResult): CommandResult {
  if (result.kind !== 'ended') return result;
  if (result.exitCode === EXIT_NOT_FOUND) return { kind: 'not-found' };
  if (result.exitCode !== EXIT_NO_NAMESPACE) return result;
  return { kind: 'broken', why: 'devices of its own are not to be had', output: result.output };
}

async function probe(): Promise<boolean> {
  const result = await runHidden([], ['true'], PROBE_TIMEOUT_MS);
  return result.kind === 'ended' && result.exitCode === 0;
}

function runHidden(devices: readonly string[], command: readonly string[], timeoutMs: number): Promise<CommandResult> {
  const [unshare, ...words] = OWN_NAMESPACE;
  const script = ['sh', '-c', UNDER_OWN_DEVICES, 'sh', ...devices, '--', ...command];
  return runCommand(unshare, [...words, ...script], { timeoutMs });
}
