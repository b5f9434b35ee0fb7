import { ACL_CASES } from './name-cases/access-lists.ts';
import { ATTRIBUTE_CASES } from './name-cases/attributes.ts';
import type { NameCase } from './name-cases/case-list.ts';
import { FLAG_CASES } from './name-cases/flags.ts';
import { HANDLE_CASES } from './name-cases/handles.ts';
import { LINK_CASES } from './name-cases/names.ts';
import { PATH_CASES } from './name-cases/paths.ts';
import { SYMLINK_CASES } from './name-cases/symbolic-links.ts';
import { XATTR_CASES } from './name-cases/xattrs.ts';

export type { CaseOperation, NameCase } from './name-cases/case-list.ts';

/** What Linux answers to them is in `tests/fixtures/linux-names.json`. */
export const NAME_CASES: Readonly<Record<string, readonly NameCase[]>> = {
  paths: PATH_CASES,
  names: LINK_CASES,
  'symbolic links': SYMLINK_CASES,
  attributes: ATTRIBUTE_CASES,
  xattrs: XATTR_CASES,
  'access lists': ACL_CASES,
  flags: FLAG_CASES,
  handles: HANDLE_CASES,
};
