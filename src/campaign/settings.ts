import { FixSet } from '../fs/fixes.ts';
import { type Expectation, type ExploreStage, isRandomised, type Workload } from '../workload/model.ts';
import { type FixSelection, isSameSetting, selectFixes, switchesOf } from './fix-selection.ts';
import type { Switches } from './verdict.ts';

/** What the command line may change about a workload. Null leaves it as written. */
export interface Overrides {
  readonly fixes: FixSelection | null;
  /** Of all stages that draw. */
  readonly seed: string | null;
  /** Of all stages that draw. */
  readonly runs: number | null;
}

export const NO_OVERRIDES: Overrides = { fixes: null, seed: null, runs: null };

/** One setting of the switches, what to run under it and what must come out. */
export interface SettingPlan {
  readonly switches: Switches;
  readonly fixes: FixSet;
  /** In the workload's order; never empty. */
  readonly stages: readonly ExploreStage[];
  /** Empty when the workload says nothing about this setting: then every violation is reported as unexpected. */
  readonly expectations: readonly Expectation[];
}

/**
 * One plan for each setting that the workload has expectations about, in their order; or one for the setting that the
 * overrides name, with the expectations that the workload has about exactly that setting, if any. Throws
 * `SelectionError`.
 */
export function planSettings(workload: Workload, overrides: Overrides = NO_OVERRIDES): SettingPlan[] {
  const stated = groupBySetting(workload, overrides);
  if (overrides.fixes === null) return stated;
  const fixes = selectFixes(overrides.fixes, workload.fixes.enabled);
  const switches = switchesOf(fixes.ids(), overrides.fixes.kernel);
  const same = stated.find((plan) => isSameSetting(plan.switches, switches));
  if (same !== undefined) return [{ ...same, switches, fixes }];
  return [{ switches, fixes, stages: stagesOf(workload, overrides), expectations: [] }];
}

function groupBySetting(workload: Workload, overrides: Overrides): SettingPlan[] {
  const groups: { switches: Switches; expectations: Expectation[] }[] = [];
  for (const expectation of workload.expect) {
    const switches = switchesOf(expectation.fixes.enabled, expectation.fixes.kernel);
    const known = groups.find(
      (group) => isSameSetting(group.switches, switches) && group.switches.kernel === switches.kernel,
    );
    if (known === undefined) groups.push({ switches, expectations: [expectation] });
    else known.expectations.push(expectation);
  }
  return groups.map(({ switches, expectations }) => ({
    switches,
    fixes: new FixSet(switches.on, switches.kernel),
    stages: stagesOf(workload, overrides).filter((stage) =>
      expectations.some((expectation) => expectation.stages.includes(stage.name)),
    ),
    expectations,
  }));
}

function stagesOf(workload: Workload, overrides: Overrides): ExploreStage[] {
  return workload.explore.map((stage) => {
    if (!isRandomised(stage)) return stage;
    return { ...stage, seed: overrides.seed ?? stage.seed, runs: overrides.runs ?? stage.runs };
  });
}
