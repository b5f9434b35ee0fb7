import type { OperationCounts, OperationRecord } from '../record/run-record.ts';

/** `write /f [8192, 32768) direct`, `scrub devid 1 [0, 1048576)`, `replace devid 2 by device 3`. */
export function showOperation(operation: OperationRecord): string {
  const { args } = operation;
  const parts = [operation.operation];
  for (const name of ['path', 'from', 'directory', 'handle', 'point', 'name']) {
    if (typeof args[name] === 'string') parts.push(name === 'handle' ? `$${args[name]}` : args[name]);
  }
  const file = args['file'] as { readonly path?: string; readonly handle?: string } | undefined;
  if (file?.path !== undefined) parts.push(file.path);
  if (file?.handle !== undefined) parts.push(`$${file.handle}`);
  if (typeof args['to'] === 'string') parts.push(`${args['exchange'] === true ? 'with' : 'to'} ${args['to']}`);
  parts.push(...showDetails(args));
  if (typeof args['length'] === 'number') {
    const { offset, length } = args as { readonly offset?: unknown; readonly length: number };
    parts.push(typeof offset === 'number' ? `[${offset}, ${offset + length})` : `${length} bytes`);
  }
  parts.push(...showDevices(args));
  if (typeof args['size'] === 'number') parts.push(`to ${args['size']} bytes`);
  for (const [name, word] of FLAGS) if (args[name] === true) parts.push(word);
  for (const [name, word, opposite] of CHANGES) {
    if (operation.operation === 'reconfigure' && typeof args[name] === 'boolean')
      parts.push(args[name] ? word : opposite);
  }
  return parts.join(' ');
}

/** Of operations on attributes and between files. */
function showDetails(args: OperationRecord['args']): string[] {
  const parts: string[] = [];
  const source = args['source'] as { readonly path?: string; readonly handle?: string } | undefined;
  if (source !== undefined) parts.push(`from ${source.path ?? `$${source.handle}`} at ${args['sourceOffset']}`);
  if (typeof args['mode'] === 'number') parts.push(args['mode'].toString(8));
  if (typeof args['uid'] === 'number') parts.push(`uid ${args['uid']}`);
  if (typeof args['gid'] === 'number') parts.push(`gid ${args['gid']}`);
  if (typeof args['value'] === 'string') parts.push(JSON.stringify(args['value']));
  if (typeof args['what'] === 'string') parts.push(`${args['what']} from ${args['offset']}`);
  return parts;
}

const FLAGS = [
  ['direct', 'direct'],
  ['keepSize', 'keeping the size'],
  ['nodatacow', 'nodatacow'],
  ['mapped', 'mapped'],
  ['noReplace', 'replacing nothing'],
  ['background', 'in the background'],
  ['avoidSource', 'avoiding the source'],
  ['resume', 'resuming'],
] as const;

/** What `mount -o remount` would say. */
const CHANGES = [
  ['readOnly', 'ro', 'rw'],
  ['discard', 'discard', 'nodiscard'],
] as const;

function showDevices(args: OperationRecord['args']): string[] {
  const parts: string[] = [];
  if (typeof args['devid'] === 'number') parts.push(`devid ${args['devid']}`);
  else if (args['devid'] === 'missing') parts.push('missing');
  if (typeof args['device'] === 'number') parts.push(`device ${args['device']}`);
  if (typeof args['target'] === 'number') parts.push(`by device ${args['target']}`);
  if (typeof args['mirror'] === 'number') parts.push(`mirror ${args['mirror']}`);
  if (args['size'] === 'max') parts.push('to max');
  const { start, end } = args;
  if (typeof start === 'number' && (start > 0 || typeof end === 'number')) {
    parts.push(`[${start}, ${typeof end === 'number' ? end : 'end'})`);
  }
  return parts;
}

/** What a number counts, where that is not bytes. */
const UNITS: Readonly<Record<string, string>> = {
  clean: 'block groups deleted',
  readdir: 'names',
  seek: 'is the offset',
};

/** `= 4096 bytes`, `= EEXIST (extent-map-insert …)`, `= 1376256 bytes scrubbed, no errors found`. */
export function showResult({ operation, result }: OperationRecord): string {
  if (result === null) return '= no result';
  if (result.error !== null) return `= ${result.error} (${result.where})`;
  const { value } = result;
  if (value === null) return '= ok';
  if (value instanceof Uint8Array) return `= ${value.length} bytes`;
  if (typeof value === 'number') return `= ${value} ${UNITS[operation] ?? 'bytes'}`;
  return 'counts' in value ? `= ${showScrub(value)}` : `= ${value.length} extents`;
}

/** Kinds of errors as `btrfs scrub status` sums them up, with the names of its raw figures. */
const ERROR_KINDS = [
  ['read', 'read_errors'],
  ['csum', 'csum_errors'],
  ['verify', 'verify_errors'],
  ['super', 'super_errors'],
] as const;
const OUTCOMES = [
  ['corrected', 'corrected_errors'],
  ['uncorrectable', 'uncorrectable_errors'],
  ['unverified', 'unverified_errors'],
] as const;

/** As `btrfs scrub status` puts it: `81920 bytes scrubbed, csum=2, corrected 2, uncorrectable 0, unverified 0`. */
export function showScrub({ counts }: OperationCounts): string {
  const count = (name: string) => counts[name] ?? 0;
  const scrubbed = `${count('data_bytes_scrubbed') + count('tree_bytes_scrubbed')} bytes scrubbed`;
  const errors = ERROR_KINDS.filter(([, name]) => count(name) > 0).map(([word, name]) => `${word}=${count(name)}`);
  if (errors.length === 0) return `${scrubbed}, no errors found`;
  const outcomes = OUTCOMES.map(([word, name]) => `${word} ${count(name)}`);
  return [scrubbed, errors.join(' '), ...outcomes].join(', ');
}
