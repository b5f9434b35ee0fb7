import { showFailure, showOrigin } from './failure-text.ts';
import type { JudgeReport, RunReport, SettingReport, TextStyle } from './run-report.ts';
import { showTable } from './table.ts';
import { showCount, showDuration } from './wording.ts';

/** The others are told in a few lines; their diagrams are in the results folder. */
const FULL_FAILURES_MAX = 3;

/**
 * The whole report: table, then what went wrong in full (expected violations by their first line only, unless nothing
 * went wrong and there is just one setting), then who judged. Ends with a newline.
 */
export function showSummary(report: RunReport, style: TextStyle): string {
  const blocks = [showTable(report.settings, style)];
  const isAlone = report.settings.length === 1;
  let shown = 0;
  for (const setting of report.settings) {
    if (!isBad(setting) && !isAlone) continue;
    shown += 1;
    const text = showFailure(setting, style, { isBrief: shown > FULL_FAILURES_MAX });
    if (text !== '') blocks.push(text);
  }
  const found = report.settings.flatMap(foundLine);
  if (found.length > 0 && report.settings.length > 1) blocks.push(['As expected:', ...found].join('\n'));
  blocks.push(closingLines(report).join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

/** Only what is not as expected; empty when everything is. */
export function showBad(report: RunReport, style: TextStyle): string {
  const texts = report.settings.filter(isBad).map((setting) => `${showFailure(setting, style, { isBrief: false })}\n`);
  return texts.join('\n');
}

function isBad({ ending }: SettingReport): boolean {
  return ending !== 'as-expected' && ending !== 'interrupted';
}

function foundLine(setting: SettingReport): string[] {
  const { failure } = setting;
  const violation = failure?.violations[0];
  if (isBad(setting) || failure === null || violation === undefined) return [];
  return [
    `  ${setting.workload} [${setting.switches.label}]: ${violation.law}: ${violation.message}`,
    `    first shown by ${showOrigin(setting, failure)}`,
  ];
}

function closingLines(report: RunReport): string[] {
  const lines: string[] = [];
  const idle = report.settings.flatMap((setting) =>
    setting.stages.flatMap((stage) =>
      stage.idleRules.map(
        (rule) =>
          `rule "${rule}" of ${setting.workload} never fired in stage ${stage.name} [${setting.switches.label}]`,
      ),
    ),
  );
  const strayed = report.settings.flatMap((setting) =>
    setting.stages.flatMap(({ name, notFollowed }) =>
      notFollowed === null ? [] : [`stage ${name} of ${setting.workload} [${setting.switches.label}]: ${notFollowed}`],
    ),
  );
  lines.push(...idle, ...strayed, ...report.judges.map(showJudge), ...report.notJudged);
  const bad = report.settings.filter(isBad).length;
  const executions = report.settings.reduce(
    (sum, setting) => sum + setting.stages.reduce((explored, stage) => explored + stage.explored, 0),
    0,
  );
  const settings = `${report.settings.length} ${report.settings.length === 1 ? 'setting' : 'settings'}`;
  const verdict = bad === 0 ? `${settings}, all as expected` : `${bad} of ${settings} not as expected`;
  const interrupted = report.settings.some((setting) => setting.ending === 'interrupted') ? ' (interrupted)' : '';
  lines.push(`${verdict}${interrupted}: ${showCount(executions)} executions in ${showDuration(report.milliseconds)}`);
  if (report.results !== null) lines.push(`everything about it: ${report.results}`);
  return lines;
}

function showJudge(judge: JudgeReport): string {
  const images = judge.judged === 1 ? 'image' : 'images';
  const clean = judge.refused === 0 ? 'all clean' : `${judge.refused} refused`;
  return `${judge.name}: ${showCount(judge.judged)} ${images} of ${showCount(judge.available)} judged, ${clean}`;
}
