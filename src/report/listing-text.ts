/** What `fsquake ls` shows of one name. */
export interface ListedName {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block';
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly device: { readonly major: number; readonly minor: number } | null;
  /** ISO 8601. */
  readonly modified: string;
  readonly target: string | null;
}

const KIND_LETTERS = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  character: 'c',
  block: 'b',
} as const;
const SET_ID = [0o4000, 0o2000, 0o1000] as const;
const SET_ID_LETTERS = ['s', 's', 't'] as const;

/** Lines in columns, as `ls -l` has them. */
export function showLongNames(names: readonly ListedName[]): string[] {
  const rows = names.map((name) => [
    showMode(name.kind, name.mode),
    String(name.links),
    String(name.uid),
    String(name.gid),
    name.device === null ? String(name.size) : `${name.device.major}, ${name.device.minor}`,
    name.modified,
    name.target === null ? name.name : `${name.name} -> ${name.target}`,
  ]);
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => alignCell(cell, column, widths[column])).join(' '));
}

function alignCell(cell: string, column: number, width: number | undefined): string {
  if (width === undefined) return cell;
  const isNumber = column >= 1 && column <= 4;
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

/** `drwxr-xr-x` */
export function showMode(kind: ListedName['kind'], mode: number): string {
  const groups = [6, 3, 0].map((shift, index) => {
    const bits = (mode >> shift) & 7;
    const letter = SET_ID_LETTERS[index]!;
    const isSet = (mode & SET_ID[index]!) !== 0;
    const execute = isSet ? ((bits & 1) !== 0 ? letter : letter.toUpperCase()) : (bits & 1) !== 0 ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${execute}`;
  });
  return KIND_LETTERS[kind] + groups.join('');
}
