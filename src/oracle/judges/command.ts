import { once } from 'node:events';
import { execa } from 'execa';

/** How a program of the host ended. */
export type CommandResult =
  /** It ran and ended by itself; standard output and error are in the order in which they came. */
  | { readonly kind: 'ended'; readonly exitCode: number; readonly output: string }
  | { readonly kind: 'not-found' }
  /** It was killed, ran out of time, or could not be started: nothing about its subject is known. */
  | { readonly kind: 'broken'; readonly why: string; readonly output: string };

const SYSTEM_FOLDERS = '/usr/local/sbin:/usr/sbin:/sbin';

/** Messages are those of the C locale; programs of the administrator are found too. */
const ENVIRONMENT = { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_FOLDERS}` };

interface Limits {
  readonly timeoutMs: number;
}

/** Runs a program; never throws for what the program did. */
export async function runCommand(program: string, args: readonly string[], limits: Limits): Promise<CommandResult> {
  const running = startCommand(program, args, limits);
  running.endInput();
  return running.result;
}

/** A program that goes on until it ends by itself, its time is up, or this process ends. */
export interface RunningCommand {
  readonly pid: number | undefined;
  /** Whether it wrote something to its standard output before it ended; waits for either. */
  speaks(): Promise<boolean>;
  endInput(): void;
  readonly result: Promise<CommandResult>;
}

export function startCommand(program: string, args: readonly string[], { timeoutMs }: Limits): RunningCommand {
  const running = execa(program, args, {
    reject: false,
    all: true,
    stdin: 'pipe',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    env: ENVIRONMENT,
  });
  const spoke = once(running.stdout, 'data').then(
    () => true,
    () => false,
  );
  const result = running.then(({ all, timedOut, signal, exitCode, code, shortMessage }): CommandResult => {
    const output = all ?? '';
    if (timedOut) return { kind: 'broken', why: `${program} took longer than ${timeoutMs} ms`, output };
    if (signal !== undefined) return { kind: 'broken', why: `${program} was killed by ${signal}`, output };
    if (exitCode !== undefined) return { kind: 'ended', exitCode, output };
    if (code === 'ENOENT') return { kind: 'not-found' };
    return { kind: 'broken', why: `${program} could not be started (${code ?? shortMessage})`, output };
  });
  return {
    pid: running.pid,
    speaks: () => Promise.race([spoke, result.then(() => false)]),
    endInput: () => running.stdin.end(),
    result,
  };
}
