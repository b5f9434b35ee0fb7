/** The host did not do what was asked of it: no room, no right, no such file. The message says what and why. */
export class HostFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HostFailure';
  }
}

/** Runs calls to the host; its refusals become `HostFailure`. */
export function onHost<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new HostFailure(`${what} (${error.code})`);
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
