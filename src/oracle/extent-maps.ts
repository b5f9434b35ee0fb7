import type { FiemapExtent, RunRecord, Step } from '../record/run-record.ts';
import type { ExtentMapReturned, ExtentMapsChanged, ExtentMapView, Observation } from '../task/observation.ts';
import { compareWithDisk } from './extent-maps/against-disk.ts';
import { KeptMaps, type MapRange, showMap } from './extent-maps/kept-maps.ts';
import { shapeFault } from './extent-maps/shape.ts';
import type { ImageContents, ImageExtent, OpenContents } from './image-contents.ts';
import type { Law, LawContext, LawSession, Violation } from './law.ts';

/** Beyond this many, further violations of a run only repeat what is known. */
const VIOLATIONS_MAX = 32;
/** Inode numbers stay far below: one number names an inode of a tree. */
const TREE_UNIT = 2 ** 32;

/** Judges extent maps whenever they change or are handed out, and at the end against the disk. */
export function extentMapsLaw(open: OpenContents): Law {
  return {
    name: 'extent-maps',
    title: 'extent maps never overlap, are never empty or wrapped, cover what was asked and agree with the disk',
    begin: (context) => new ExtentMapSession(context, open),
  };
}

class ExtentMapSession implements LawSession {
  private readonly sectorSize: number;
  private readonly open: OpenContents;
  private readonly kept = new Map<number, KeptMaps>();
  private readonly violations: Violation[] = [];
  /** Of maps that claim one place on disk, by inode: wrong unless the file shares extents with itself. */
  private readonly clashes: { readonly kept: KeptMaps; readonly violation: Violation }[] = [];
  /** Faults told already, so that each is told at its first step only. */
  private readonly told = new Set<string>();

  constructor(context: LawContext, open: OpenContents) {
    this.sectorSize = context.sectorSize;
    this.open = open;
  }

  observe(observation: Observation, step: Step): void {
    if (observation.kind === 'extent-maps') this.observeMaps(observation, step);
    else if (observation.kind === 'extent-map-returned') this.observeReturned(observation, step);
    else if (observation.kind === 'inode-evicted') {
      const kept = this.kept.get(observation.tree * TREE_UNIT + observation.inode);
      if (kept !== undefined) kept.evicted = step;
    }
  }

  judge(record: RunRecord): Violation[] {
    const violations = [...this.violations, ...this.wrongClashes(record), ...judgeFiemaps(record)];
    if (!record.unmounted || record.aborted !== null || this.kept.size === 0) return violations;
    const lastEnd = Math.max(0, ...record.operations.map((operation) => operation.ended ?? Number.POSITIVE_INFINITY));
    let contents: ImageContents | null | undefined;
    for (const kept of [...this.kept.values()].sort((a, b) => a.tree - b.tree || a.inode - b.inode)) {
      // Evicted by the unmount, its maps were the last word; evicted before, others may have changed the file since.
      if (kept.evicted !== null && kept.evicted < lastEnd) continue;
      contents ??= this.open(record.after);
      if (contents === null) break;
      violations.push(...compareWithDisk(kept, contents));
    }
    return violations.slice(0, VIOLATIONS_MAX);
  }

  /** A range that was reflinked, copied or deduplicated within a file has its places on disk twice, and rightly so. */
  private wrongClashes(record: RunRecord): Violation[] {
    if (this.clashes.length === 0 || record.operations.some(({ operation }) => SHARING.has(operation))) return [];
    const before = this.open(record.before);
    const wrong = this.clashes.filter(({ kept }) => !sharesWithItself(before?.extentsOf(kept.tree, kept.inode) ?? []));
    return wrong.map(({ violation }) => violation);
  }

  private observeMaps(observation: ExtentMapsChanged, step: Step): void {
    const key = observation.tree * TREE_UNIT + observation.inode;
    let kept = this.kept.get(key);
    if (kept === undefined) {
      kept = new KeptMaps(observation.tree, observation.inode);
      this.kept.set(key, kept);
    }
    const maps = Array.isArray(observation.maps) ? observation.maps : [...observation.maps];
    const changed = kept.observe(maps, step);
    if (changed.from === maps.length && changed.to === maps.length) return;
    this.checkShapes(maps, changed, observation.inode, step);
    if (maps.length > 1) this.checkPlaces(kept, changed, observation.inode, step);
  }

  /** Of what changed, and where it meets what comes after it. */
  private checkShapes(maps: readonly ExtentMapView[], { from, to }: MapRange, inode: number, step: Step): void {
    const before = maps[from - 1];
    let end = before === undefined ? 0 : before.start + before.length;
    for (let i = from; i < maps.length && i <= to; i++) {
      const map = maps[i]!;
      const fault = shapeFault(map, this.sectorSize);
      if (fault !== null) this.tell(step, inode, `map ${showMap(map)} ${fault.fault}`, fault.expected, map);
      if (i > 0 && map.start < end) {
        const what = `map ${showMap(map)} overlaps the one before it, which ends at ${end}`;
        this.tell(step, inode, what, 'maps in file order, none over another', map);
      }
      end = map.start + map.length;
    }
  }

  /** Two maps of one inode never claim the same place on disk, unless it is shared: no write makes them so. */
  private checkPlaces(kept: KeptMaps, changed: MapRange, inode: number, step: Step): void {
    const clash = kept.firstSharedPlace(changed);
    if (clash === null) return;
    const [a, b] = clash;
    const what = `maps ${showMap(a)} and ${showMap(b)} claim the same place on disk`;
    const violation = this.violationOf(step, inode, what, 'each place on disk belongs to one offset of the file', a);
    if (violation !== null) this.clashes.push({ kept, violation });
  }

  private observeReturned({ inode, asked, map }: ExtentMapReturned, step: Step): void {
    const fault = shapeFault(map, this.sectorSize);
    if (fault !== null) {
      this.tell(
        step,
        inode,
        `the lookup of ${asked} returned map ${showMap(map)}, which ${fault.fault}`,
        fault.expected,
        map,
      );
    } else if (asked < map.start || asked >= map.start + map.length) {
      const what = `the lookup of ${asked} returned map ${showMap(map)}, which does not cover it`;
      this.tell(step, inode, what, `a map that covers ${asked}`, map);
    }
  }

  private tell(
    step: Step,
    inode: number,
    what: string,
    expected: string,
    map: ExtentMapView | { start: number },
  ): void {
    const violation = this.violationOf(step, inode, what, expected, map);
    if (violation !== null) this.violations.push(violation);
  }

  /** Null when it has been told, or too much has. */
  private violationOf(
    step: Step,
    inode: number,
    what: string,
    expected: string,
    map: ExtentMapView | { start: number },
  ): Violation | null {
    const message = `inode ${inode}: ${what}`;
    if (this.told.size >= VIOLATIONS_MAX || this.told.has(message)) return null;
    this.told.add(message);
    const generation = 'generation' in map ? `, generation ${map.generation}` : '';
    const observed = `${what}, first at step ${step}${generation}`;
    return { law: 'extent-maps', message, expected, observed, evidence: [step] };
  }
}

const SHARING = new Set(['reflink', 'copy', 'dedupe']);

function sharesWithItself(extents: readonly ImageExtent[]): boolean {
  const places = extents
    .filter(({ kind }) => kind === 'regular' || kind === 'prealloc')
    .map(({ diskStart, offset, length }) => ({ start: diskStart + offset, end: diskStart + offset + length }))
    .sort((a, b) => a.start - b.start);
  return places.some((place, index) => index > 0 && place.start < places[index - 1]!.end);
}

/** What fiemap reports is in file order, without overlaps and empty extents. */
function judgeFiemaps(record: RunRecord): Violation[] {
  const violations: Violation[] = [];
  for (const operation of record.operations) {
    if (operation.operation !== 'fiemap' || operation.result === null || operation.result.error !== null) continue;
    const { value } = operation.result;
    if (!Array.isArray(value)) continue;
    const fault = fiemapFault(value as readonly FiemapExtent[]);
    if (fault === null) continue;
    violations.push({
      law: 'extent-maps',
      message: `${operation.task}#${operation.index} fiemap: ${fault}`,
      expected: 'extents in file order, none empty, none over another',
      observed: (value as readonly FiemapExtent[])
        .map((extent) =>
          showMap({
            start: extent.logical,
            length: extent.length,
            blockStart: extent.physical,
            blockLength: extent.length,
          }),
        )
        .join(', '),
      evidence: operation.ended === null ? [operation.started] : [operation.started, operation.ended],
    });
  }
  return violations;
}

function fiemapFault(extents: readonly FiemapExtent[]): string | null {
  let end = 0;
  for (const extent of extents) {
    if (!(extent.length > 0)) return `the extent at ${extent.logical} has length ${extent.length}`;
    if (extent.logical < end) return `the extent at ${extent.logical} overlaps the one before it, which ends at ${end}`;
    end = extent.logical + extent.length;
  }
  return null;
}
