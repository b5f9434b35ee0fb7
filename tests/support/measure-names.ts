import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOOP_FRAME, shellOnItsOwn } from './loop-filesystem.ts';
import { NAME_CASES, type NameCase } from './name-cases.ts';

/** By name of the case, the outcomes of its operations from the first that counts. */
export type NameOutcomes = Readonly<Record<string, readonly string[]>>;

const HERE = dirname(fileURLToPath(import.meta.url));
export const MEASURED = join(HERE, '../fixtures/linux-names.json');

const SCRIPT = `
mkfs.btrfs -q -f $1
mount -o nodiscard,noatime $1 $dir
python3 "$PROGRAM" $dir < "$CASES" > "$OUTCOMES"
umount $dir
`;

/** What the running Linux answers to the cases. Needs root, loop devices, btrfs-progs and python3. */
export function measureOnLinux(cases: readonly NameCase[]): NameOutcomes {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-names-'));
  try {
    const path = (name: string) => join(folder, name);
    writeFileSync(path('image'), '');
    truncateSync(path('image'), 2 ** 31);
    writeFileSync(path('cases'), JSON.stringify(cases.map(({ operations }) => operations)));
    const names = { IMAGES: path('image'), CASES: path('cases'), OUTCOMES: path('outcomes') };
    const env = { ...process.env, ...names, PROGRAM: join(HERE, 'linux-names.py'), LC_ALL: 'C' };
    shellOnItsOwn(LOOP_FRAME + SCRIPT, [], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const outcomes = JSON.parse(readFileSync(path('outcomes'), 'utf8')) as string[][];
    return Object.fromEntries(cases.map(({ name, from }, index) => [name, outcomes[index]!.slice(from)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function allNameCases(): NameCase[] {
  return Object.values(NAME_CASES).flat();
}
