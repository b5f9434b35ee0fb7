import { operationId, stampBytes } from '../base/stamp.ts';
import { FsError } from '../fs/errors.ts';
import type { MountedFilesystem } from '../fs/filesystem.ts';
import {
  clean,
  deviceAdd,
  deviceRemove,
  deviceResize,
  reconfigure,
  replace,
  replaceCancel,
  scrub,
  scrubCancel,
  trim,
} from '../fs/ioctls.ts';
import {
  close,
  corrupt,
  create,
  dropCaches,
  dropUnpinnedExtentMaps,
  type FileTarget,
  fallocate,
  fdatasync,
  fiemap,
  fsync,
  type Handle,
  mapWrite,
  mkdir,
  open,
  read,
  rename,
  sync,
  truncate,
  unlink,
  write,
} from '../fs/syscalls.ts';
import type { OperationCounts, OperationRecord, OperationValue, Step } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import type {
  CreateOperation,
  DeviceAddOperation,
  DeviceRemoveOperation,
  DeviceResizeOperation,
  FileReference,
  Operation,
  ReconfigureOperation,
  ReplaceOperation,
  ScrubOperation,
  TrimOperation,
  WriteOperation,
} from '../workload/model.ts';
import { changeFile } from './file-operations.ts';

/** A list of operations as one task runs it, with what is the same in every execution worked out. */
export interface OperationList {
  readonly task: string;
  readonly repeat: number;
  readonly operations: readonly ListedOperation[];
}

interface ListedOperation {
  readonly operation: Operation;
  /** What the record says of it: the operation's own fields. */
  readonly args: Readonly<Record<string, unknown>>;
}

/** What a list needs of the execution it runs in. */
export interface ExecutionState {
  readonly fs: MountedFilesystem;
  /** Filled as the run goes, in the order of the starts. */
  readonly operations: OperationRecord[];
  /** Handles that are open, in the order of their opening. */
  readonly handles: Handle[];
  /** An operation of this task starts, or ends, now: laws compare these moments. */
  stepOfStart(task: string): Step;
  stepOfEnd(task: string): Step;
}

type AdministrationOperation =
  | ScrubOperation
  | TrimOperation
  | ReplaceOperation
  | DeviceAddOperation
  | DeviceRemoveOperation
  | DeviceResizeOperation
  | ReconfigureOperation;

export function listOperations(task: string, repeat: number, operations: readonly Operation[]): OperationList {
  return { task, repeat, operations: operations.map((operation) => ({ operation, args: argumentsOf(operation) })) };
}

function argumentsOf(operation: Operation): Record<string, unknown> {
  const { kind: _kind, at: _at, expect, ...rest } = operation;
  return expect === null ? rest : { ...rest, expect };
}

/** Runs a list, recording each operation; the file system's refusals are results, all other errors are ours. */
export function* runOperations(state: ExecutionState, list: OperationList): Task<void> {
  for (let round = 0; round < list.repeat; round++) {
    const handles = new Map<string, Handle>();
    for (let index = 0; index < list.operations.length; index++) {
      const { operation, args } = list.operations[index]!;
      const record: OperationRecord = {
        task: list.task,
        index,
        round,
        operation: operation.kind,
        args,
        started: state.stepOfStart(list.task),
        ended: null,
        result: null,
      };
      state.operations.push(record);
      try {
        const value = yield* perform(state, operation, handles, record);
        record.result = { error: null, value };
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        record.result = { error: error.code, where: error.where };
      }
      record.ended = state.stepOfEnd(list.task);
    }
  }
}

/** Closes what operations left open, so that the file system can be unmounted; nobody records this. */
export function* closeLeftHandles(state: ExecutionState): Task<void> {
  while (state.handles.length > 0) {
    const handle = state.handles.pop()!;
    try {
      yield* close(state.fs, handle);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
    }
  }
}

function* perform(
  state: ExecutionState,
  operation: Operation,
  handles: Map<string, Handle>,
  record: OperationRecord,
): Task<OperationValue> {
  const { fs } = state;
  switch (operation.kind) {
    case 'read':
      return yield* read(fs, targetOf(operation.file, handles), operation.offset, operation.length, {
        direct: operation.direct,
      });
    case 'write':
      if (operation.mapped) {
        const bytes = bytesOf(operation, record);
        yield* mapWrite(fs, targetOf(operation.file, handles), operation.offset ?? 0, bytes);
        return bytes.length;
      }
      return yield* write(fs, targetOf(operation.file, handles), operation.offset, bytesOf(operation, record), {
        direct: operation.direct,
        append: operation.append,
      });
    case 'mkdir':
      yield* mkdir(fs, operation.path);
      return null;
    case 'create':
      yield* performCreate(state, operation, handles);
      return null;
    case 'open':
      remember(state, handles, operation.as, yield* open(fs, operation.path, operation));
      return null;
    case 'close': {
      const handle = handleOf(operation.handle, handles);
      handles.delete(operation.handle);
      const at = state.handles.indexOf(handle);
      if (at >= 0) state.handles.splice(at, 1);
      yield* close(fs, handle);
      return null;
    }
    case 'unlink':
      yield* unlink(fs, operation.path);
      return null;
    case 'rename':
      yield* rename(fs, operation.from, operation.to, operation);
      return null;
    case 'truncate':
      yield* truncate(fs, targetOf(operation.file, handles), operation.size);
      return null;
    case 'fsync':
      yield* fsync(fs, targetOf(operation.file, handles));
      return null;
    case 'fdatasync':
      yield* fdatasync(fs, targetOf(operation.file, handles));
      return null;
    case 'fiemap':
      return yield* fiemap(fs, targetOf(operation.file, handles));
    case 'sync':
      yield* sync(fs);
      return null;
    case 'drop-caches': {
      const { range } = operation;
      if (range === undefined) yield* dropCaches(fs);
      else yield* dropUnpinnedExtentMaps(fs, targetOf(range.file, handles), range.offset, range.length);
      return null;
    }
    case 'sleep':
      yield* fs.world.sleep(operation.duration);
      return null;
    case 'mark':
      yield* fs.world.point(operation.point);
      return null;
    case 'fallocate':
      yield* fallocate(fs, targetOf(operation.file, handles), operation.offset, operation.length, {
        keepSize: operation.keepSize,
      });
      return null;
    case 'corrupt':
      yield* corrupt(fs, targetOf(operation.file, handles), operation.offset, operation.length, operation.mirror);
      return null;
    case 'clean':
      return yield* clean(fs);
    case 'scrub-cancel':
      yield* scrubCancel(fs);
      return null;
    case 'replace-cancel':
      yield* replaceCancel(fs);
      return null;
    case 'remount':
    case 'wipe':
      throw new FsError('EBUSY', `${operation.kind}: only setup can unmount`);
    case 'scrub':
    case 'trim':
    case 'replace':
    case 'device-add':
    case 'device-remove':
    case 'device-resize':
    case 'reconfigure':
      return yield* administer(fs, operation);
    default:
      return yield* changeFile(fs, operation, {
        target: (file) => targetOf(file, handles),
        remember: (name, handle) => remember(state, handles, name, handle),
      });
  }
}

function* performCreate(state: ExecutionState, operation: CreateOperation, handles: Map<string, Handle>): Task<void> {
  const { fs } = state;
  const { path, as, nodatacow, compress } = operation;
  const kind = { nodatacow, ...(compress === null ? {} : { compress }) };
  if (as === null) yield* create(fs, path, kind);
  else remember(state, handles, as, yield* open(fs, path, { ...kind, create: true, exclusive: true }));
}

/** What an administrator does: to devices, to the mount. */
function* administer(fs: MountedFilesystem, operation: AdministrationOperation): Task<OperationValue> {
  switch (operation.kind) {
    case 'scrub':
      return countsOf(yield* scrub(fs, operation));
    case 'trim':
      return yield* trim(fs, operation);
    case 'replace':
      yield* replace(fs, operation);
      return null;
    case 'device-add':
      yield* deviceAdd(fs, operation.device);
      return null;
    case 'device-remove':
      yield* deviceRemove(fs, operation.devid);
      return null;
    case 'device-resize':
      yield* deviceResize(fs, operation.devid, operation.size);
      return null;
    case 'reconfigure':
      yield* reconfigure(fs, operation);
      return null;
  }
}

/** The figures alone, copied: the engine may count on. */
function countsOf(statistics: object): OperationCounts {
  const counts: Record<string, number> = {};
  for (const [name, value] of Object.entries(statistics)) if (typeof value === 'number') counts[name] = value;
  return { counts };
}

function bytesOf(operation: WriteOperation, record: OperationRecord): Uint8Array {
  const id = operationId(record.task, record.index, record.round);
  // An append does not know its offset before; its stamps count from the start of what it wrote.
  return stampBytes(id, operation.append ? 0 : (operation.offset ?? 0), operation.length);
}

function targetOf(file: FileReference, handles: ReadonlyMap<string, Handle>): FileTarget {
  return file.kind === 'path' ? file.path : handleOf(file.handle, handles);
}

function handleOf(name: string, handles: ReadonlyMap<string, Handle>): Handle {
  const handle = handles.get(name);
  if (handle === undefined) throw new FsError('EBADF', `$${name}: the operation that should have opened it failed`);
  return handle;
}

function remember(state: ExecutionState, handles: Map<string, Handle>, name: string, handle: Handle): void {
  handles.set(name, handle);
  state.handles.push(handle);
}
