import type { RunRecord, Step } from '../record/run-record.ts';
import { showOperation, showResult } from './operation-text.ts';
import { PLAIN, type TextStyle } from './run-report.ts';

/** What becomes a row: an operation's start or end, or something that the world did in its course. */
interface Row {
  readonly step: Step;
  readonly task: string;
  readonly text: string;
  /** The start, the end, a violation's evidence: never left out. */
  readonly isFixed: boolean;
}

/** Kinds of events that tell a race; locks, I/O and bookkeeping would drown it. */
const TOLD_KINDS = new Set(['point', 'fault', 'delay', 'fail', 'reorder', 'wait', 'blocked']);
/** Mounts, starts the others, waits for them, unmounts. */
const MAIN_TASK = 'main';
const ROWS_MAX = 48;
const COLUMN_WIDTH_MIN = 26;
const STEP_WIDTH = 7;

/**
 * The interleaving as changelogs draw it: a column for each task, time downwards. Where the columns do not fit, each
 * line names its task instead. Rows are left out, and said to be, when there are more than 48.
 */
export function drawRace(record: RunRecord, evidence: readonly Step[], style: TextStyle = PLAIN): string {
  const tasks = [...new Set(record.operations.map((operation) => operation.task))];
  const proof = new Set(evidence);
  const rows = thin([...operationRows(record), ...eventRows(record, proof)].sort((a, b) => a.step - b.step));
  const columns = [...tasks, ...helpersIn(rows, tasks)];
  const columnWidth = Math.floor((style.width - STEP_WIDTH) / columns.length);
  if (columnWidth < COLUMN_WIDTH_MIN) return drawList(rows, style);

  const lines = [line('step', columns, columnWidth)];
  lines.push(
    line(
      '',
      columns.map((name) => (style.ascii ? '-' : '─').repeat(Math.min(name.length, columnWidth - 2))),
      columnWidth,
    ),
  );
  for (const row of rows) {
    if (row.task === '') {
      lines.push(line('', [row.text], columnWidth));
      continue;
    }
    const cells = columns.map((name) => (name === row.task ? cut(row.text, columnWidth - 2, style) : ''));
    lines.push(line(String(row.step), cells, columnWidth));
  }
  return lines.join('\n');
}

function line(step: string, cells: readonly string[], columnWidth: number): string {
  return `${step.padStart(STEP_WIDTH - 2)}  ${cells.map((cell) => cell.padEnd(columnWidth)).join('')}`.trimEnd();
}

function drawList(rows: readonly Row[], style: TextStyle): string {
  const nameWidth = Math.max(4, ...rows.map((row) => row.task.length));
  return rows
    .map((row) => {
      if (row.task === '') return `${' '.repeat(STEP_WIDTH)}${row.text}`;
      const text = cut(row.text, Math.max(COLUMN_WIDTH_MIN, style.width - STEP_WIDTH - nameWidth - 2), style);
      return `${String(row.step).padStart(STEP_WIDTH - 2)}  ${row.task.padEnd(nameWidth)}  ${text}`;
    })
    .join('\n');
}

function operationRows(record: RunRecord): Row[] {
  return record.operations.flatMap((operation) => {
    const start = { step: operation.started, task: operation.task, text: showOperation(operation), isFixed: true };
    if (operation.ended === null) return [start];
    return [start, { step: operation.ended, task: operation.task, text: showResult(operation), isFixed: true }];
  });
}

function eventRows(record: RunRecord, proof: ReadonlySet<Step>): Row[] {
  const steps = record.operations.flatMap((operation) => [operation.started, operation.ended ?? record.steps]);
  const first = Math.min(...steps);
  const last = Math.max(...steps);
  return record.events
    .filter(
      (event) => TOLD_KINDS.has(event.kind) && event.task !== MAIN_TASK && first <= event.step && event.step <= last,
    )
    .map((event) => ({
      step: event.step,
      task: event.task,
      text: event.kind === 'point' ? `  ${event.what}` : `  ${event.kind}: ${event.what}`,
      isFixed: proof.has(event.step),
    }));
}

/** Tasks of the engine itself, where they have something to tell. */
function helpersIn(rows: readonly Row[], tasks: readonly string[]): string[] {
  return [...new Set(rows.map((row) => row.task))].filter((task) => task !== '' && !tasks.includes(task));
}

/** Drops what lies inside runs of one task first: the switches between tasks are what makes a race. */
function thin(rows: readonly Row[]): Row[] {
  if (rows.length <= ROWS_MAX) return [...rows];
  const isEdge = rows.map(
    (row, index) => row.isFixed || rows[index - 1]?.task !== row.task || rows[index + 1]?.task !== row.task,
  );
  const kept: Row[] = [];
  let dropped = 0;
  let allowed = Math.max(0, ROWS_MAX - isEdge.filter(Boolean).length);
  for (const [index, row] of rows.entries()) {
    if (!isEdge[index] && allowed === 0) {
      dropped += 1;
      continue;
    }
    if (!isEdge[index]) allowed -= 1;
    if (dropped > 0) kept.push(gap(row.step, dropped));
    dropped = 0;
    kept.push(row);
  }
  return kept;
}

function gap(step: Step, count: number): Row {
  return { step, task: '', text: `... ${count} more`, isFixed: true };
}

function cut(text: string, width: number, style: TextStyle): string {
  const ellipsis = style.ascii ? '...' : '…';
  return text.length <= width ? text : `${text.slice(0, width - ellipsis.length)}${ellipsis}`;
}
