import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { nearestWord } from '../base/nearest.ts';
import { type BenchResult, DifferentialBench } from '../campaign/differential/bench.ts';
import { checkSequence } from '../campaign/differential/check-sequence.ts';
import type { KernelFileSystem } from '../campaign/differential/exceptions.ts';
import { type Operation, showSequence } from '../campaign/differential/operation.ts';
import { type DifferentialProfile, PROFILES, profileNamed } from '../campaign/differential/profiles.ts';
import { drawnSource, listedSource, shrinkResult } from '../campaign/differential/search.ts';
import { judgeSequence } from '../campaign/host/judge-sequence.ts';
import { loadZstd } from '../campaign/host/load-zstd.ts';
import { EXIT, Reading, readCount, UsageError } from './exit.ts';
import { ProgressLine, print, say } from './terminal.ts';

interface DiffOptions {
  readonly ops: string;
  readonly length: string;
  readonly seed: string;
  readonly fileSystem: KernelFileSystem;
  readonly profile?: string;
  readonly compareEvery: string;
  readonly shrink: string;
  readonly replay?: string;
  readonly outside: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** One sequence that failed, cut down. */
interface Failure {
  readonly profile: string;
  readonly seed: string | null;
  readonly result: BenchResult;
}

const EXAMPLES = `Examples:
  $ sudo fsquake diff-kernel --ops 100000 --seed 1                   200 sequences of 500 operations
  $ sudo fsquake diff-kernel --profile all --ops 20000               each profile in turn
  $ sudo fsquake diff-kernel --file-system ext4
  $ sudo fsquake diff-kernel --replay '[{"do":"mkdir","path":"/a"}]'   as printed with a difference
`;

export function diffKernelCommand(end: (code: number) => void): Command {
  const profiles = PROFILES.map(({ name }) => name);
  return new Command('diff-kernel')
    .description('random operations on the engine and on a file system of this kernel; every answer must be the same')
    .option('--ops <count>', 'operations in all', '5000')
    .option('--length <count>', 'operations of one sequence, each on fresh images', '500')
    .option('--seed <text>', 'seed of the sequences', '1')
    .addOption(new Option('--file-system <type>', 'of the kernel').choices(['btrfs', 'ext4', 'xfs']).default('btrfs'))
    .option('--profile <name>', `on what: all, ${profiles.join(', ')} (default: plain; portable where it is not btrfs)`)
    .option('--compare-every <count>', 'operations between comparisons of the whole trees', '100')
    .option('--shrink <attempts>', 'sequences tried to make a failing one shorter', '300')
    .option('--replay <json>', 'this sequence instead, or the file that holds it')
    .option('--no-outside', 'do not ask btrfs check')
    .option('--json', 'one JSON document on standard output instead of text')
    .option('--quiet', 'print only differences')
    .addHelpText('before', EXAMPLES)
    .addHelpText('after', '\nNeeds root, loop devices and the optional package koffi; else it says so and ends with 0.')
    .action(async (_options: unknown, command: Command) => end(await diff(command.optsWithGlobals<DiffOptions>())));
}

async function diff(options: DiffOptions): Promise<number> {
  const reading = new Reading();
  const count = (name: string, text: string) => reading.attempt(() => readCount(name, text)) ?? 1;
  const profiles = reading.attempt(() => profilesOf(options)) ?? [];
  const total = count('--ops', options.ops);
  const length = count('--length', options.length);
  const compareEvery = count('--compare-every', options.compareEvery);
  const shrinkAttempts = count('--shrink', options.shrink);
  const replayed = reading.attempt(() => (options.replay === undefined ? null : readSequence(options.replay)));
  reading.conclude();
  const tally = new Tally(options);
  await loadZstd();
  const benches = new Map<DifferentialProfile, DifferentialBench>();
  try {
    const rounds = replayed === null ? Math.ceil(total / length) : 1;
    for (let round = 0; round < rounds && !tally.isInterrupted; round++) {
      const profile = profiles[round % profiles.length]!;
      const type = options.fileSystem;
      const bench =
        benches.get(profile) ??
        DifferentialBench.open({ type, profile, compareEvery, onException: (name) => tally.except(name) });
      if (typeof bench === 'string') return await skipped(bench, options);
      benches.set(profile, bench);
      const seed = replayed === null ? `${options.seed}/${round}` : null;
      const operations = Math.min(length, total - round * length);
      const source = replayed === null ? drawnSource(seed!, profile, operations) : listedSource(replayed);
      const ran = bench.run(source);
      const result = options.outside && type === 'btrfs' ? await judgeSequence(ran) : ran;
      tally.count(result.operations.length);
      if (result.difference !== null) {
        const attempts = replayed === null ? shrinkAttempts : 0;
        // What `btrfs check` alone sees is not cut down: it would have to be asked each time.
        const canShrink = attempts > 0 && ran.difference !== null;
        const shrunk = canShrink ? shrinkResult(bench, result, attempts) : result;
        await tally.fail({ profile: profile.name, seed, result: shrunk });
      }
      await setImmediate(); // Lets an interrupt through.
    }
  } finally {
    for (const bench of benches.values()) bench.close();
    tally.stopListening();
  }
  return tally.conclude();
}

function profilesOf(options: DiffOptions): readonly DifferentialProfile[] {
  const { fileSystem } = options;
  const name = options.profile ?? (fileSystem === 'btrfs' ? 'plain' : 'portable');
  const fitting = PROFILES.filter(({ fileSystems }) => fileSystems.includes(fileSystem));
  if (name === 'all') return fitting;
  const profile = profileNamed(name);
  if (profile === null) {
    throw new UsageError(
      `--profile: there is no ${JSON.stringify(name)}; ${hintFor(name)}there are all, ${namesOf(PROFILES)}`,
    );
  }
  if (!fitting.includes(profile)) {
    throw new UsageError(`--profile ${name} is nothing for ${fileSystem}; there are ${namesOf(fitting)}`);
  }
  return [profile];
}

function hintFor(name: string): string {
  const nearest = nearestWord(
    name,
    PROFILES.map((profile) => profile.name),
  );
  return nearest === null ? '' : `did you mean ${nearest}? `;
}

function namesOf(profiles: readonly DifferentialProfile[]): string {
  return profiles.map(({ name }) => name).join(', ');
}

function readSequence(text: string): readonly Operation[] {
  let value: unknown;
  try {
    value = JSON.parse(text.trimStart().startsWith('[') ? text : readFileSync(text, 'utf8'));
  } catch (error) {
    throw new UsageError(`--replay: ${(error as Error).message.replace(/\s+/g, ' ')}`);
  }
  const checked = checkSequence(value);
  if (!('problems' in checked)) return checked;
  throw new UsageError(checked.problems.map((problem) => `--replay: ${problem}`).join('\n'));
}

async function skipped(why: string, options: DiffOptions): Promise<number> {
  if (options.json) await print(`${JSON.stringify({ format: 'fsquake-diff-kernel-1', skipped: why }, null, 2)}\n`);
  else await print(`skipped: ${why}\n`);
  return EXIT.asExpected;
}

/** Counts, shows and concludes. */
class Tally {
  isInterrupted = false;
  private operations = 0;
  private sequences = 0;
  private readonly failures: Failure[] = [];
  private readonly exceptions = new Map<string, number>();
  private readonly options: DiffOptions;
  private readonly progress: ProgressLine;
  private readonly onInterrupt = () => {
    if (this.isInterrupted) process.exit(EXIT.interrupted);
    this.isInterrupted = true;
    say('stopping after this sequence (once more: stop at once)');
  };

  constructor(options: DiffOptions) {
    this.options = options;
    this.progress = new ProgressLine(process.stderr, { quiet: options.quiet === true || options.json === true });
    process.on('SIGINT', this.onInterrupt);
  }

  stopListening(): void {
    process.off('SIGINT', this.onInterrupt);
    this.progress.clear();
  }

  except(name: string): void {
    this.exceptions.set(name, (this.exceptions.get(name) ?? 0) + 1);
  }

  count(operations: number): void {
    this.operations += operations;
    this.sequences++;
    this.progress.show(
      `${this.operations} operations, ${this.sequences} sequences, ${this.failures.length} differences`,
    );
  }

  async fail(failure: Failure): Promise<void> {
    this.failures.push(failure);
    if (this.options.json === true) return;
    this.progress.clear();
    await print(showFailure(failure, this.options.fileSystem));
  }

  async conclude(): Promise<number> {
    const { fileSystem: type, json, quiet } = this.options;
    const { operations, sequences } = this;
    const exceptions = Object.fromEntries([...this.exceptions].sort());
    if (json === true) {
      const differences = this.failures.map(({ profile, seed, result }) => ({
        profile,
        seed,
        ...result.difference,
        operations: result.operations,
      }));
      const document = {
        format: 'fsquake-diff-kernel-1',
        fileSystem: type,
        operations,
        sequences,
        exceptions,
        differences,
      };
      await print(`${JSON.stringify(document, null, 2)}\n`);
    } else if (quiet !== true || this.failures.length > 0) {
      const excused = Object.entries(exceptions).map(([name, count]) => `${count} × ${name}`);
      await print(
        `${operations} operations in ${sequences} sequences on the engine and on ${type}: ${this.failures.length} differences` +
          `${excused.length === 0 ? '' : ` (documented exceptions: ${excused.join(', ')})`}\n`,
      );
    }
    if (this.failures.length > 0) return EXIT.violation;
    return this.isInterrupted ? EXIT.interrupted : EXIT.asExpected;
  }
}

function showFailure({ profile, seed, result }: Failure, type: KernelFileSystem): string {
  const { operations } = result;
  const difference = result.difference!;
  const last = operations[difference.step];
  return [
    `difference: ${difference.what}${last === undefined ? '' : `, after ${showSequence([last])}`}`,
    `  engine: ${difference.engine}`,
    `  Linux:  ${difference.linux}`,
    ...(seed === null
      ? []
      : [`  found with --seed of ${JSON.stringify(seed)}, ${operations.length} operations are left:`]),
    `  fsquake diff-kernel --file-system ${type} --profile ${profile} --replay '${showSequence(operations)}'`,
    '',
  ].join('\n');
}
