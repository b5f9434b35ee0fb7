import { Command, CommanderError } from 'commander';
import { nearestWord } from '../base/nearest.ts';
import { fsquakeVersion } from '../campaign/host/package-root.ts';
import { catCommand } from './cat-command.ts';
import { checkCommand } from './check-command.ts';
import { cpCommand } from './cp-command.ts';
import { diffKernelCommand } from './diff-kernel-command.ts';
import { dumpCommand } from './dump-command.ts';
import { EXIT, ImageFault, UsageError } from './exit.ts';
import { Interrupted } from './interruption.ts';
import { listCommand } from './list-command.ts';
import { lsCommand } from './ls-command.ts';
import { mkfsCommand } from './mkfs-command.ts';
import { replayCommand } from './replay-command.ts';
import { runCommand } from './run-command.ts';
import { print, say } from './terminal.ts';

const HELP_HEAD = `Examples:
  $ fsquake run                                   every shipped workload, each under all settings it speaks of
  $ fsquake run dio-write-splits-extent-map       one of them
  $ fsquake run 'dio-*' my/workload.yaml          by pattern and by file
  $ fsquake run --fixes all,-18e83ac75bfe         with one historical fix turned off
  $ fsquake run --kernel 4.15 --seed 7 --runs 5000
  $ fsquake replay results/latest                 repeat the failing runs of the last one
  $ fsquake list fixes                            what can be turned off
  $ fsquake mkfs disk.img --size 1G               an empty btrfs in a file
  $ fsquake cp -r src/ disk.img:/                 files into any btrfs image, or out of it
  $ fsquake ls -lR disk.img                       list it; also: cat, dump
  $ fsquake check disk.img                        judge the structure of any btrfs image
`;

const HELP_TAIL = `
Exit codes:
  0  all as expected
  1  a violation that was not expected, or an expected one that did not appear
  2  bad usage, a bad workload file, or a results folder that cannot be written
  3  a fault of fsquake itself: says nothing about the engine under test
  130  interrupted; what was found is saved`;

/** The command line. Sets the exit code of the process and returns it; never throws, never calls `process.exit`. */
export async function main(argv: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(takeStreamError)) stream.on('error', takeStreamError);
  }
  let code: number = EXIT.asExpected;
  const end = (value: number) => {
    code = value;
  };
  const program = makeProgram(end);
  try {
    if (argv.length <= 2) {
      say(program.helpInformation());
      code = EXIT.usage;
    } else {
      refuseUnknown(makeProgram(end), argv.slice(2));
      await program.parseAsync([...argv]);
    }
  } catch (error) {
    code = explain(error);
    if (code !== EXIT.asExpected && asksForJson(argv))
      await print(`${JSON.stringify(errorDocument(code, error), null, 2)}\n`);
  }
  process.exitCode = code;
  return code;
}

function makeProgram(end: (code: number) => void): Command {
  const program = new Command('fsquake')
    .description('shakes a copy-on-write file system until its races fall out, always the same way twice')
    .version(fsquakeVersion(), '-V, --version', 'print the version')
    .option('--no-color', 'no colours (also: NO_COLOR, TERM=dumb)')
    .showSuggestionAfterError(true)
    .configureOutput({ outputError: (text, write) => write(prefixed(text.replace(/^error: /, ''))) })
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .addHelpText('beforeAll', ({ command }) => (command.parent === null ? HELP_HEAD : ''))
    .addHelpText('after', HELP_TAIL)
    .enablePositionalOptions(false)
    .exitOverride();
  for (const command of [
    runCommand(end),
    replayCommand(end),
    listCommand(),
    mkfsCommand(end),
    checkCommand(end),
    diffKernelCommand(end),
    dumpCommand(end),
    lsCommand(end),
    catCommand(end),
    cpCommand(end),
  ]) {
    command.copyInheritedSettings(program);
    command.showHelpAfterError(`(see: fsquake ${command.name()} --help)`);
    program.addCommand(command);
  }
  return program;
}

/**
 * Commander stops at the first word that it does not know. Throws `UsageError` with all of them, each with the nearest
 * right one, where there are several.
 */
function refuseUnknown(program: Command, words: readonly string[]): void {
  const own = words.slice(0, words.includes('--') ? words.indexOf('--') : words.length);
  const [first, second] = own.filter((word) => !word.startsWith('-'));
  if (first === 'help' && second !== undefined) refuseUnknownCommand(program, second);
  const command = program.commands.find((known) => known.name() === first);
  if (command === undefined || own.includes('--help') || own.includes('-h')) return;
  const known = [...program.options, ...command.options].flatMap(({ short, long }) => [short, long]);
  const flags = [...known.filter((flag) => flag !== undefined && flag !== null), '-h', '--help'];
  const { unknown } = command.parseOptions(own.slice(own.indexOf(first!) + 1));
  const wrong = unknown.filter((word) => /^-./.test(word)).map((word) => word.split('=')[0]!);
  const problems = [...new Set(wrong)].filter((word) => !flags.includes(word));
  if (problems.length < 2) return;
  throw new UsageError(problems.map((word) => `unknown option '${word}'${hintFor(word, flags)}`).join('\n'));
}

function refuseUnknownCommand(program: Command, name: string): void {
  const names = [...program.commands.map((command) => command.name()), 'help'];
  if (!names.includes(name)) throw new UsageError(`unknown command '${name}'${hintFor(name, names)}`);
}

function hintFor(word: string, known: readonly string[]): string {
  const nearest = word.length > 2 ? nearestWord(word, known) : null;
  return nearest === null ? '' : `; did you mean ${nearest}?`;
}

/** Each problem on a line of its own. */
function prefixed(text: string): string {
  return text.replace(/^(?=[^\n(])/gm, 'fsquake: ');
}

function explain(error: unknown): number {
  // Commander has written its message, or the help, already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.asExpected : EXIT.usage;
  if (error instanceof UsageError || error instanceof ImageFault) {
    say(prefixed(error.message));
    return error instanceof UsageError ? EXIT.usage : EXIT.violation;
  }
  if (error instanceof Interrupted) return EXIT.interrupted;
  say('fsquake itself failed; please report this, with the command line:');
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.benchFault;
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(2, end < 0 ? argv.length : end).includes('--json');
}

/** What `--json` prints when a command did not get as far as its own document. */
function errorDocument(exitCode: number, error: unknown): object {
  const text = error instanceof Error ? error.message : String(error);
  return { format: 'fsquake-error-1', exitCode, message: text.replace(/^error: /, '') };
}

/**
 * Whoever reads has gone (`fsquake run | head`): nobody is left to tell, but what was found is still saved, and the
 * exit code still says how it went. Output that cannot be written for another reason (a full disk) is a failure.
 */
function takeStreamError(this: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE' || this === process.stderr) return;
  say(`fsquake: the output could not be written (${error.code ?? error.message})`);
  process.exit(EXIT.usage);
}
