import type { FaultAction, FaultMatch, FaultRule } from '../inject/fault-rule.ts';
import type { FaultEffect, FaultRule as WorkloadRule } from '../workload/model.ts';

/** The world's rules for a workload's. */
export function rulesOf(rules: readonly WorkloadRule[], tasks: readonly string[]): FaultRule[] {
  return rules.map((rule) => ({ name: rule.name, when: matchOf(rule, tasks), then: actionOf(rule.then) }));
}

function matchOf({ when }: WorkloadRule, tasks: readonly string[]): FaultMatch {
  return {
    ...(when.task === null ? {} : { task: tasks.includes(when.task) ? when.task : `${when.task}*` }),
    ...(when.operations === null ? {} : { operation: when.operations }),
    ...(when.device === null ? {} : { device: when.device }),
    ...(when.physical === null ? {} : { physical: when.physical }),
    ...(when.logical === null ? {} : { logical: when.logical }),
    ...(when.purpose === null ? {} : { purpose: when.purpose }),
    ...(when.tree === null ? {} : { tree: when.tree }),
    ...(when.lock === null ? {} : { lock: when.lock }),
    ...(when.point === null ? {} : { point: when.point }),
    ...(when.site === null ? {} : { site: when.site }),
    ...(when.probability === null ? {} : { probability: when.probability }),
    ...occurrenceOf(when.occurrence),
  };
}

function occurrenceOf(occurrence: WorkloadRule['when']['occurrence']): Pick<FaultMatch, 'occurrence'> {
  if (occurrence === null) return {};
  if (occurrence.kind === 'nth') return { occurrence: occurrence.nth };
  if (occurrence.kind === 'every') return { occurrence: { every: occurrence.every } };
  const { from, to } = occurrence;
  return { occurrence: to === null ? { from } : { from, to } };
}

function actionOf(effect: FaultEffect): FaultAction {
  switch (effect.kind) {
    case 'delay':
      return { kind: 'delay', for: effect.duration };
    case 'delay-until':
      return { kind: 'delay', until: { task: effect.task, passes: effect.point } };
    case 'delay-events':
      return { kind: 'delay', events: effect.events };
    case 'fail':
      return { kind: 'fail', errno: effect.errno };
    case 'reorder-hold':
      return { kind: 'reorder', hold: effect.hold };
    case 'reorder-last-first':
      return { kind: 'reorder', order: 'last-first' };
    case 'reorder-shuffle':
      return { kind: 'reorder', order: 'shuffle' };
  }
}
