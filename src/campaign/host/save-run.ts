import { scheduleOf } from '../schedule-document.ts';
import type { SettingResult } from '../verdict.ts';
import { fsquakeVersion } from './package-root.ts';
import type { PendingRun } from './results-store.ts';

/** Where each setting that has something to show lies, by its place in `results`; null for the others. */
export function failureFolders(results: readonly SettingResult[]): (string | null)[] {
  const used = new Map<string, number>();
  return results.map((result) => {
    if (result.failure === null && result.fault === null) return null;
    const copy = (used.get(result.workload) ?? 0) + 1;
    used.set(result.workload, copy);
    return `${result.workload}.${copy}`;
  });
}

/** Writes what a setting's violation or fault needs: record, schedule, images and the text for people. */
export async function saveFailure(
  run: PendingRun,
  folder: string,
  result: SettingResult,
  texts: { readonly workload: string; readonly failure: string },
): Promise<void> {
  await run.writeText(`${folder}/failure.txt`, `${texts.failure}\n`);
  const { failure, fault } = result;
  if (fault !== null) await run.writeJson(`${folder}/fault.json`, fault);
  if (failure === null) return;
  const { before, after, tape, ...record } = failure.record;
  await run.writeJson(`${folder}/record.json`, {
    workload: result.workload,
    fixes: result.switches,
    violations: failure.violations,
    ...record,
  });
  await run.writeJson(
    `${folder}/schedule.json`,
    scheduleOf(failure, {
      version: fsquakeVersion(),
      name: result.workload,
      text: texts.workload,
      switches: result.switches,
    }),
  );
  const images = [
    ...before.map((image, device) => ({ name: `before-${device}`, image })),
    ...after.map((image, device) => ({ name: `after-${device}`, image })),
  ];
  await Promise.all(images.map(({ name, image }) => run.writeImage(`${folder}/${name}.img.gz`, image)));
}
