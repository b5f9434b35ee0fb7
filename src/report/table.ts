import Table from 'cli-table3';
import pc from 'picocolors';
import type { SettingReport, TextStyle } from './run-report.ts';
import { showDuration, showStage, showVerdict } from './wording.ts';
import { widthOf, wrap } from './wrap.ts';

const HEAD = ['workload', 'switches', 'schedules explored', 'verdict', 'time'] as const;
/** Vertical lines and a blank on either side of each cell. */
const FRAME_WIDTH = HEAD.length + 1 + 2 * HEAD.length;
/** Narrower than this, cells would be slivers: lines instead of a table. */
const TABLE_WIDTH_MIN = 72;
/** A column gives way down to here, if its longest word allows. */
const COLUMN_WIDTH_MIN = 8;

/** One row for each workload and setting. Ends without a newline. */
export function showTable(settings: readonly SettingReport[], style: TextStyle): string {
  if (style.width < TABLE_WIDTH_MIN) return showLines(settings, style);
  const rows = settings.map((setting, index) => [
    settings[index - 1]?.workload === setting.workload ? '' : setting.workload,
    setting.switches.label,
    setting.stages.map(showStage).join('\n'),
    showMark(setting, style),
    showDuration(setting.milliseconds),
  ]);
  const widths = fitColumns([[...HEAD], ...rows], style.width - FRAME_WIDTH);
  const table = new Table({
    head: [...HEAD],
    colWidths: widths.map((width) => width + 2),
    colAligns: ['left', 'left', 'left', 'left', 'right'],
    style: { head: [], border: [], compact: true },
    ...(style.ascii ? { chars: ASCII_FRAME } : {}),
  });
  for (const row of rows) table.push(row.map((cell, column) => wrap(cell, widths[column]!)));
  return colorMarks(table.toString(), style);
}

function showMark(setting: SettingReport, style: TextStyle): string {
  return `${markOf(setting, style)} ${showVerdict(setting)}`;
}

function markOf({ ending }: SettingReport, { ascii }: TextStyle): string {
  if (ending === 'as-expected') return ascii ? 'ok' : '✓';
  if (ending === 'interrupted') return '-';
  if (ending === 'bench-fault') return '!';
  return ascii ? 'X' : '✗';
}

/** After the layout, so that colours do not disturb it. */
function colorMarks(text: string, style: TextStyle): string {
  if (!style.color) return text;
  const colors = pc.createColors(true);
  return text.replace(/✓/g, colors.green('✓')).replace(/✗/g, colors.red('✗'));
}

function showLines(settings: readonly SettingReport[], style: TextStyle): string {
  const blocks = settings.map((setting) =>
    [
      `${setting.workload} [${setting.switches.label}]`,
      ...setting.stages.map((stage) => `  ${showStage(stage)}`),
      `  ${showMark(setting, style)} (${showDuration(setting.milliseconds)})`,
    ].join('\n'),
  );
  return colorMarks(blocks.join('\n'), style);
}

/** Widths as wide as the text wants; where that is too much, the widest columns give way first. */
function fitColumns(rows: readonly (readonly string[])[], room: number): number[] {
  const columns = HEAD.map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))));
  let excess = columns.reduce((sum, column) => sum + column, 0) - room;
  for (; excess > 0; excess--) {
    const widest = columns.indexOf(Math.max(...columns));
    if (columns[widest]! <= COLUMN_WIDTH_MIN) break;
    columns[widest]! -= 1;
  }
  return columns;
}

const ASCII_FRAME = {
  top: '-',
  'top-mid': '+',
  'top-left': '+',
  'top-right': '+',
  bottom: '-',
  'bottom-mid': '+',
  'bottom-left': '+',
  'bottom-right': '+',
  left: '|',
  'left-mid': '+',
  mid: '-',
  'mid-mid': '+',
  right: '|',
  'right-mid': '+',
  middle: '|',
} as const;
