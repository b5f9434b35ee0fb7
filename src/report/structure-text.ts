import pc from 'picocolors';
import type { StructureReport } from '../oracle/structure/fault-report.ts';
import type { TextStyle } from './run-report.ts';
import { showCount } from './wording.ts';

/** What the structure oracle says about one file system, for people. Ends with a newline. */
export function showStructure(files: readonly string[], report: StructureReport, style: TextStyle): string {
  const colors = pc.createColors(style.color);
  const { counts } = report;
  const lines = [`${colors.bold(files.join(' + '))}: ${showVerdict(report)}`];
  for (const error of report.errors) lines.push(`  ${colors.red(error.message)}`);
  for (const warning of report.warnings) lines.push(`  ${colors.yellow(warning.message)}`);
  if (report.suppressed > 0) lines.push(`  ... and ${showCount(report.suppressed)} more`);
  if (report.unsupported.length > 0) lines.push(`  cannot be judged: ${report.unsupported.join(', ')}`);
  for (const reason of report.notChecked) lines.push(`  not checked: ${reason}`);
  lines.push(
    `  generation ${report.generation}: ${showCount(counts.trees)} trees, ${showCount(counts.blocks)} blocks, ` +
      `${showCount(counts.items)} items, ${showCount(counts.inodes)} inodes, ` +
      `${showCount(counts.dataExtents)} data extents, ${showCount(counts.checksummedBytes)} bytes with checksums`,
  );
  return `${lines.join('\n')}\n`;
}

function showVerdict(report: StructureReport): string {
  const errors = report.errors.length + report.suppressed;
  if (errors > 0) return errors === 1 ? '1 error' : `${showCount(errors)} errors`;
  if (report.unsupported.length > 0) return 'not judged';
  return report.notChecked.length > 0 ? 'no errors where it was checked' : 'clean';
}
