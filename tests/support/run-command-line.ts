import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';

/** How a command ended, and what it wrote. */
export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the main function of the command line in this process; bytes that are no UTF-8 are for others. */
export async function fsquake(...args: string[]): Promise<Ended> {
  const written: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation(((chunk: string | Uint8Array, done?: unknown) => {
      written[name].push(Buffer.from(chunk as Uint8Array));
      if (typeof done === 'function') done();
      return true;
    }) as never),
  );
  const color = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  try {
    const exitCode = await main(['node', 'fsquake', ...args]);
    return { exitCode, stdout: textOf(written.stdout), stderr: textOf(written.stderr) };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = 0;
    if (color === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = color;
  }
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
