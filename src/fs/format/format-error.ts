import { FsError } from '../errors.ts';

/**
 * Bytes that cannot be the structure they are read as: too short, too long, or with a count that leads outside. The
 * only error that decoders throw, whatever bytes they are given. EUCLEAN for who changes a file system: the change ends
 * its transaction, as any that fails half way.
 */
export class FormatError extends FsError {
  /** The structure, in btrfs' words: `chunk item`. */
  readonly structure: string;
  /** What is wrong with it: `has 40 bytes, expect at least 80`. */
  readonly reason: string;

  constructor(structure: string, reason: string) {
    super('EUCLEAN', `${structure} ${reason}`);
    this.message = this.where;
    this.name = 'FormatError';
    this.structure = structure;
    this.reason = reason;
  }
}

/** Throws a FormatError unless there are at least `size` bytes. */
export function needBytes(structure: string, have: number, size: number): void {
  if (have < size) throw new FormatError(structure, `has ${have} bytes, expect at least ${size}`);
}
