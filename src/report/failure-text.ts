import pc from 'picocolors';
import type { Violation } from '../oracle/law.ts';
import { drawRace } from './race-diagram.ts';
import type { SettingReport, TextStyle } from './run-report.ts';
import { showVerdict } from './wording.ts';

const VIOLATIONS_SHOWN_MAX = 6;

/**
 * What broke, and by which interleaving: laws, expected, observed, the diagram. Empty for a setting without violation
 * or fault. Ends without a newline.
 */
export function showFailure(setting: SettingReport, style: TextStyle): string {
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
    const seed = failure.seed === null ? '' : `, seed ${failure.seed}`;
    lines.push(`  first shown by execution ${failure.execution} of stage ${failure.stage}${seed}`);
    for (const violation of failure.violations.slice(0, VIOLATIONS_SHOWN_MAX)) lines.push(...showViolation(violation));
    const more = failure.violations.length - VIOLATIONS_SHOWN_MAX;
    if (more > 0) lines.push(`  ... ${more} more in verdict.json`);
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

function indent(text: string, by: number): string[] {
  return text.split('\n').map((line) => (line === '' ? '' : ' '.repeat(by) + line));
}
