import { type FuzzBase, fuzzBases } from './bases.ts';
import { type DamagedImage, damagedImage } from './damage.ts';
import { READERS } from './readers.ts';

/** Something other than a clear error. */
export interface Finding {
  readonly seed: number;
  readonly number: number;
  readonly reader: string;
  readonly story: string;
  readonly error: string;
}

export interface FuzzResult {
  readonly cases: number;
  /** How often each reader ended in which way: `oracle faults`, `engine refused` … */
  readonly endings: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** Runs cases [from, to) in steps of `step`, 1 by default. */
export function runCases(
  seed: number,
  cases: { readonly from: number; readonly to: number; readonly step?: number },
  bases: readonly FuzzBase[] = fuzzBases(),
): FuzzResult {
  const endings: Record<string, number> = {};
  const findings: Finding[] = [];
  let count = 0;
  for (let number = cases.from; number < cases.to; number += cases.step ?? 1) {
    count++;
    const damaged = damagedImage(bases, seed, number);
    for (const reader of readersOf(number)) {
      const { ending, finding } = readOne(damaged, reader, seed, number);
      endings[ending] = (endings[ending] ?? 0) + 1;
      if (finding !== null) findings.push(finding);
    }
  }
  return { cases: count, endings, findings };
}

/** Every fourth image goes to all readers, the others to one or the other of the two that read most. */
function readersOf(number: number): readonly string[] {
  if (number % 4 === 0) return Object.keys(READERS);
  return [number % 4 === 2 ? 'oracle' : 'engine'];
}

function readOne(
  { image, story }: DamagedImage,
  reader: string,
  seed: number,
  number: number,
): { readonly ending: string; readonly finding: Finding | null } {
  try {
    return { ending: `${reader}: ${READERS[reader]!(image, number)}`, finding: null };
  } catch (error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}\n${firstPlaces(error)}` : String(error);
    return { ending: `${reader}: FINDING`, finding: { seed, number, reader, story, error: text } };
  }
}

function firstPlaces(error: Error): string {
  const places = (error.stack ?? '').split('\n').filter((line) => line.trim().startsWith('at '));
  return places.slice(0, 6).join('\n');
}
