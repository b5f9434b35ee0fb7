import { btrfsCheck } from '../../oracle/judges/btrfs-check.ts';
import type { BenchResult } from '../differential/bench.ts';

/** `btrfs check` of what the engine left, where the sequence itself went well. */
export async function judgeSequence(result: BenchResult): Promise<BenchResult> {
  const { image } = result;
  if (image === null || result.difference !== null) return result;
  const report = await btrfsCheck([image]);
  if (report.verdict !== 'faulty') return result;
  const step = result.operations.length;
  const difference = { step, what: "btrfs check of the engine's image", engine: report.output, linux: 'clean' };
  return { ...result, difference };
}
