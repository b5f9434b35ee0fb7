import type { SettingReport, StageReport } from './run-report.ts';

/** The verdict in a few honest words: what was seen, never more. */
export function showVerdict(setting: SettingReport): string {
  const laws = brokenLaws(setting);
  switch (setting.ending) {
    case 'bench-fault':
      return 'fault of the bench: no verdict';
    case 'setup-failed':
      return 'setup failed: nothing explored';
    case 'unexpected-violation':
      return `unexpected violation: ${laws || firstLaw(setting)}`;
    case 'missing-violation':
      return laws === '' ? 'expected violation missing' : `expected violation missing, broke: ${laws}`;
    case 'count-differs':
      return 'other counts than expected';
    case 'interrupted':
      return laws === '' ? 'interrupted, clean so far' : `interrupted, violation so far: ${laws}`;
    case 'as-expected':
      if (laws !== '') return `violation, as expected: ${laws}`;
      if (setting.stages.some((stage) => stage.notFollowed !== null)) return 'clean, but the schedule was not followed';
      return setting.stages.every((stage) => stage.isComplete) ? 'clean' : 'clean as far as explored';
  }
}

function firstLaw(setting: SettingReport): string {
  return setting.failure?.violations[0]?.law ?? 'see below';
}

/** `errors, data`, in alphabetical order; empty when no law broke. */
export function brokenLaws(setting: SettingReport): string {
  const laws = new Set(setting.stages.flatMap((stage) => Object.keys(stage.laws)));
  return [...laws].sort().join(', ');
}

/** `exhaustive 15, 2 broke`: what a stage explored. */
export function showStage(stage: StageReport): string {
  const parts = [`${stage.name} ${showCount(stage.explored)}`];
  if (stage.pruned > 0) parts.push(`+ ${showCount(stage.pruned)} pruned`);
  if (!stage.isComplete) parts.push('(not all)');
  if (stage.notFollowed !== null) parts.push('(not followed)');
  const text = parts.join(' ');
  return stage.violating === 0 ? text : `${text}, ${showCount(stage.violating)} broke`;
}

/** `12,345`; the same on every machine. */
export function showCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `87 ms`, `1.24 s`, `2 min 5 s`. */
export function showDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(2)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
