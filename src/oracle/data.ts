import { sameBytes } from '../base/bytes.ts';
import type { ByteCount } from '../base/units.ts';
import type { RunRecord } from '../record/run-record.ts';
import { commonParts, complementWhere, withoutRanges } from './data/damage.ts';
import { type Background, describeLength, describeUnexplained, SETUP_TASK } from './data/describe.ts';
import { findUnexplained, type Sighting, type Unexplained } from './data/explain.ts';
import { compareNames } from './data/final-names.ts';
import { type Change, type Damage, damagesBefore, type FileHistory, fileHistories } from './data/history.ts';
import { type Placement, placementsOf } from './data/sizes.ts';
import { type Call, callsOf, numberArgument, precedes } from './history/calls.ts';
import { type Faults, faultsOf } from './history/faults.ts';
import { type Identity, Namespace, showIdentity } from './history/namespace.ts';
import { aliasesIn, namesIn } from './history/start.ts';
import type { ImageContents, OpenContents } from './image-contents.ts';
import type { Law, Violation } from './law.ts';

/**
 * Every read, and what is on disk after a clean unmount, is explained sector by sector by some order of the writes and
 * truncates that respects real time. `open` reads the images.
 */
export function dataLaw(open: OpenContents): Law {
  return {
    name: 'data',
    title: 'reads and the disk hold what some legal order of the overlapping writes explains, sector by sector',
    begin: (context) => ({ judge: (record) => new DataJudge(record, open, context.sectorSize).judge() }),
  };
}

/** What one file's history says under one legal ending of the run. */
interface FileVerdict {
  readonly reads: ReadonlyMap<Call, readonly Violation[]>;
  readonly final: readonly Violation[];
}

type Ending = ReadonlyMap<string, Identity>;

class DataJudge {
  private readonly sectorSize: ByteCount;
  private readonly calls: readonly Call[];
  private readonly namespace: Namespace;
  private readonly faults: Faults;
  private readonly before: ImageContents | null;
  /** Null when there is nothing to judge: no clean unmount, or no image that can be walked. */
  private readonly after: ImageContents | null;
  private readonly histories: readonly FileHistory[];
  private readonly tasks: readonly string[];
  private readonly someReadsMayFail: () => boolean;

  constructor(record: RunRecord, open: OpenContents, sectorSize: ByteCount) {
    this.sectorSize = sectorSize;
    this.calls = callsOf(record);
    this.namespace = new Namespace(this.calls, namesIn(record, open), record.aborted !== null, aliasesIn(record, open));
    this.faults = faultsOf(record);
    this.someReadsMayFail = () => record.after.some((_, device) => this.faults.readsMayFail(device));
    this.before = open(record.before);
    this.after = record.unmounted && record.aborted === null ? open(record.after) : null;
    this.histories = fileHistories(record, this.calls, this.namespace, this.before, this.faults);
    this.tasks = [...new Set(record.operations.map((operation) => operation.task)), SETUP_TASK];
  }

  judge(): Violation[] {
    const endings = this.after === null ? null : this.namespace.endings();
    if (endings === null || endings.length === 0) return this.judgeEnding(null);
    let best: Violation[] | null = null;
    for (const ending of endings) {
      const violations = this.judgeEnding(ending);
      if (violations.length === 0) return violations;
      if (best === null || violations.length < best.length) best = violations;
    }
    return best!;
  }

  private judgeEnding(ending: Ending | null): Violation[] {
    const paths = new Map<Identity, string>();
    if (ending !== null) for (const [path, identity] of ending) paths.set(identity, path);

    const verdicts = this.histories.map((history) => this.judgeFile(history, paths.get(history.identity) ?? null));
    const violations: Violation[] = [];
    for (const call of this.calls) {
      if (call.kind !== 'read') continue;
      const opinions = verdicts.flatMap((verdict) => (verdict.reads.has(call) ? [verdict.reads.get(call)!] : []));
      // When it cannot be told which file was read, one that explains it is enough.
      if (opinions.every((opinion) => opinion.length > 0)) violations.push(...(opinions[0] ?? []));
    }
    for (const verdict of verdicts) violations.push(...verdict.final);
    if (ending !== null && this.after !== null) {
      violations.push(...compareNames(ending, this.after), ...this.judgeUntouched(ending, this.after));
    }
    return violations;
  }

  private judgeFile(history: FileHistory, finalPath: string | null): FileVerdict {
    const placements = placementsOf(history);
    let best: { verdict: FileVerdict; count: number } | null = null;
    for (const placement of placements ?? []) {
      const verdict = this.judgePlacement(history, placement, finalPath);
      let count = verdict.final.length;
      for (const found of verdict.reads.values()) count += found.length;
      if (count === 0) return verdict;
      if (best === null || count < best.count) best = { verdict, count };
    }
    return best?.verdict ?? { reads: new Map(history.reads.map((call) => [call, []])), final: [] };
  }

  private judgePlacement(history: FileHistory, placement: Placement, finalPath: string | null): FileVerdict {
    const reads = new Map<Call, Violation[]>();
    for (const call of history.reads) reads.set(call, this.judgeRead(call, history, placement));
    return { reads, final: finalPath === null ? [] : this.judgeFinal(history, placement, finalPath) };
  }

  private judgeRead(call: Call, history: FileHistory, placement: Placement): Violation[] {
    const result = call.record.result;
    if (result === null || result.error !== null || !(result.value instanceof Uint8Array)) return [];
    const bytes = result.value;
    const offset = numberArgument(call, 'offset') ?? 0;
    const path = call.path ?? showIdentity(history.identity);
    const violations: Violation[] = [];

    const asked = numberArgument(call, 'length') ?? bytes.length;
    const sizes = placement.sizesFor(call);
    const legal = sizes === null ? null : legalLengths(sizes, offset, asked);
    if (bytes.length > asked) violations.push(describeLength(call, path, bytes.length, [asked], []));
    else if (legal !== null && !this.isLegalLength(bytes.length, legal, offset)) {
      violations.push(describeLength(call, path, bytes.length, legal, placement.changes));
    }
    violations.push(...this.judgeBytes({ reader: call, offset, bytes }, history, placement.changes, path));
    return violations;
  }

  private isLegalLength(length: ByteCount, legal: readonly ByteCount[], offset: number): boolean {
    if (legal.includes(length)) return true;
    // A read that went on while the size moved, or failed half way, may have stopped after any sector.
    const mayStop = legal.length > 1 || this.faults.mayHaveFailed;
    const least = this.faults.mayHaveFailed ? 0 : legal[0]!;
    return mayStop && length > least && length < legal.at(-1)! && (offset + length) % this.sectorSize === 0;
  }

  private judgeFinal(history: FileHistory, placement: Placement, path: string): Violation[] {
    const bytes = this.after?.readFile(path) ?? null;
    if (bytes === null) return [];
    const sizes = placement.sizesFor(null);
    const violations: Violation[] = [];
    if (sizes !== null && !sizes.has(bytes.length) && !this.mayBePartial(bytes.length, sizes)) {
      violations.push(describeLength(null, path, bytes.length, ascending(sizes), placement.changes));
    }
    violations.push(...this.judgeBytes({ reader: null, offset: 0, bytes }, history, placement.changes, path));
    return violations;
  }

  private mayBePartial(size: ByteCount, sizes: ReadonlySet<ByteCount>): boolean {
    const legal = ascending(sizes);
    return legal.length > 1 && size > legal[0]! && size < legal.at(-1)! && size % this.sectorSize === 0;
  }

  private judgeBytes(sighting: Sighting, history: FileHistory, changes: readonly Change[], path: string): Violation[] {
    const unexplained = findUnexplained(changes, history.initial, sighting, this.sectorSize);
    if (unexplained.length === 0) return [];
    const parts = this.withoutDamage(unexplained, sighting, history, changes, path);
    const { tasks, sectorSize } = this;
    const background: Background = { changes, initial: history.initial, path, tasks, sectorSize };
    return parts.map((part) => describeUnexplained(part, sighting, background));
  }

  /**
   * What a corrupt operation did shows on disk until somebody repairs it. A read sees it only where no checksum tells
   * it apart: everywhere else it gets another copy, or EIO.
   */
  private withoutDamage(
    parts: readonly Unexplained[],
    sighting: Sighting,
    history: FileHistory,
    changes: readonly Change[],
    path: string,
  ): readonly Unexplained[] {
    const { reader, offset, bytes } = sighting;
    if (this.mayBeLost(sighting, history)) return reader === null ? this.withoutLost(parts, path) : [];
    const damages = history.damages.filter(({ call }) => reader === null || call === null || !precedes(reader, call));
    if (damages.length === 0 || (reader !== null && !this.mayLackChecksums(history))) return parts;
    const known = withoutRanges(
      parts,
      damages.filter((damage) => this.mayBeReplaced(damage) || this.mayBeMixed(damage, changes)),
    );
    if (known.length === 0) return known;
    const damaged = complementWhere(bytes, offset, damages);
    const others = findUnexplained(changes, history.initial, { reader, offset, bytes: damaged }, this.sectorSize);
    // Either copy may have been looked at, sector by sector.
    return commonParts(known, others);
  }

  /** What cannot be read right is not copied to the target of a device replace, which has whatever was there. */
  private mayBeReplaced({ call }: Damage): boolean {
    return this.calls.some((other) => {
      if (other.kind !== 'replace') return false;
      // One in the background, or suspended by a remount, goes on when its call is over.
      const mayGoOn = other.record.args['background'] === true || this.calls.some(({ kind }) => kind === 'reconfigure');
      return call === null || mayGoOn || !precedes(other, call);
    });
  }

  /** A change of part of a sector reads the rest, damaged or not, and writes both. */
  private mayBeMixed({ call, start, end }: Damage, changes: readonly Change[]): boolean {
    return changes.some((change) => {
      if (call === null || precedes(change.call, call)) return false;
      const isInside = (at: number) =>
        at % this.sectorSize !== 0 && at > start - this.sectorSize && at < end + this.sectorSize;
      return change.isAppend || isInside(change.start) || isInside(change.end);
    });
  }

  /** Reads that were made to fail, and a device replace: what could not be read was not handed over. */
  private mayBeLost({ reader }: Sighting, history: FileHistory): boolean {
    const { faults, calls } = this;
    if (!faults.wasInjected || (reader !== null && !this.mayLackChecksums(history))) return false;
    return calls.some(({ kind }) => kind === 'replace') && this.someReadsMayFail();
  }

  /** On disk, checksums tell what was lost. */
  private withoutLost(parts: readonly Unexplained[], path: string): readonly Unexplained[] {
    const { after } = this;
    if (after === null || after.hasChecksums(path) !== true) return [];
    const ranges = after.damagedIn(path).map((range) => ({ call: null, ...range }));
    return withoutRanges(parts, ranges);
  }

  private mayLackChecksums({ identity }: FileHistory): boolean {
    if (identity.madeBy !== null) return identity.madeBy.record.args['nodatacow'] === true;
    const path = identity.initialPath;
    return path !== null && this.before?.hasChecksums(path) === false;
  }

  /** Files that no operation was about still hold what they held. */
  private judgeUntouched(ending: Ending, after: ImageContents): Violation[] {
    const touched = new Set(this.histories.map((history) => history.identity));
    const violations: Violation[] = [];
    for (const [path, identity] of ending) {
      if (identity.kind !== 'file' || touched.has(identity)) continue;
      const initial = identity.initialPath === null ? new Uint8Array(0) : this.before?.readFile(identity.initialPath);
      const bytes = after.readFile(path);
      if (initial === null || initial === undefined || bytes === null || sameBytes(initial, bytes)) continue;
      const damages = damagesBefore(identity, this.before);
      const history: FileHistory = { identity, initial, changes: [], reads: [], damages };
      if (initial.length !== bytes.length) {
        violations.push(describeLength(null, path, bytes.length, [initial.length], []));
      }
      violations.push(...this.judgeBytes({ reader: null, offset: 0, bytes }, history, [], path));
    }
    return violations;
  }
}

function legalLengths(sizes: ReadonlySet<ByteCount>, offset: number, asked: ByteCount): ByteCount[] {
  const lengths = new Set<ByteCount>();
  for (const size of sizes) lengths.add(Math.max(0, Math.min(asked, size - offset)));
  return ascending(lengths);
}

function ascending(numbers: ReadonlySet<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}
