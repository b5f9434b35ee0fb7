import type { MountedFilesystem } from '../fs/filesystem.ts';
import {
  chmod,
  chown,
  copyRange,
  dedupe,
  type FileTarget,
  fallocate,
  type Handle,
  link,
  mknod,
  msync,
  open,
  readdir,
  reflink,
  removeXattr,
  rmdir,
  seek,
  setXattr,
  symlink,
} from '../fs/syscalls.ts';
import type { OperationValue } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import type { FileChangeOperation, FileReference, ShareOperation } from '../workload/model.ts';

const encoder = new TextEncoder();

/** The handles of the task whose operation it is. */
export interface Handles {
  target(file: FileReference): FileTarget;
  remember(name: string, handle: Handle): void;
}

/** Operations on names, attributes and ranges of files. */
export function* changeFile(
  fs: MountedFilesystem,
  operation: FileChangeOperation,
  handles: Handles,
): Task<OperationValue> {
  switch (operation.kind) {
    case 'rmdir':
      yield* rmdir(fs, operation.path);
      return null;
    case 'readdir':
      return (yield* readdir(fs, operation.path)).length;
    case 'link':
      yield* link(fs, handles.target(operation.file), operation.to);
      return null;
    case 'symlink':
      yield* symlink(fs, operation.target, operation.path);
      return null;
    case 'mknod':
      yield* mknod(fs, operation.path, { kind: operation.node });
      return null;
    case 'chmod':
      yield* chmod(fs, handles.target(operation.file), operation.mode);
      return null;
    case 'chown':
      yield* chown(fs, handles.target(operation.file), operation.uid, operation.gid);
      return null;
    case 'reflink':
    case 'copy':
    case 'dedupe':
      return yield* shareBytes(fs, operation, handles.target(operation.source), handles.target(operation.file));
    case 'tmpfile':
      handles.remember(operation.as, yield* open(fs, operation.directory, { tmpfile: true }));
      return null;
    case 'set-xattr': {
      const value = encoder.encode(operation.value);
      const flags = { create: operation.when === 'missing', replace: operation.when === 'present' };
      yield* setXattr(fs, handles.target(operation.file), operation.name, value, flags);
      return null;
    }
    case 'remove-xattr':
      yield* removeXattr(fs, handles.target(operation.file), operation.name);
      return null;
    case 'punch':
    case 'zero': {
      const mode =
        operation.kind === 'punch' ? 'punch-hole' : operation.keepSize ? 'zero-range-keep-size' : 'zero-range';
      yield* fallocate(fs, handles.target(operation.file), operation.offset, operation.length, { mode });
      return null;
    }
    case 'msync':
      yield* msync(fs, handles.target(operation.file), operation.offset, operation.length);
      return null;
    case 'seek':
      return yield* seek(fs, handles.target(operation.file), operation.offset, operation.what);
  }
}

/** How many bytes were copied, or found equal; null of a reflink, which takes all or nothing. */
function* shareBytes(
  fs: MountedFilesystem,
  { kind, sourceOffset, offset, length }: ShareOperation,
  source: FileTarget,
  target: FileTarget,
): Task<OperationValue> {
  if (kind === 'copy') return yield* copyRange(fs, source, sourceOffset, target, offset, length);
  if (kind === 'dedupe') {
    const shared = yield* dedupe(fs, source, sourceOffset, length, target, offset);
    return shared === 'differs' ? 0 : shared;
  }
  yield* reflink(fs, source, target, { sourceOffset, length, targetOffset: offset });
  return null;
}
