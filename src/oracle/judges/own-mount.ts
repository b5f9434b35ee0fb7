import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, runCommand, startCommand } from './command.ts';
import { EXIT_NO_NAMESPACE, OWN_DEVICES, OWN_NAMESPACE, resultInside } from './own-devices.ts';

const TIMEOUT_MS = 60_000;

/**
 * Its arguments: `hide` or nothing, options, the place, the members. Holds the mount until its standard input ends, also when whoever asked
 * for it is killed. A program may hold it a moment longer.
 */
const HOLD = `
${OWN_DEVICES}
hide=$1
options=$2
point=$3
shift 3
[ "$hide" = "" ] || own_devices "$@"
[ $# = 1 ] || btrfs device scan "$@" >/dev/null || exit ${EXIT_NO_NAMESPACE}
mount -n -t btrfs -o "$options" "$1" "$point" || exit
echo mounted
read -r line || true
umount "$point" 2>/dev/null && exit
for attempt in $(seq 1 50); do
  sleep 0.1
  umount "$point" 2>/dev/null && exit
done
umount "$point"
`;

/**
 * A btrfs file system mounted in a mount namespace of its own. A namespace that others make meanwhile copies the mounts
 * of the host, and as long as it has one of them the file system lives on behind its unmount; this one nobody copies, so
 * that the devices hold all when `unmount` is through.
 */
export interface OwnMount {
  /** The root directory, as a path that this process can use. */
  readonly root: string;
  /** Runs a program that sees the mount, at `point`. */
  run(program: string, args: (point: string) => readonly string[]): Promise<CommandResult>;
  /** Null, or why it may not have ended well. */
  unmount(): Promise<string | null>;
}

/** Mounts block devices of the host as one file system, or says how `mount` ended; by default other ones are out of sight. */
export async function mountAlone(
  devices: readonly string[],
  options: string,
  { timeoutMs = TIMEOUT_MS, hidesOthers = true }: { readonly timeoutMs?: number; readonly hidesOthers?: boolean } = {},
): Promise<OwnMount | { readonly failed: CommandResult }> {
  const point = await mkdtemp(join(tmpdir(), 'fsquake-mount-'));
  const [unshare, ...words] = OWN_NAMESPACE;
  const script = ['sh', '-c', HOLD, 'sh', hidesOthers ? 'hide' : '', options, point, ...devices];
  const holder = startCommand(unshare, [...words, ...script], { timeoutMs });
  const ended = async (): Promise<CommandResult> => {
    const result = await holder.result;
    await rmdir(point).catch(() => undefined);
    return resultInside(result);
  };
  if (!(await holder.speaks())) return { failed: await ended() };

  const enter = ['--target', String(holder.pid), '--mount', '--'];
  return {
    root: join('/proc', String(holder.pid), 'root', point),
    run: (program, args) => runCommand('nsenter', [...enter, program, ...args(point)], { timeoutMs }),
    unmount: async () => {
      holder.endInput();
      const result = await ended();
      if (result.kind === 'ended' && result.exitCode === 0) return null;
      return result.kind === 'broken' ? result.why : result.kind === 'ended' ? result.output.trim() : result.kind;
    },
  };
}
