import { z } from 'zod';
import { ERRNO, type Errno, isErrno } from '../base/errno.ts';
import { suggest } from '../base/nearest.ts';
import { GIB, KIB, MIB } from '../base/units.ts';
import { describeValue } from './located.ts';
import type { FileReference, Outcome } from './model.ts';

/** A reason why a scalar is not what it should be; `hint` names the nearest right thing. */
export interface Refusal {
  readonly refused: string;
  readonly hint?: string | null;
}

/** Between a reason and its hint in a zod message. */
export const HINT_MARK = '\n';

/** JSON Schema of what may be written; read by editors only. */
type JsonForm = Readonly<Record<string, unknown>>;

/** A schema for one scalar: what editors are told, and the function that reads it and words the refusal. */
function scalar<T>(description: string, json: JsonForm, read: (value: unknown) => T | Refusal) {
  return z
    .unknown()
    .transform((value, context): T => {
      const result = read(value);
      if (!isRefusal(result)) return result;
      const message = result.hint ? `${result.refused}${HINT_MARK}${result.hint}` : result.refused;
      context.issues.push({ code: 'custom', message, input: value });
      return z.NEVER;
    })
    .meta({ description, ...json });
}

function isRefusal(result: unknown): result is Refusal {
  return typeof result === 'object' && result !== null && 'refused' in result;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: KIB,
  KiB: KIB,
  M: MIB,
  MiB: MIB,
  G: GIB,
  GiB: GIB,
  T: 1024 * GIB,
  TiB: 1024 * GIB,
};
const SIZE_PATTERN = '^[0-9]+ ?(B|K|KiB|M|MiB|G|GiB|T|TiB)?$';

/** Bytes: a whole number, or one with a binary unit. */
export function size(description: string) {
  const json = {
    anyOf: [
      { type: 'integer', minimum: 0 },
      { type: 'string', pattern: SIZE_PATTERN },
    ],
  };
  return scalar<number>(`${description} (bytes, or with a unit: 8K, 1M)`, json, readSize);
}

export function readSize(value: unknown): number | Refusal {
  if (typeof value === 'number') {
    if (value < 0) return { refused: `a size is never negative, found ${value}` };
    if (!Number.isInteger(value)) return { refused: `a size is a whole number of bytes, found ${value}` };
    return value + 0;
  }
  const expected = 'expected a size such as 8K, 1M or 4096';
  if (typeof value !== 'string') return { refused: `${expected}, found ${describeValue(value)}` };
  const match = /^(-?)([0-9]+)(\.[0-9]+)? ?([A-Za-z]*)$/.exec(value);
  if (match === null) return { refused: `${expected}, found ${describeValue(value)}` };
  const [, minus, digits = '', fraction, unit = ''] = match;
  if (minus === '-') return { refused: `a size is never negative, found ${describeValue(value)}` };
  if (fraction !== undefined)
    return { refused: `a size is a whole number, found ${describeValue(value)}`, hint: 'use a smaller unit' };
  const factor = Object.hasOwn(SIZE_UNITS, unit) ? SIZE_UNITS[unit] : undefined;
  if (factor === undefined) {
    return {
      refused: `"${unit}" is not a unit of size`,
      hint: binaryUnitLike(unit) ?? 'units are K, M, G and T, of 1024',
    };
  }
  const bytes = Number(digits) * factor;
  if (!Number.isSafeInteger(bytes)) return { refused: `${value} is beyond 2^53 bytes` };
  return bytes;
}

function binaryUnitLike(unit: string): string | null {
  const letter = unit.charAt(0).toUpperCase();
  if (!'KMGT'.includes(letter) || !/^.(i?b)?$/i.test(unit)) return null;
  return `did you mean "${letter}" (of 1024)?`;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
/** Half of what the world takes for a hang, so that a long delay is never mistaken for one. */
const DURATION_MAX = 300e9;

/** Virtual time, in nanoseconds. */
export function duration(description: string) {
  const json = { type: 'string', pattern: '^[0-9]+ ?(ns|us|ms|s)$' };
  return scalar<number>(`${description} (10ms; units ns, us, ms, s)`, json, readDuration);
}

export function readDuration(value: unknown): number | Refusal {
  const expected = 'expected a duration such as 10ms or 2s';
  if (typeof value === 'number')
    return { refused: `${expected}, found ${value} without a unit`, hint: `did you mean "${value}ms"?` };
  if (typeof value !== 'string') return { refused: `${expected}, found ${describeValue(value)}` };
  const match = /^([0-9]+) ?([a-zA-Zµ]+)$/.exec(value);
  if (match === null) return { refused: `${expected}, found ${describeValue(value)}` };
  const unit = match[2] === 'µs' ? 'us' : match[2]!;
  const factor = Object.hasOwn(DURATION_UNITS, unit) ? DURATION_UNITS[unit] : undefined;
  if (factor === undefined)
    return { refused: `"${unit}" is not a unit of time`, hint: suggest(unit, Object.keys(DURATION_UNITS)) };
  const nanoseconds = Number(match[1]) * factor;
  if (nanoseconds > DURATION_MAX) return { refused: `${value} is longer than five minutes of virtual time` };
  return nanoseconds;
}

/** A whole number in [min, max]. */
export function whole(description: string, bounds: { readonly min: number; readonly max: number }) {
  const { min, max } = bounds;
  return scalar<number>(description, { type: 'integer', minimum: min, maximum: max }, (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value))
      return { refused: `expected a whole number, found ${describeValue(value)}` };
    if (value < min) return { refused: `at least ${min}, found ${value}` };
    if (value > max) return { refused: `at most ${max}, found ${value}` };
    return value + 0;
  });
}

export function flag(description: string) {
  return scalar<boolean>(description, { type: 'boolean' }, (value) => {
    if (typeof value === 'boolean') return value;
    const hint =
      typeof value === 'string'
        ? { yes: 'true', on: 'true', no: 'false', off: 'false' }[value.toLowerCase()]
        : undefined;
    return {
      refused: `expected true or false, found ${describeValue(value)}`,
      hint: hint === undefined ? null : `did you mean "${hint}"?`,
    };
  });
}

/** Text, possibly over several lines. */
export function text(
  description: string,
  options: { readonly oneLine: boolean; readonly bytesMax?: number } = { oneLine: false },
) {
  return scalar<string>(description, { type: 'string' }, (value) => {
    if (typeof value !== 'string')
      return { refused: `expected text, found ${describeValue(value)}`, hint: 'put quotes around it' };
    if (options.oneLine && /[\n\r]/.test(value.trimEnd())) return { refused: 'expected a single line' };
    const { bytesMax } = options;
    if (bytesMax !== undefined && Buffer.byteLength(value) > bytesMax) return { refused: `at most ${bytesMax} bytes` };
    return value.trimEnd();
  });
}

/** One of a few fixed words. */
export function word<const T extends string>(description: string, words: readonly T[]) {
  return scalar<T>(description, { enum: words }, (value) => {
    const found = words.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const hint = typeof value === 'string' ? suggest(value, words) : `one of: ${words.join(', ')}`;
    return { refused: `cannot be ${describeValue(value)}`, hint };
  });
}

/** A name that the file itself gives: of a task, a handle, a mark, a stage. */
export function ownName(description: string) {
  return scalar<string>(description, { type: 'string', pattern: NAME_PATTERN.source }, (value) => {
    if (typeof value === 'string' && NAME_PATTERN.test(value)) return value;
    return {
      refused: `${describeValue(value)} is no name`,
      hint: 'names are letters, digits and dashes, beginning with a letter',
    };
  });
}

export const NAME_PATTERN = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;

/** A name that somebody else gives; whether it exists is checked later, against `vocabulary`. */
export function foreignName(
  description: string,
  vocabulary: 'points' | 'fixes' | 'laws' | 'locks' | 'sites' | null = null,
) {
  const json = vocabulary === null ? { type: 'string' } : { type: 'string', 'x-vocabulary': vocabulary };
  return scalar<string>(description, json, (value) => {
    if (typeof value === 'string' && value !== '') return value;
    return { refused: `expected a name, found ${describeValue(value)}` };
  });
}

/** An absolute path, the root too. */
export function directory(description: string) {
  return scalar<string>(description, { type: 'string', pattern: '^/' }, (value) =>
    value === '/' ? '/' : readPath(value),
  );
}

/** An absolute path below the root. */
export function path(description: string) {
  return scalar<string>(description, { type: 'string', pattern: '^/.' }, readPath);
}

const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 4095;

export function readPath(value: unknown): string | Refusal {
  if (typeof value !== 'string') return { refused: `expected a path such as /f, found ${describeValue(value)}` };
  if (value.startsWith('$')) return { refused: 'a path is needed here, not a handle' };
  if (!value.startsWith('/'))
    return {
      refused: `a path begins with "/", found ${describeValue(value)}`,
      hint: /^[\w.-]+$/.test(value) ? `did you mean "/${value}"?` : null,
    };
  if (value === '/') return { refused: 'the root directory cannot be used here' };
  if (Buffer.byteLength(value) > PATH_BYTES_MAX) return { refused: `a path has at most ${PATH_BYTES_MAX} bytes` };
  for (const name of value.slice(1).split('/')) {
    if (name === '')
      return {
        refused: `the path ${describeValue(value)} has an empty part`,
        hint: `did you mean "${tidyPath(value)}"?`,
      };
    if (name === '.' || name === '..') return { refused: `a path has no "${name}" parts` };
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) return { refused: `a name has at most ${NAME_BYTES_MAX} bytes` };
    if (/[\0\n]/.test(name)) return { refused: 'a path has no line ends' };
  }
  return value;
}

function tidyPath(value: string): string {
  return value.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
}

/** A path, or `$name` for a handle. */
export function fileReference(description: string) {
  return scalar<FileReference>(
    `${description}: a path, or $name for a handle opened before`,
    { type: 'string', pattern: '^(/.|\\$[A-Za-z])' },
    (value) => {
      if (typeof value === 'string' && value.startsWith('$')) return readHandle(value);
      const found = readPath(value);
      return typeof found === 'string' ? { kind: 'path', path: found } : found;
    },
  );
}

export function handleReference(description: string) {
  return scalar<string>(description, { type: 'string', pattern: '^\\$[A-Za-z]' }, (value) => {
    if (typeof value !== 'string' || !value.startsWith('$')) {
      const hint = typeof value === 'string' && NAME_PATTERN.test(value) ? `did you mean "$${value}"?` : null;
      return { refused: `expected a handle such as $log, found ${describeValue(value)}`, hint };
    }
    const found = readHandle(value);
    return 'refused' in found ? found : found.handle;
  });
}

function readHandle(value: string): { readonly kind: 'handle'; readonly handle: string } | Refusal {
  const handle = value.slice(1);
  return NAME_PATTERN.test(handle)
    ? { kind: 'handle', handle }
    : { refused: `${describeValue(value)} is no handle`, hint: 'a handle is written $name' };
}

const ERRNO_NAMES = Object.keys(ERRNO);

export function errno(description: string) {
  return scalar<Errno>(description, { enum: ERRNO_NAMES }, (value) => {
    if (typeof value === 'string' && isErrno(value)) return value;
    return {
      refused: `${describeValue(value)} is no errno`,
      hint: typeof value === 'string' ? suggest(value, ERRNO_NAMES) : 'errnos are names such as EIO',
    };
  });
}

export function outcome(description: string) {
  const words = ['ok', ...ERRNO_NAMES];
  return scalar<Outcome>(description, { enum: words }, (value) => {
    if (value === 'ok' || (typeof value === 'string' && isErrno(value))) return value;
    return {
      refused: `${describeValue(value)} is no outcome of an operation`,
      hint: typeof value === 'string' ? suggest(value, words) : '"ok", or an errno such as EIO',
    };
  });
}

/** `1/8`, 0, 1 or a short decimal, as a ratio. */
export function probability(description: string) {
  const json = {
    anyOf: [
      { type: 'string', pattern: '^[0-9]+ ?/ ?[0-9]+$' },
      { type: 'number', minimum: 0, maximum: 1 },
    ],
  };
  return scalar<{ numerator: number; denominator: number }>(description, json, (value) => {
    const ratio =
      typeof value === 'number' ? { numerator: Math.round(value * DECIMALS), denominator: DECIMALS } : readRatio(value);
    if (ratio === null) return { refused: `expected a probability such as 1/8, found ${describeValue(value)}` };
    const { numerator, denominator } = ratio;
    if (denominator === 0) return { refused: 'nothing is divided by zero' };
    if (denominator > RATIO_MAX) return { refused: `a probability's denominator is at most ${RATIO_MAX}` };
    if (numerator < 0 || numerator > denominator)
      return {
        refused: `a probability lies between 0 and 1, found ${typeof value === 'string' ? value : String(value)}`,
      };
    const divisor = greatestCommonDivisor(numerator, denominator);
    return { numerator: numerator / divisor, denominator: denominator / divisor };
  });
}

const DECIMALS = 1_000_000;
const RATIO_MAX = 2 ** 32;

function readRatio(value: unknown): { readonly numerator: number; readonly denominator: number } | null {
  const match = typeof value === 'string' ? /^(-?[0-9]+) ?\/ ?([0-9]+)$/.exec(value) : null;
  return match === null ? null : { numerator: Number(match[1]), denominator: Number(match[2]) };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** `4.15`, also `v4.15` and `4.15.3`; returns `4.15`. */
export function kernelVersion(description: string) {
  return scalar<string>(description, { type: ['string', 'number'], pattern: '^v?[0-9]+\\.[0-9]+' }, (value) => {
    const match = typeof value === 'string' ? /^v?(\d{1,2})\.(\d{1,3})(?:\.\d+)*$/.exec(value.trim()) : null;
    if (match === null) return { refused: `${describeValue(value)} is no kernel version`, hint: 'write it as "4.15"' };
    const major = Number(match[1]);
    const minor = Number(match[2]);
    const last = LAST_MINOR.get(major);
    if (major < 3 || (last !== undefined && minor > last)) {
      return {
        refused: `there was no kernel ${major}.${minor}`,
        hint: last === undefined ? 'the first is 3.0' : `the last of its line is ${major}.${last}`,
      };
    }
    return `${major}.${minor}`;
  });
}

const LAST_MINOR: ReadonlyMap<number, number> = new Map([
  [3, 19],
  [4, 20],
  [5, 19],
  [6, 19],
]);

/** btrfs's trees by name, as object ids; the log and relocation trees are negative. */
export const TREE_IDS: Readonly<Record<string, number>> = {
  root: 1,
  extent: 2,
  chunk: 3,
  device: 4,
  fs: 5,
  csum: 7,
  quota: 8,
  uuid: 9,
  'free-space': 10,
  log: -6,
  'data-reloc': -9,
};

export function tree(description: string) {
  const names = Object.keys(TREE_IDS);
  return scalar<number>(description, { anyOf: [{ enum: names }, { type: 'integer' }] }, (value) => {
    if (typeof value === 'number' && Number.isInteger(value)) return value + 0;
    if (typeof value === 'string' && Object.hasOwn(TREE_IDS, value)) return TREE_IDS[value]!;
    return {
      refused: `${describeValue(value)} is no tree`,
      hint:
        typeof value === 'string' ? suggest(value, names) : `a tree is its object id or one of: ${names.join(', ')}`,
    };
  });
}

/** Text that seeds a random stream; numbers are taken as they are written. */
export function seed(description: string) {
  return scalar<string>(description, { type: ['string', 'integer'] }, (value) => {
    if (typeof value === 'number' && Number.isInteger(value)) return String(value);
    if (typeof value === 'string' && value !== '' && value.length <= 200) return value;
    return { refused: `expected a seed, a whole number or text, found ${describeValue(value)}` };
  });
}
