import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

/**
 * Goal: what is shipped shows what it says, and every image that it leaves satisfies judges that nobody here wrote.
 * Method: the command line itself, with outside judges for every distinct image; what they refuse counts as a violation.
 */
test('every shipped workload goes as it expects, and no outside judge refuses an image of it', async () => {
  const results = mkdtempSync(join(tmpdir(), 'fsquake-shipped-'));
  const entry = resolve(import.meta.dirname, '../src/cli/dev.ts');
  try {
    const options = ['run', '--thorough', '--json', '--results', results];
    const { stdout, exitCode } = await execa(process.execPath, ['--import', 'tsx', entry, ...options], {
      reject: false,
    });
    const { settings, judges, notJudged } = JSON.parse(stdout) as {
      settings: { workload: string; ending: string; expected: string; stages: { violating: number }[] }[];
      judges: { name: string; judged: number; refused: number; available: number }[];
      notJudged: unknown[];
    };
    expect(settings.filter(({ ending }) => ending !== 'as-expected')).toEqual([]);
    // To be refused breaks the law `structure`: a setting that does not expect that has not ended as expected above.
    const meantToBreak = settings.filter(({ expected }) => /violation of .*\bstructure\b/.test(expected));
    const refusedMax = meantToBreak.flatMap(({ stages }) => stages).reduce((sum, { violating }) => sum + violating, 0);
    const checked = judges.find(({ name }) => name === 'btrfs check');
    expect(checked?.refused ?? 0).toBeLessThanOrEqual(refusedMax);
    // The kernel is asked only about what everybody else found sound.
    expect(judges.filter(({ name, refused }) => name !== 'btrfs check' && refused > 0)).toEqual([]);
    if (checked !== undefined && notJudged.length === 0) expect(checked.judged).toBe(checked.available);
    expect(exitCode).toBe(0);
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}, 300_000);
