import { Command } from 'commander';
import pc from 'picocolors';
import { nearestWord } from '../base/nearest.ts';
import { findWorkloads } from '../campaign/host/workload-files.ts';
import { type ListEntry, REGISTRIES, VOCABULARY } from '../campaign/registry.ts';
import { parseWorkload } from '../workload/parse.ts';
import { UsageError } from './exit.ts';
import { print, styleOf } from './terminal.ts';

const KINDS = ['workloads', ...Object.keys(REGISTRIES)];

export function listCommand(): Command {
  return new Command('list')
    .description('what there is to run and to name')
    .argument('[kind]', `one of: ${KINDS.join(', ')}`)
    .option('--json', 'one JSON document: for each kind a list of {name, title, details}')
    .addHelpText(
      'before',
      'Examples:\n  $ fsquake list workloads\n  $ fsquake list fixes --json\n  $ fsquake list          everything\n',
    )
    .action(async (kind: string | undefined, options: { json?: boolean }, command: Command) => {
      const kinds = kind === undefined ? KINDS : [checkedKind(kind)];
      const lists = Object.fromEntries(kinds.map((name) => [name, entriesOf(name)]));
      const { color } = command.optsWithGlobals<{ color: boolean }>();
      if (options.json) await print(`${JSON.stringify(lists, null, 2)}\n`);
      else await print(showLists(lists, pc.createColors(styleOf(process.stdout, { color }).color)));
    });
}

/** The singular is good enough. */
function checkedKind(asked: string): string {
  const kind = KINDS.find((name) => name === asked || name.replace(/(es|s)$/, '') === asked.replace(/(es|s)$/, ''));
  if (kind !== undefined) return kind;
  const nearest = nearestWord(asked, KINDS);
  const hint = nearest === null ? `one of: ${KINDS.join(', ')}` : `did you mean ${nearest}?`;
  throw new UsageError(`nothing to list is called ${JSON.stringify(asked)}; ${hint}`);
}

function entriesOf(kind: string): ListEntry[] {
  if (kind !== 'workloads') return REGISTRIES[kind]!();
  return findWorkloads([]).map((file) => {
    const { workload } = parseWorkload(file.text, { file: file.path, vocabulary: VOCABULARY });
    return {
      name: workload?.name ?? file.name,
      title: workload === undefined ? 'not a valid workload' : workload.title,
      details: { file: file.path },
    };
  });
}

function showLists(lists: Record<string, ListEntry[]>, colors: ReturnType<typeof pc.createColors>): string {
  const isSingle = Object.keys(lists).length === 1;
  return Object.entries(lists)
    .map(([kind, entries]) => {
      const width = Math.max(0, ...entries.map((entry) => entry.name.length));
      const lines = entries.map((entry) => {
        const details = isSingle ? showDetails(entry) : '';
        return `${colors.bold(entry.name.padEnd(width))}  ${entry.title}${details === '' ? '' : colors.dim(` (${details})`)}`;
      });
      return isSingle
        ? `${lines.join('\n')}\n`
        : `${colors.underline(kind)}\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
    })
    .join('\n');
}

function showDetails({ details }: ListEntry): string {
  return Object.entries(details)
    .map(([name, value]) =>
      name === 'file' ? String(value) : `${name} ${Array.isArray(value) ? value.join(' ') : value}`,
    )
    .join(', ');
}
