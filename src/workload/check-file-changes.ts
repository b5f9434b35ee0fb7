import type { z } from 'zod';
import { SECTOR_SIZE } from '../base/units.ts';
import { showSize } from './check-filesystem.ts';
import type { Checker } from './checker.ts';
import type { Located } from './located.ts';
import type { FileReference, Operation } from './model.ts';
import type { FileChangeOperation } from './model-files.ts';
import type { OPERATION } from './schema.ts';

/** Operations on names, attributes and ranges of files: each is read on its own. */
export const FILE_CHANGES = [
  'rmdir',
  'link',
  'symlink',
  'mknod',
  'tmpfile',
  'readdir',
  'chmod',
  'chown',
  'set-xattr',
  'remove-xattr',
  'punch',
  'zero',
  'reflink',
  'copy',
  'dedupe',
  'msync',
  'seek',
] as const;

export type FileChangeKind = (typeof FILE_CHANGES)[number];
type OperationForm = Exclude<z.output<typeof OPERATION>, string>;
type Base = Pick<Operation, 'expect' | 'at'>;

const MODE_PATTERN = /^[0-7]{1,4}$/;

export function isFileChange(kind: string): kind is FileChangeKind {
  return (FILE_CHANGES as readonly string[]).includes(kind);
}

/** The files that the operation names, and under which key. */
export function filesOf(
  kind: FileChangeKind,
  data: OperationForm,
): readonly { readonly key: string; readonly file: FileReference }[] {
  const form = data[kind];
  if (form === undefined || typeof form === 'string') return [];
  const files: { key: string; file: FileReference }[] = [];
  if ('source' in form) files.push({ key: 'source', file: form.source });
  if ('file' in form) files.push({ key: 'file', file: form.file });
  return files;
}

/** The operation of that kind; what is wrong with it is reported. Null when it cannot be made sense of. */
export function readFileChange(
  checker: Checker,
  node: Located,
  kind: FileChangeKind,
  data: OperationForm,
  base: Base,
): FileChangeOperation | null {
  switch (kind) {
    case 'rmdir':
    case 'readdir':
      return { kind, path: data[kind]!, ...base };
    case 'link':
      return { kind, ...data.link!, ...base };
    case 'symlink':
      return readSymlink(checker, node, data.symlink!, base);
    case 'mknod':
      return { kind, path: data.mknod!.path, node: data.mknod!.kind, ...base };
    case 'tmpfile':
      return { kind, ...data.tmpfile!, ...base };
    case 'chmod':
      return readChmod(checker, node, data.chmod!, base);
    case 'chown': {
      const { file, uid = null, gid = null } = data.chown!;
      if (uid === null && gid === null) {
        checker.reportAt(node, ['chown'], 'missing-key', 'chown needs "uid" or "gid"', 'say who gets the file');
        return null;
      }
      return { kind, file, uid, gid, ...base };
    }
    case 'set-xattr': {
      const { file, name, value, when = null } = data[kind]!;
      return { kind, file, name, value, when, ...base };
    }
    case 'remove-xattr':
      return { kind, ...data[kind]!, ...base };
    case 'punch':
    case 'zero': {
      const form = data[kind]!;
      const { file, offset = 0, length } = form;
      if (!isSomeLength(checker, node, kind, length, base)) return null;
      return {
        kind,
        file,
        offset,
        length,
        keepSize: 'keep-size' in form ? form['keep-size'] === true : false,
        ...base,
      };
    }
    case 'reflink':
    case 'copy':
    case 'dedupe':
      return readShare(checker, node, kind, data[kind]!, base);
    case 'msync': {
      const { file, offset = 0, length } = data.msync!;
      return { kind, file, offset, length, ...base };
    }
    case 'seek': {
      const { file, offset = 0, what } = data.seek!;
      return { kind, file, offset, what, ...base };
    }
  }
}

function readSymlink(
  checker: Checker,
  node: Located,
  form: NonNullable<OperationForm['symlink']>,
  base: Base,
): FileChangeOperation | null {
  if (form.target !== '') return { kind: 'symlink', ...form, ...base };
  checker.reportAt(node, ['symlink', 'target'], 'value', 'a symlink says something', 'a path, say');
  return null;
}

function readChmod(
  checker: Checker,
  node: Located,
  form: NonNullable<OperationForm['chmod']>,
  base: Base,
): FileChangeOperation | null {
  if (MODE_PATTERN.test(form.mode))
    return { kind: 'chmod', file: form.file, mode: Number.parseInt(form.mode, 8), ...base };
  const message = `${JSON.stringify(form.mode)} is no octal mode`;
  checker.reportAt(node, ['chmod', 'mode'], 'value', message, 'from "0" to "7777", such as "640"');
  return null;
}

function readShare(
  checker: Checker,
  node: Located,
  kind: 'reflink' | 'copy' | 'dedupe',
  form: NonNullable<OperationForm['reflink']>,
  base: Base,
): FileChangeOperation | null {
  const { source, file, offset = 0, length } = form;
  const sourceOffset = form['source-offset'] ?? 0;
  if (!isSomeLength(checker, node, kind, length, base)) return null;
  if (kind !== 'copy' && base.expect?.includes('EINVAL') !== true) {
    for (const [key, value] of [
      ['source-offset', sourceOffset],
      ['offset', offset],
    ] as const) {
      if (value % SECTOR_SIZE === 0) continue;
      const message = `extents are shared from sector to sector of 4K, this ${key} is ${showSize(value)} (EINVAL)`;
      checker.reportAt(node, [kind, key], 'size', message, `did you mean ${showSize(value - (value % SECTOR_SIZE))}?`);
    }
  }
  return { kind, source, sourceOffset, file, offset, length, ...base };
}

function isSomeLength(checker: Checker, node: Located, kind: FileChangeKind, length: number, base: Base): boolean {
  if (length > 0 || base.expect?.includes('EINVAL') === true) return true;
  checker.reportAt(node, [kind, 'length'], 'size', `a ${kind} of no bytes does nothing`, 'at least 1');
  return false;
}
