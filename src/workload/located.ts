/** A plain value of the file together with the places of all its parts, aliases followed. */
export interface Located {
  /** As JSON would hold it; undefined when `isReported`. */
  readonly value: unknown;
  readonly kind: 'mapping' | 'list' | 'scalar';
  /** Half-open range of the text. */
  readonly start: number;
  readonly end: number;
  /** A scalar as the file writes it, else ''. */
  readonly source: string;
  /** Of a mapping, in the order of the file. */
  readonly entries: ReadonlyMap<string, LocatedEntry>;
  /** Of a list. */
  readonly items: readonly Located[];
  /** A problem about this very value is on record: no more about it. */
  readonly isReported: boolean;
}

export interface LocatedEntry {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly node: Located;
}

export type Path = readonly (string | number)[];

/** The part at `path`; null when the file has none there. */
export function locate(root: Located, path: Path): Located | null {
  let node: Located = root;
  for (const step of path) {
    const next = typeof step === 'number' ? node.items[step] : node.entries.get(step)?.node;
    if (next === undefined) return null;
    node = next;
  }
  return node;
}

/** True when the part at `path`, or one around it, has a problem on record. */
export function isReportedAt(root: Located, path: Path): boolean {
  let node: Located = root;
  if (node.isReported) return true;
  for (const step of path) {
    const next = typeof step === 'number' ? node.items[step] : node.entries.get(step)?.node;
    if (next === undefined) return false;
    if (next.isReported) return true;
    node = next;
  }
  return false;
}

/** What to call a value in a message: `a list`, `the text "8Q"`. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing';
  if (typeof value === 'string') return value.length > 60 ? 'a long text' : JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : 'a mapping';
}
