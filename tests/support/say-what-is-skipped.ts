import { runCommand } from '../../src/oracle/judges/command.ts';
import { loopsMissing } from '../../src/oracle/judges/loop-devices.ts';

/** Runs once before all tests: says in plain words which judges this machine lacks, so that no skip goes unexplained. */
export default async function sayWhatIsSkipped(): Promise<void> {
  const hasProgs = (await runCommand('btrfs', ['--version'], { timeoutMs: 10_000 })).kind === 'ended';
  const missing = [
    hasProgs ? null : 'tests that ask btrfs check or mkfs.btrfs: btrfs-progs is not installed',
    await loopsMissing().then((why) => (why === null ? null : `tests that mount images: ${why}`)),
    process.env['FSQUAKE_SECOND_NODE'] === undefined
      ? 'the same hashes under a second Node: FSQUAKE_SECOND_NODE names none'
      : null,
  ];
  for (const why of missing) if (why !== null) console.log(`skipped: ${why}`);
}
