/** Exit codes of every command. */
export const EXIT = {
  /** All as expected. */
  asExpected: 0,
  /** A violation that was not expected, or an expected one that did not appear; a fault of an image. */
  violation: 1,
  /** Bad usage, a bad workload file, a folder that cannot be written. */
  usage: 2,
  /** A fault of fsquake itself. */
  benchFault: 3,
  /** Stopped by SIGINT; what was found is saved. */
  interrupted: 130,
} as const;

/** What the user asked for cannot be done; the message says why and what would. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** An image is damaged where it was to be read, or has no room for what was to be written. */
export class ImageFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ImageFault';
  }
}

/** Reads several things of a command line, so that all that is wrong with them is said at once. */
export class Reading {
  private readonly problems: string[] = [];

  /** Null after a problem: a `UsageError`, or what `isProblem` takes for one. */
  attempt<T>(read: () => T, isProblem: (error: unknown) => error is Error = isUsageError): T | null {
    try {
      return read();
    } catch (error) {
      if (!isUsageError(error) && !isProblem(error)) throw error;
      this.problems.push((error as Error).message);
      return null;
    }
  }

  /** Throws `UsageError` with all problems, if there were any. */
  conclude(): void {
    if (this.problems.length > 0) throw new UsageError(this.problems.join('\n'));
  }
}

function isUsageError(error: unknown): error is UsageError {
  return error instanceof UsageError;
}

/** A whole number ≥ 1 that is exact. Throws `UsageError`. */
export function readCount(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
  const limit = /^\d+$/.test(text) && value > 0 ? `at most ${Number.MAX_SAFE_INTEGER}` : 'a whole number from 1 on';
  throw new UsageError(`${name} takes ${limit}, not ${JSON.stringify(text)}`);
}
