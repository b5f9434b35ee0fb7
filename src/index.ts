/**
 * fsquake as a library: everything that the command line does.
 *
 * ```ts
 * import { parseWorkload, runCampaign, VOCABULARY } from 'fsquake';
 *
 * const { workload, problems } = parseWorkload(text, { file: 'mine.yaml', vocabulary: VOCABULARY });
 * if (workload === undefined) throw new Error(problems.map((problem) => problem.message).join('\n'));
 * const { results } = await runCampaign([workload]);
 * for (const { result } of results) console.log(result.switches.label, result.ending, result.failure?.violations);
 * ```
 *
 * For single executions under a strategy of your own see `Bench`; for the verdict about one image `checkImage`.
 */

export { Bench, type Execution, type ExecutionOptions, SetupFailed } from './campaign/bench.ts';
export { SettingExploration } from './campaign/explore.ts';
export { type FixSelection, parseFixSelection, SelectionError } from './campaign/fix-selection.ts';
export { loadZstd } from './campaign/host/load-zstd.ts';
export { type CampaignOptions, type CampaignOutcome, runCampaign } from './campaign/host/run-campaign.ts';
export { findWorkloads } from './campaign/host/workload-files.ts';
export { REGISTRIES, VOCABULARY } from './campaign/registry.ts';
export { type ReplayOutcome, replaySchedule } from './campaign/replay.ts';
export { parseScheduleDocument, type ScheduleDocument } from './campaign/schedule-document.ts';
export { type Overrides, planSettings, type SettingPlan } from './campaign/settings.ts';
export type { Ending, Failure, SettingResult, StageResult, Switches } from './campaign/verdict.ts';
export { allFixes, FIXES, type Fix, FixSet, fixesOfKernel, resolveFix } from './fs/fixes.ts';
export { type DiskWrite, type MakeFilesystemOptions, makeFilesystem } from './fs/mkfs.ts';
export type { FaultRule } from './inject/fault-rule.ts';
export { SimulatedWorld } from './inject/simulated-world.ts';
export { exhaustive } from './inject/strategies/exhaustive.ts';
export { ReplayStrategy } from './inject/strategies/replay.ts';
export { script } from './inject/strategies/script.ts';
export { seededRandom } from './inject/strategies/seeded-random.ts';
export type { Choice, Strategy, WorldView } from './inject/strategy.ts';
export { btrfsCheck } from './oracle/judges/btrfs-check.ts';
export { kernelMount } from './oracle/judges/kernel-mount.ts';
export type { Law, LawContext, LawSession, Violation } from './oracle/law.ts';
export { LAWS, OPEN_CONTENTS } from './oracle/laws.ts';
export { checkImage } from './oracle/structure/check-image.ts';
export type { StructureFault, StructureReport } from './oracle/structure/fault-report.ts';
export { BlockTable } from './record/block-table.ts';
export type { DiskImage } from './record/image.ts';
export type { LockReport, OperationRecord, RuleReport, RunEvent, RunRecord } from './record/run-record.ts';
export { formatProblems } from './workload/format-problems.ts';
export type { Workload } from './workload/model.ts';
export { type ParseContext, type ParseResult, parseWorkload } from './workload/parse.ts';
export type { Problem, ProblemCode } from './workload/problem.ts';
export type { Vocabulary } from './workload/vocabulary.ts';
