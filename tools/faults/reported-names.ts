import type { StructureReport } from '../../src/oracle/structure/fault-report.ts';

/** What a report calls the faults, each once, the errors first; warnings end with a question mark. */
export function reportedNames(report: StructureReport): string[] {
  const names = report.errors.map(({ fault }) => fault);
  for (const feature of report.unsupported) names.push(`unsupported ${feature}`);
  for (const { fault } of report.warnings) names.push(`${fault}?`);
  return [...new Set(names)];
}
