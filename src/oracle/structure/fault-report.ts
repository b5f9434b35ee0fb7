import { readU64 } from '../../base/bytes.ts';
import { showKey } from './layout.ts';

/** One thing wrong with an image. */
export interface StructureFault {
  /** Stable, kebab-case: `keys-out-of-order`, `backref-missing` … */
  readonly fault: string;
  readonly severity: 'error' | 'warning';
  /** One line: `corrupt leaf: tree=5 block=30408704 slot=3, keys out of order, have … expect …`. */
  readonly message: string;
  /** What kind of thing is corrupt: `leaf`, `node`, `superblock`, `extent`, `inode` … */
  readonly kind: string;
  /** Where it is, as the message names it: `{ tree: 5, block: 30408704, slot: 3 }`. */
  readonly place: FaultPlace;
}

export type FaultPlace = Readonly<Record<string, number | string>>;

/** All that an independent walk of an image found. */
export interface StructureReport {
  /** No errors; warnings are fields that neither Linux nor `btrfs check` minds. */
  readonly clean: boolean;
  readonly errors: readonly StructureFault[];
  readonly warnings: readonly StructureFault[];
  /** Faults beyond the limit: counted, not listed. */
  readonly suppressed: number;
  /** Features by flag name that this walk cannot judge; nothing behind them was looked at. */
  readonly unsupported: readonly string[];
  /** Checks that were left out and why, one line each: a dirty log tree, an unreadable tree … */
  readonly notChecked: readonly string[];
  readonly generation: number;
  readonly counts: StructureCounts;
}

export interface StructureCounts {
  trees: number;
  blocks: number;
  items: number;
  inodes: number;
  dataExtents: number;
  checksummedBytes: number;
}

const FAULTS_MAX = 1000;

/** A tree block as a complaint names it. */
export interface BlockPlace {
  readonly tree: number;
  readonly logical: number;
  readonly view: DataView;
}

/** Collects complaints in one grammar. Cheap while there is nothing to complain about. */
export class FaultCollector {
  readonly errors: StructureFault[] = [];
  readonly warnings: StructureFault[] = [];
  readonly unsupported: string[] = [];
  readonly notChecked: string[] = [];
  readonly counts: StructureCounts = { trees: 0, blocks: 0, items: 0, inodes: 0, dataExtents: 0, checksummedBytes: 0 };
  suppressed = 0;

  error(kind: string, place: FaultPlace, fault: string, what: string, have?: unknown, expect?: unknown): void {
    this.#add('error', kind, place, fault, what, have, expect);
  }

  warn(kind: string, place: FaultPlace, fault: string, what: string, have?: unknown, expect?: unknown): void {
    this.#add('warning', kind, place, fault, what, have, expect);
  }

  /** A complaint about an item of a leaf. */
  item(block: BlockPlace, slot: number, fault: string, what: string, have?: unknown, expect?: unknown): void {
    this.error('leaf', { tree: block.tree, block: block.logical, slot }, fault, what, have, expect);
  }

  warnItem(block: BlockPlace, slot: number, fault: string, what: string, have?: unknown, expect?: unknown): void {
    this.warn('leaf', { tree: block.tree, block: block.logical, slot }, fault, what, have, expect);
  }

  leaveOut(reason: string): void {
    if (!this.notChecked.includes(reason)) this.notChecked.push(reason);
  }

  report(generation: number): StructureReport {
    return {
      clean: this.errors.length === 0 && this.unsupported.length === 0,
      errors: this.errors,
      warnings: this.warnings,
      suppressed: this.suppressed,
      unsupported: this.unsupported,
      notChecked: this.notChecked,
      generation,
      counts: this.counts,
    };
  }

  #add(
    severity: 'error' | 'warning',
    kind: string,
    place: FaultPlace,
    fault: string,
    what: string,
    have: unknown,
    expect: unknown,
  ): void {
    const list = severity === 'error' ? this.errors : this.warnings;
    if (list.length >= FAULTS_MAX) {
      this.suppressed++;
      return;
    }
    const where = Object.entries(place).map(([name, value]) => `${name}=${value}`);
    const facts = (have === undefined ? '' : ` have ${have}`) + (expect === undefined ? '' : ` expect ${expect}`);
    const head = severity === 'error' ? 'corrupt' : 'odd';
    const message = `${head} ${kind}: ${where.join(' ')}, ${what}${facts === '' ? '' : `,${facts}`}`;
    list.push({ fault, severity, message, kind, place });
  }
}

/** The key stored at `at`, as messages show it. */
export function showKeyAt(view: DataView, at: number): string {
  return showKey(readU64(view, at), view.getUint8(at + 8), readU64(view, at + 9));
}

/** A name as messages show it: printable ASCII, all else escaped. */
export function showName(name: string): string {
  return `"${name.replace(/[^ !#-[\]-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}
