import pc from 'picocolors';
import type { Violation } from '../oracle/law.ts';
import { drawRace } from './race-diagram.ts';
import type { FailureReport, SettingReport, TextStyle } from './run-report.ts';
import { showDuration, showVerdict } from './wording.ts';

const VIOLATIONS_SHOWN_MAX = 6;

/**
 * What broke, and by which interleaving: laws, expected, observed, the diagram. Empty for a setting without violation
 * or fault. `isBrief` leaves the diagram out. Ends without a newline.
 */
export function showFailure(setting: SettingReport, style: TextStyle, options: { readonly isBrief: boolean }): string {
  const colors = pc.createColors(style.color);
  const lines: string[] = [];
  const { failure, fault } = setting;
  if (failure === null && fault === null && setting.reasons.length === 0) return '';
  lines.push(colors.bold(`${setting.workload} [${setting.switches.label}]: ${showVerdict(setting)}`));
  for (const reason of setting.reasons) lines.push(`  ${colors.red(reason)}`);
  if (fault !== null) {
    lines.push('  fsquake itself failed; this says nothing about the engine under test:');
    lines.push(...indent(fault.stack === '' ? fault.message : fault.stack, 4));
  }
  if (failure !== null) {
    lines.push(`  first shown by ${showOrigin(setting, failure)}`);
    for (const violation of failure.violations.slice(0, VIOLATIONS_SHOWN_MAX)) lines.push(...showViolation(violation));
    const more = failure.violations.length - VIOLATIONS_SHOWN_MAX;
    if (more > 0) lines.push(`  ... ${more} more in verdict.json`);
    if (options.isBrief) return lines.join('\n');
    lines.push('');
    const evidence = failure.violations.flatMap((violation) => violation.evidence);
    lines.push(...indent(drawRace(failure.record, evidence, { ...style, width: style.width - 2 }), 2));
  }
  return lines.join('\n');

  function showViolation(violation: Violation): string[] {
    return [
      `  ${colors.red(violation.law)}: ${violation.message}`,
      `    expected: ${violation.expected}`,
      `    observed: ${violation.observed}`,
    ];
  }
}

/** `execution 12 of stage random (seed 1), after 31 ms`. */
export function showOrigin(setting: SettingReport, failure: FailureReport): string {
  const seed = failure.seed === null ? '' : ` (seed ${failure.seed})`;
  const after = setting.violationAfter === null ? '' : `, after ${showDuration(setting.violationAfter)}`;
  return `execution ${failure.execution} of stage ${failure.stage}${seed}${after}`;
}

function indent(text: string, by: number): string[] {
  return text.split('\n').map((line) => (line === '' ? '' : ' '.repeat(by) + line));
}
