/**
 * Bytes that cannot be the structure they are read as: too short, too long, or with a count that leads outside. The
 * only error that decoders throw, whatever bytes they are given.
 */
export class FormatError extends Error {
  /** The structure, in btrfs' words: `chunk item`. */
  readonly structure: string;
  /** What is wrong with it: `has 40 bytes, expect at least 80`. */
  readonly reason: string;

  constructor(structure: string, reason: string) {
    super(`${structure} ${reason}`);
    this.name = 'FormatError';
    this.structure = structure;
    this.reason = reason;
  }
}

/** Throws a FormatError unless there are at least `size` bytes. */
export function needBytes(structure: string, have: number, size: number): void {
  if (have < size) throw new FormatError(structure, `has ${have} bytes, expect at least ${size}`);
}
