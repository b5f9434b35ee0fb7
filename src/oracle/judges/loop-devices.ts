import { access, constants } from 'node:fs/promises';
import { runCommand } from './command.ts';

const TIMEOUT_MS = 20_000;

/** Why loop devices cannot be used here; null when they can. */
export async function loopsMissing(): Promise<string | null> {
  const why = 'needs root and loop devices';
  if (process.getuid?.() !== 0) return why;
  try {
    await access('/dev/loop-control', constants.R_OK | constants.W_OK);
    return null;
  } catch {
    return why;
  }
}

/** Files attached as block devices. */
export interface LoopDevices {
  /** `/dev/loop3` …, in the order of the files. */
  readonly devices: readonly string[];
  /** Detaches what was attached, and makes the kernel forget several-device file systems on them. Problems, if any. */
  detach(): Promise<string[]>;
}

/** Attaches all files, or none and says why. */
export async function attachLoops(paths: readonly string[]): Promise<LoopDevices | { readonly failed: string }> {
  const devices: string[] = [];
  const detach = () => detachAll(devices);
  for (const path of paths) {
    const result = await runCommand('losetup', ['--find', '--show', path], { timeoutMs: TIMEOUT_MS });
    if (result.kind === 'ended' && result.exitCode === 0) {
      devices.push(result.output.trim());
      continue;
    }
    await detach();
    if (result.kind === 'not-found') return { failed: 'losetup is not installed' };
    return { failed: result.kind === 'broken' ? result.why : `losetup failed: ${firstLine(result.output)}` };
  }
  return { devices, detach };
}

async function detachAll(devices: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const device of devices) {
    // Only several devices stay registered; for a single one this says that there is nothing to forget.
    await runCommand('btrfs', ['device', 'scan', '--forget', device], { timeoutMs: TIMEOUT_MS });
    const result = await runCommand('losetup', ['--detach', device], { timeoutMs: TIMEOUT_MS });
    if (result.kind !== 'ended' || result.exitCode !== 0) problems.push(`${device} could not be detached`);
  }
  return problems;
}

export function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
