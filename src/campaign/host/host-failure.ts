/** The host did not do what was asked of it: no room, no right, no such file. The message says what and why. */
export class HostFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HostFailure';
  }
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'not allowed',
  EPERM: 'not allowed',
  EFBIG: 'larger than a file can be there',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no room',
  EDQUOT: 'over quota',
  EROFS: 'read-only file system',
};

/** Runs calls to the host; its refusals become `HostFailure`. */
export function onHost<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const words = WORDS[error.code ?? ''];
    throw new HostFailure(`${what} (${words === undefined ? error.code : `${error.code}: ${words}`})`);
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
