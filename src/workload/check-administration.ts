import type { z } from 'zod';
import { SECTOR_SIZE } from '../base/units.ts';
import { showSize } from './check-filesystem.ts';
import type { Checker } from './checker.ts';
import type { Located } from './located.ts';
import type {
  DeviceAddOperation,
  DeviceRemoveOperation,
  DeviceResizeOperation,
  Operation,
  ReconfigureOperation,
  ReplaceOperation,
  ScrubOperation,
  TrimOperation,
  WipeOperation,
} from './model.ts';
import type { OPERATION } from './schema.ts';

/** Operations on devices and on the mount, whose arguments stand for themselves. */
export const ADMINISTRATION = [
  'wipe',
  'device-add',
  'device-remove',
  'device-resize',
  'scrub',
  'replace',
  'trim',
  'reconfigure',
] as const;

type AdministrationKind = (typeof ADMINISTRATION)[number];
type OperationForm = Exclude<z.output<typeof OPERATION>, string>;
type Base = Pick<Operation, 'expect' | 'at'>;
type Arguments<Kind extends AdministrationKind> = NonNullable<OperationForm[Kind]>;

export function isAdministration(kind: string): kind is AdministrationKind {
  return (ADMINISTRATION as readonly string[]).includes(kind);
}

/** The operation of that kind; what is wrong with its numbers is reported. */
export function readAdministration(
  checker: Checker,
  node: Located,
  kind: AdministrationKind,
  form: OperationForm,
  base: Base,
): Operation {
  switch (kind) {
    case 'wipe':
      return { kind, device: indexOf(form.wipe!), ...base } satisfies WipeOperation;
    case 'device-add':
      return { kind, device: indexOf(form[kind]!), ...base } satisfies DeviceAddOperation;
    case 'device-remove': {
      const given = form[kind]!;
      return { kind, devid: typeof given === 'object' ? given.devid : given, ...base } satisfies DeviceRemoveOperation;
    }
    case 'device-resize':
      return readResize(checker, node, form[kind]!, base);
    case 'scrub':
      return readScrub(checker, node, form.scrub ?? {}, base);
    case 'replace':
      return readReplace(form.replace!, base);
    case 'trim':
      return readTrim(checker, node, form.trim ?? {}, base);
    case 'reconfigure':
      return readReconfigure(checker, node, form.reconfigure!, base);
  }
}

function indexOf(form: number | { readonly device: number }): number {
  return typeof form === 'number' ? form : form.device;
}

function readResize(
  checker: Checker,
  node: Located,
  form: Arguments<'device-resize'>,
  base: Base,
): DeviceResizeOperation {
  const { devid, size } = form;
  if (size !== 'max') checkSectors(checker, node, ['device-resize', 'size'], { what: 'a device', value: size });
  return { kind: 'device-resize', devid, size, ...base };
}

function readScrub(checker: Checker, node: Located, form: Arguments<'scrub'>, base: Base): ScrubOperation {
  const { devid = null, start = 0, end = null, resume = false } = form;
  if (end !== null && end <= start) {
    const message = `the range from ${showSize(start)} to before ${showSize(end)} is empty`;
    const hint = start === end ? 'its end is not included' : 'did you swap its ends?';
    checker.reportAt(node, ['scrub', 'end'], 'range', message, hint);
  }
  if (resume && form.start !== undefined) {
    const message = 'a scrub that goes on has its start from the one that was cancelled';
    checker.reportAt(node, ['scrub', 'start'], 'contradiction', message, 'remove one of "start" and "resume"');
  }
  for (const [key, value] of [
    ['start', start],
    ['end', end ?? 0],
  ] as const) {
    checkSectors(checker, node, ['scrub', key], { what: 'a scrub', value });
  }
  return { kind: 'scrub', devid, start, end, readOnly: form['read-only'] ?? false, resume, ...base };
}

function readReplace(form: Arguments<'replace'>, base: Base): ReplaceOperation {
  const { devid, target, background = false } = form;
  return { kind: 'replace', devid, target, background, avoidSource: form['avoid-source'] ?? false, ...base };
}

function readTrim(checker: Checker, node: Located, form: Arguments<'trim'>, base: Base): TrimOperation {
  const { offset = 0, length = null, minimum = 0 } = form;
  if (length === 0 && base.expect?.includes('EINVAL') !== true) {
    checker.reportAt(node, ['trim', 'length'], 'size', 'a trim of no bytes does nothing', 'at least 4K, or remove it');
  }
  return { kind: 'trim', offset, length, minimum, ...base };
}

function readReconfigure(
  checker: Checker,
  node: Located,
  form: Arguments<'reconfigure'>,
  base: Base,
): ReconfigureOperation {
  const readOnly = form['read-only'] ?? null;
  const discard = form.discard ?? null;
  if (readOnly === null && discard === null) {
    const message = 'reconfigure changes nothing';
    checker.reportKey(node, 'reconfigure', 'missing-key', message, 'say "read-only", "discard" or both');
  }
  return { kind: 'reconfigure', readOnly, discard, ...base };
}

function checkSectors(
  checker: Checker,
  node: Located,
  path: readonly string[],
  about: { readonly what: string; readonly value: number },
): void {
  const { what, value } = about;
  const rest = value % SECTOR_SIZE;
  if (rest === 0) return;
  const hint = `did you mean ${showSize(Math.max(SECTOR_SIZE, value - rest))}?`;
  checker.reportAt(node, path, 'unaligned', `${what} has whole sectors of 4K, found ${showSize(value)}`, hint);
}
