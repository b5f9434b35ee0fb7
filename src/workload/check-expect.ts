import type { z } from 'zod';
import type { Stages } from './check-explore.ts';
import { checkFixes } from './check-fixes.ts';
import type { Checker, Part } from './checker.ts';
import type { Located } from './located.ts';
import type { Expectation, FixSetting } from './model.ts';
import { checkName, itemPath, listOf } from './names.ts';
import { EXPECTATION } from './schema.ts';
import type { Vocabulary } from './vocabulary.ts';

interface ExpectContext {
  readonly vocabulary: Vocabulary;
  /** Null when it is in doubt. */
  readonly base: FixSetting | null;
  readonly stages: Stages;
}

type ExpectationForm = z.output<typeof EXPECTATION>;

/** What a file without `expect` says: the base setting is clean in every stage. */
export function defaultExpectation(base: FixSetting, stages: Stages): Expectation {
  return {
    fixes: base,
    verdict: 'clean',
    laws: [],
    errno: null,
    message: null,
    stages: stages.stages.map((stage) => stage.name),
    counts: null,
    at: { line: 1, column: 1 },
  };
}

export function checkExpect(checker: Checker, node: Located, context: ExpectContext): readonly Expectation[] {
  const items = node.kind === 'list' ? node.items : [node];
  if (node.kind === 'list' && items.length === 0) {
    checker.report(
      'value',
      'the list is empty',
      { start: node.start, end: node.end },
      'remove "expect", or say a verdict',
    );
  }
  const entries = items.flatMap((item, index) => {
    const expectation = readExpectation(checker, item, { ...context, index });
    return expectation === null ? [] : [{ expectation, node: item }];
  });
  checkOverlaps(checker, entries);
  return entries.map((entry) => entry.expectation);
}

function readExpectation(
  checker: Checker,
  node: Located,
  context: ExpectContext & { readonly index: number },
): Expectation | null {
  const part = checker.read(EXPECTATION, node, 'an expectation');
  // The fixes can be judged although something else is wrong.
  const fixes = checkFixes(checker, node.entries.get('fixes')?.node ?? null, {
    base: context.base ?? { kernel: null, on: [], off: [], enabled: [] },
    fixes: context.vocabulary.fixes,
  });
  if (part === null) return null;
  const { data } = part;
  const laws = listOf<string>(data.law);
  for (const [index, law] of laws.entries()) {
    checkName(checker, law, { kind: 'law', known: context.vocabulary.laws, node, path: itemPath(node, 'law', index) });
  }
  if (data.verdict === 'clean') checkCleanHasNoEvidence(checker, node, data);
  const stages = stagesOf(checker, part, context.stages);
  const counts = countsOf(checker, part, stages, context.stages);
  if (fixes === null || context.base === null || stages === null) return null;
  return {
    fixes,
    verdict: data.verdict,
    laws,
    errno: data.errno ?? null,
    message: data.message ?? null,
    stages,
    counts,
    at: checker.source.positionOf(node.start),
  };
}

function checkCleanHasNoEvidence(checker: Checker, node: Located, data: ExpectationForm): void {
  for (const key of ['law', 'errno', 'message'] as const) {
    if (data[key] === undefined) continue;
    checker.reportKey(
      node,
      key,
      'contradiction',
      `a clean verdict has no ${key}`,
      'remove it, or say verdict: violation',
    );
  }
  if ((data.counts?.violating ?? 0) > 0) {
    checker.reportAt(
      node,
      ['counts', 'violating'],
      'contradiction',
      'a clean verdict has no violating executions',
      'say 0, or verdict: violation',
    );
  }
}

function stagesOf(checker: Checker, part: Part<ExpectationForm>, known: Stages): readonly string[] | null {
  const names = known.stages.map((stage) => stage.name);
  if (part.data.stages === undefined) return known.isComplete ? names : null;
  const stages = listOf<string>(part.data.stages);
  if (!known.isComplete) return null;
  let isSound = true;
  for (const [index, name] of stages.entries()) {
    const path = itemPath(part.node, 'stages', index);
    if (!checkName(checker, name, { kind: 'stage', known: names, node: part.node, path })) isSound = false;
    else if (stages.indexOf(name) !== index)
      checker.reportAt(part.node, path, 'contradiction', `${name} is already in this list`, 'remove it');
  }
  return isSound ? stages : null;
}

function countsOf(
  checker: Checker,
  part: Part<ExpectationForm>,
  stages: readonly string[] | null,
  known: Stages,
): Expectation['counts'] {
  const form = part.data.counts;
  if (form === undefined) return null;
  const { explored = null, violating = null } = form;
  if (explored !== null && violating !== null && violating > explored) {
    checker.reportAt(
      part.node,
      ['counts', 'violating'],
      'expectation',
      `${violating} of ${explored} executions cannot break a law`,
    );
  }
  if (part.data.verdict === 'violation' && violating === 0) {
    checker.reportAt(
      part.node,
      ['counts', 'violating'],
      'contradiction',
      'a violation needs at least one violating execution',
      'say verdict: clean',
    );
  }
  const other = known.stages.find((stage) => stages?.includes(stage.name) === true && stage.strategy !== 'exhaustive');
  if (stages !== null && other !== undefined) {
    const message = `only exhaustive stages are counted, "${other.name}" is ${other.strategy}`;
    checker.reportKey(part.node, 'counts', 'expectation', message, 'name the exhaustive ones in "stages"');
  }
  const bounded = known.stages.find(
    (stage) =>
      stages?.includes(stage.name) === true &&
      stage.strategy === 'exhaustive' &&
      explored !== null &&
      explored > stage.bound,
  );
  if (bounded?.strategy === 'exhaustive') {
    checker.reportAt(
      part.node,
      ['counts', 'explored'],
      'expectation',
      `"${bounded.name}" stops after ${bounded.bound} executions`,
      'raise its "bound"',
    );
  }
  return { explored, violating };
}

/** Two entries about the same switches and the same stage must not disagree. */
function checkOverlaps(
  checker: Checker,
  entries: readonly { readonly expectation: Expectation; readonly node: Located }[],
): void {
  const verdicts = new Map<string, Expectation>();
  for (const { expectation, node } of entries) {
    for (const stage of expectation.stages) {
      const { kernel, enabled } = expectation.fixes;
      const id = JSON.stringify([kernel, enabled, stage]);
      const first = verdicts.get(id);
      if (first === undefined) {
        verdicts.set(id, expectation);
      } else if (first.verdict !== expectation.verdict) {
        const message = `line ${first.at.line} expects ${first.verdict} of the same switches in stage "${stage}"`;
        checker.reportAt(node, ['verdict'], 'contradiction', message, 'change "fixes" or "stages" of one');
        break;
      }
    }
  }
}
