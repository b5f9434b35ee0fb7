import type { Errno } from '../base/errno.ts';

/** The engine says no to its caller: one of the four endings, and the only one that a workload's task sees. */
export class FsError extends Error {
  readonly code: Errno;
  /** What was refused and where, for people: `open: /a/b does not exist`. */
  readonly where: string;

  constructor(code: Errno, where: string) {
    super(`${code}: ${where}`);
    this.name = 'FsError';
    this.code = code;
    this.where = where;
  }
}
