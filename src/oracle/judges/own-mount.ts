import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, runCommand, startCommand } from './command.ts';

const TIMEOUT_MS = 60_000;
/** As a shell answers it where the program that it is to become does not exist. */
const EXIT_NOT_FOUND = 127;

/** Holds the mount until its standard input ends, also when whoever asked for it is killed. A program may hold it a moment longer. */
const HOLD = `
mount -n -t btrfs -o "$1" "$2" "$3" || exit
echo mounted
read -r line || true
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  umount "$3" 2>/dev/null && exit
  sleep 0.2
done
umount "$3"
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

/** Mounts a block device of the host, or says how `mount` ended. */
export async function mountAlone(
  device: string,
  options: string,
  { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): Promise<OwnMount | { readonly failed: CommandResult }> {
  const point = await mkdtemp(join(tmpdir(), 'fsquake-mount-'));
  const words = ['--mount', '--propagation', 'private', 'sh', '-c', HOLD, 'sh', options, device, point];
  const holder = startCommand('unshare', words, { timeoutMs });
  const ended = async (): Promise<CommandResult> => {
    const result = await holder.result;
    await rmdir(point).catch(() => undefined);
    return result.kind === 'ended' && result.exitCode === EXIT_NOT_FOUND ? { kind: 'not-found' } : result;
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
