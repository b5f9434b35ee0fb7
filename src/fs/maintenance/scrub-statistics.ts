/** The figures of `btrfs scrub status -R`, by its names and in its order. */
export const SCRUB_COUNTS = [
  'data_extents_scrubbed',
  'tree_extents_scrubbed',
  'data_bytes_scrubbed',
  'tree_bytes_scrubbed',
  'read_errors',
  'csum_errors',
  'verify_errors',
  'no_csum',
  'csum_discards',
  'super_errors',
  'malloc_errors',
  'uncorrectable_errors',
  'unverified_errors',
  'corrected_errors',
  'last_physical',
] as const;
export type ScrubCount = (typeof SCRUB_COUNTS)[number];

/** Extents count once per stripe of 64 KiB that they touch, errors once per sector of 4096 bytes; as Linux ≥ 6.4. */
export type ScrubStatistics = Record<ScrubCount, number>;

const ERRORS_FOUND: readonly ScrubCount[] = ['read_errors', 'csum_errors', 'verify_errors', 'super_errors'];

export function newScrubStatistics(): ScrubStatistics {
  return Object.fromEntries(SCRUB_COUNTS.map((name) => [name, 0])) as ScrubStatistics;
}

/** Adds figures of another scrub, or of the part before a cancellation; the position is the later one's. */
export function addScrubStatistics(to: ScrubStatistics, more: Readonly<Record<string, number>>): void {
  for (const name of SCRUB_COUNTS) {
    if (name !== 'last_physical') to[name] += more[name] ?? 0;
  }
}

/** Errors of all kinds, repaired or not. */
export function errorsFound(statistics: ScrubStatistics): number {
  return ERRORS_FOUND.reduce((sum, name) => sum + statistics[name], 0);
}
