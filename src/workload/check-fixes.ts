import type { z } from 'zod';
import { suggest } from '../base/nearest.ts';
import type { Checker, Part } from './checker.ts';
import type { Located } from './located.ts';
import type { FixSetting } from './model.ts';
import { FIXES } from './schema.ts';
import type { FixWord } from './vocabulary.ts';

/** At least this many digits of a commit must be given. */
const COMMIT_DIGITS_MIN = 7;

/** All switches on. */
export function allOn(fixes: readonly FixWord[]): FixSetting {
  return { kernel: null, on: [], off: [], enabled: fixes.map((fix) => fix.id) };
}

/** Reads a `fixes` mapping as changes to `base`. Null when it is in doubt. */
export function checkFixes(
  checker: Checker,
  node: Located | null,
  options: { readonly base: FixSetting; readonly fixes: readonly FixWord[] },
): FixSetting | null {
  const { base, fixes } = options;
  if (node === null) return base;
  const part = checker.read(FIXES, node, '"fixes"');
  if (part === null) return null;
  const on = resolveList(checker, part, 'on', fixes);
  const off = resolveList(checker, part, 'off', fixes);
  const isContradictory = checkContradiction(checker, node, on, off);
  if (part.isPartial || isContradictory || on.includes(null) || off.includes(null)) return null;
  const setting = settingOf(base, part.data.kernel ?? null, { on: on as string[], off: off as string[], fixes });
  return checkRequirements(checker, node, setting, { base, fixes }) ? setting : null;
}

/** The fix called `name`: its id, or its upstream commit with at least 7 digits. Null: unknown. */
export function fixCalled(name: string, fixes: readonly FixWord[]): FixWord | null {
  const asked = name.trim().toLowerCase();
  const isCommit = /^[0-9a-f]+$/.test(asked) && asked.length >= COMMIT_DIGITS_MIN && asked.length <= 40;
  const answers = (fix: FixWord) =>
    fix.id === asked ||
    (isCommit && fix.commit !== '' && (fix.commit.startsWith(asked) || asked.startsWith(fix.commit)));
  return fixes.find(answers) ?? null;
}

function resolveList(
  checker: Checker,
  part: Part<z.output<typeof FIXES>>,
  key: 'on' | 'off',
  fixes: readonly FixWord[],
): (string | null)[] {
  const seen = new Set<string>();
  return (part.data[key] ?? []).map((name, index) => {
    const fix = fixCalled(name, fixes);
    if (fix === null) {
      const words = fixes.flatMap((other) => (other.commit === '' ? [other.id] : [other.id, other.commit]));
      const isShort = /^[0-9a-f]{1,6}$/.test(name) && fixes.some((other) => other.commit.startsWith(name));
      const hint = isShort ? `a commit needs at least ${COMMIT_DIGITS_MIN} digits` : suggest(name, words);
      checker.reportAt(part.node, [key, index], 'fix', `there is no fix ${JSON.stringify(name)}`, hint);
      return null;
    }
    if (seen.has(fix.id))
      checker.reportAt(part.node, [key, index], 'fix', `${fix.id} is already in this list`, 'remove it');
    seen.add(fix.id);
    return fix.id;
  });
}

function checkContradiction(
  checker: Checker,
  node: Located,
  on: readonly (string | null)[],
  off: readonly (string | null)[],
): boolean {
  let isContradictory = false;
  for (const [index, id] of off.entries()) {
    if (id === null || !on.includes(id)) continue;
    checker.reportAt(node, ['off', index], 'contradiction', `${id} is both on and off`, 'keep one of them');
    isContradictory = true;
  }
  return isContradictory;
}

function settingOf(
  base: FixSetting,
  kernel: string | null,
  changes: { readonly on: readonly string[]; readonly off: readonly string[]; readonly fixes: readonly FixWord[] },
): FixSetting {
  const { on, off, fixes } = changes;
  // A kernel of its own starts from scratch; otherwise later words win over those of the base.
  const from = kernel === null ? base : { kernel, on: [], off: [], enabled: [] };
  const inOrder = (ids: readonly string[]) => fixes.filter((fix) => ids.includes(fix.id)).map((fix) => fix.id);
  const allOnes = inOrder([...from.on.filter((id) => !off.includes(id)), ...on]);
  const allOffs = inOrder([...from.off.filter((id) => !on.includes(id)), ...off]);
  const enabled = fixes
    .filter(
      (fix) =>
        !allOffs.includes(fix.id) && (allOnes.includes(fix.id) || from.kernel === null || hadFix(fix, from.kernel)),
    )
    .map((fix) => fix.id);
  return { kernel: from.kernel, on: allOnes, off: allOffs, enabled };
}

/** A kernel has a fix that came before it, and does not have a bug that came after it. */
function hadFix(fix: FixWord, kernel: string): boolean {
  if (compareKernels(kernel, fix.kernel) >= 0) return true;
  return fix.introduced !== undefined && compareKernels(kernel, fix.introduced) < 0;
}

function compareKernels(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

function checkRequirements(
  checker: Checker,
  node: Located,
  setting: FixSetting,
  options: { readonly base: FixSetting; readonly fixes: readonly FixWord[] },
): boolean {
  let isSound = true;
  for (const fix of options.fixes) {
    if (!setting.enabled.includes(fix.id)) continue;
    for (const required of fix.requires) {
      if (setting.enabled.includes(required)) continue;
      isSound = false;
      const { path, hint } = blame(node, fix.id, required, options);
      checker.reportAt(node, path, 'fix', `${fix.id} is on, but it builds on ${required}, which is off`, hint);
    }
  }
  return isSound;
}

/** Points at the word that made the conflict: the fix switched on, else the one switched off. */
function blame(
  node: Located,
  id: string,
  required: string,
  options: { readonly fixes: readonly FixWord[] },
): { readonly path: readonly (string | number)[]; readonly hint: string } {
  const indexIn = (key: 'on' | 'off', asked: string) =>
    (node.entries.get(key)?.node.items ?? []).findIndex((item) => fixCalled(item.source, options.fixes)?.id === asked);
  const off = indexIn('off', required);
  if (off >= 0) return { path: ['off', off], hint: `switch ${id} off too` };
  const on = indexIn('on', id);
  if (on >= 0) return { path: ['on', on], hint: `switch ${required} on too` };
  return { path: [], hint: `switch ${id} off, or ${required} on` };
}
