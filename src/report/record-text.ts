import type { DumpRecord, DumpValue } from '../oracle/dump/dump-value.ts';

const WIDTH = 110;
/** Hex of more than this is cut in text; JSON has all of it. */
const TEXT_MAX = 128;

/** `name value` pairs, as many as fit on a line; records within records are further in, one line or more each. */
export function showRecord(record: DumpRecord, indent: number): string[] {
  const pairs: string[] = [];
  const below: string[] = [];
  for (const [name, value] of Object.entries(record)) {
    if (isList(value)) below.push(...showList(name, value, indent));
    else if (isRecord(value) && !isFlags(value)) {
      below.push(`${blanks(indent)}${spaced(name)}`, ...showRecord(value, indent + 2));
    } else pairs.push(`${spaced(name)} ${showScalar(name, value)}`);
  }
  return [...fill(pairs, indent), ...below];
}

function showList(name: string, list: readonly DumpValue[], indent: number): string[] {
  const margin = blanks(indent);
  if (list.length === 0) return [`${margin}no ${spaced(name)}`];
  if (!list.some((value) => isRecord(value) || isList(value))) {
    return [`${margin}${spaced(name)}`, ...fill(list.map(String), indent + 2, ' ')];
  }
  const rows = list.flatMap((value) => {
    const [first, ...rest] = isRecord(value) ? showRecord(value, indent + 2) : [`${blanks(indent + 2)}${value}`];
    return [`${margin}- ${(first ?? '').trimStart()}`, ...rest];
  });
  return [`${margin}${spaced(name)}:`, ...rows];
}

function showScalar(name: string, value: DumpValue): string {
  if (isFlags(value)) {
    const names = value['names'] as readonly string[];
    return `${value['value']} (${names.length === 0 ? 'none' : names.join('|')})`;
  }
  const text = String(value);
  if (name !== 'data' || text.length <= TEXT_MAX) return text === '' ? '""' : text;
  return `${text.slice(0, TEXT_MAX)}…`;
}

/** `diskNumBytes` is `disk num bytes`. */
function spaced(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function fill(words: readonly string[], indent: number, separator = ', '): string[] {
  const rows: string[] = [];
  let row = '';
  for (const word of words) {
    const joined = row === '' ? word : `${row}${separator}${word}`;
    if (row !== '' && indent + joined.length > WIDTH) {
      rows.push(row);
      row = word;
    } else row = joined;
  }
  if (row !== '') rows.push(row);
  return rows.map((text) => `${blanks(indent)}${text}`);
}

function blanks(count: number): string {
  return ' '.repeat(count);
}

function isList(value: DumpValue): value is readonly DumpValue[] {
  return Array.isArray(value);
}

function isRecord(value: DumpValue): value is DumpRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFlags(value: DumpValue): value is DumpRecord {
  return isRecord(value) && 'names' in value;
}
