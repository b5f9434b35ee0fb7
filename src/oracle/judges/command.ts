import { execa } from 'execa';

/** How a program of the host ended. */
export type CommandResult =
  /** It ran and ended by itself; standard output and error are in the order in which they came. */
  | { readonly kind: 'ended'; readonly exitCode: number; readonly output: string }
  | { readonly kind: 'not-found' }
  /** It was killed, ran out of time, or could not be started: nothing about its subject is known. */
  | { readonly kind: 'broken'; readonly why: string; readonly output: string };

const SYSTEM_FOLDERS = '/usr/local/sbin:/usr/sbin:/sbin';

/** Runs a program; never throws for what the program did. Messages are those of the C locale. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number },
): Promise<CommandResult> {
  const result = await execa(program, args, {
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
    env: { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_FOLDERS}` },
  });
  const output = result.all ?? '';
  if (result.timedOut) return { kind: 'broken', why: `${program} took longer than ${options.timeoutMs} ms`, output };
  if (result.signal !== undefined) return { kind: 'broken', why: `${program} was killed by ${result.signal}`, output };
  if (result.exitCode !== undefined) return { kind: 'ended', exitCode: result.exitCode, output };
  if (result.code === 'ENOENT') return { kind: 'not-found' };
  return { kind: 'broken', why: `${program} could not be started (${result.code ?? result.shortMessage})`, output };
}
