import { FsError } from '../fs/errors.ts';
import type { MountedFilesystem } from '../fs/filesystem.ts';
import { type FileTarget, type Handle, readdir, rmdir } from '../fs/syscalls.ts';
import type { OperationValue } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import type { FileChangeOperation, FileReference } from '../workload/model.ts';

/** What an operation of a list needs of the handles of its task. */
export interface Handles {
  target(file: FileReference): FileTarget;
  remember(name: string, handle: Handle): void;
}

/** Operations on names, attributes and ranges of files. */
export function* changeFile(
  fs: MountedFilesystem,
  operation: FileChangeOperation,
  _handles: Handles,
): Task<OperationValue> {
  switch (operation.kind) {
    case 'rmdir':
      yield* rmdir(fs, operation.path);
      return null;
    case 'readdir':
      return (yield* readdir(fs, operation.path)).length;
    default:
      throw new FsError('EOPNOTSUPP', operation.kind);
  }
}
