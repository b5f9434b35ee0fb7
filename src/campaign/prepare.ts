import { FsError } from '../fs/errors.ts';
import { type MountedFilesystem, type MountOptions, mountFilesystem, unmountFilesystem } from '../fs/filesystem.ts';
import type { FixSet } from '../fs/fixes.ts';
import { SUPERBLOCK_SIZE, superblockOffsets } from '../fs/format/superblock.ts';
import { MakeFilesystemError, makeFilesystem } from '../fs/mkfs.ts';
import { SimulatedWorld } from '../inject/simulated-world.ts';
import { SETUP_TASK } from '../oracle/data/describe.ts';
import { BlockTable } from '../record/block-table.ts';
import type { OperationRecord } from '../record/run-record.ts';
import type { Task } from '../task/task.ts';
import type { FilesystemSettings, Operation, Workload } from '../workload/model.ts';
import { closeLeftHandles, type ExecutionState, listOperations, runOperations } from './operations.ts';

/** The workload's file system or setup cannot be made; nothing was explored. */
export class SetupFailed extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SetupFailed';
  }
}

/**
 * The disks from which every execution of a workload starts: mkfs, then its setup in a world where nobody disturbs it,
 * then unmounted. Throws `SetupFailed`, naming the operation that went wrong.
 */
export function prepareDisks(workload: Workload, fixes: FixSet): BlockTable[] {
  const options = mountOptionsOf(workload.filesystem, fixes);
  let disks = blankFilesystem(workload.filesystem);
  for (const part of splitAtUnmounts(workload.setup)) {
    for (const device of part.wiped) wipe(disks[device]!);
    if (part.operations.length > 0) disks = runSetup(disks, part, options);
  }
  return disks;
}

/** How the workload's file system is mounted, every time. */
export function mountOptionsOf(
  settings: FilesystemSettings,
  fixes: FixSet,
  mutations: ReadonlySet<string> = new Set(),
): MountOptions {
  const { mount, blockGroups } = settings;
  return { fixes, mutations, ...mount, chunkSizes: blockGroups };
}

/** Fresh disks with an empty file system, and the spares, which are blank. */
export function blankFilesystem(settings: FilesystemSettings): BlockTable[] {
  const { system, metadata, data } = settings.blockGroups;
  const disks = [...settings.devices, ...settings.spares].map((size) => new BlockTable(size));
  try {
    const writes = makeFilesystem({
      devices: settings.devices,
      nodeSize: settings.nodeSize,
      metadataProfile: settings.metadata,
      dataProfile: settings.data,
      label: settings.label,
      ...(system === null ? {} : { systemBytes: system }),
      ...(metadata === null ? {} : { metadataBytes: metadata }),
      ...(data === null ? {} : { dataBytes: data }),
    });
    for (const { device, offset, bytes } of writes) disks[device]!.write(offset, bytes);
  } catch (error) {
    if (error instanceof MakeFilesystemError) throw new SetupFailed(error.message);
    throw error;
  }
  return disks;
}

/** What setup does between two unmounts. */
interface SetupPart {
  /** Devices that lose their superblocks before the mount. */
  readonly wiped: number[];
  readonly operations: Operation[];
  /** Position of the first operation in the workload's list. */
  readonly first: number;
}

/** `remount` and `wipe` unmount: wiping one device after another, or one right after a remount, takes one unmount. */
function splitAtUnmounts(setup: readonly Operation[]): SetupPart[] {
  const parts: SetupPart[] = [{ wiped: [], operations: [], first: 0 }];
  for (const [index, operation] of setup.entries()) {
    const last = parts.at(-1)!;
    if (operation.kind !== 'remount' && operation.kind !== 'wipe') {
      last.operations.push(operation);
      continue;
    }
    const isFresh = last.operations.length === 0;
    const wiped = [...(isFresh ? last.wiped : []), ...(operation.kind === 'wipe' ? [operation.device] : [])];
    if (isFresh) parts.pop();
    parts.push({ wiped, operations: [], first: index + 1 });
  }
  return parts;
}

function wipe(disk: BlockTable): void {
  for (const offset of superblockOffsets(disk.size)) disk.write(offset, new Uint8Array(SUPERBLOCK_SIZE));
}

function runSetup(disks: readonly BlockTable[], part: SetupPart, options: MountOptions): BlockTable[] {
  const { operations, first } = part;
  const world = new SimulatedWorld({ devices: disks });
  const setup = new Setup(world, operations, options);
  world.execute(() => setup.main());
  for (const record of setup.operations) {
    const operation = operations[record.index]!;
    const problem = problemOf(operation, record);
    if (problem === null) continue;
    const which = `operation ${first + record.index + 1} (${record.operation})`;
    throw new SetupFailed(`setup, line ${operation.at.line}: ${which} ${problem}`);
  }
  if (!setup.isDone) throw new SetupFailed('setup never ended');
  return world.devices.map((device) => device.durable());
}

/** Why this is not how the operation was to end; null when it is. A setup that is to fail somewhere says so. */
function problemOf(operation: Operation, { result }: OperationRecord): string | null {
  if (result === null) return 'never ended';
  const outcome = result.error ?? 'ok';
  const allowed = operation.expect ?? ['ok'];
  if (!allowed.includes(outcome)) {
    return `ended with ${outcome}${result.error === null ? '' : ` (${result.where})`}`;
  }
  if (operation.kind !== 'write' || result.error !== null || result.value === operation.length) return null;
  return `wrote only ${result.value} of ${operation.length} bytes`;
}

class Setup implements ExecutionState {
  readonly operations: OperationRecord[] = [];
  readonly handles: number[] = [];
  isDone = false;
  private readonly world: SimulatedWorld;
  private readonly list: readonly Operation[];
  private readonly options: MountOptions;
  private mounted: MountedFilesystem | null = null;

  constructor(world: SimulatedWorld, list: readonly Operation[], options: MountOptions) {
    this.world = world;
    this.list = list;
    this.options = options;
  }

  get fs(): MountedFilesystem {
    return this.mounted!;
  }

  stepOfStart(): number {
    return this.world.countMoment();
  }

  stepOfEnd(): number {
    return this.world.countMoment();
  }

  *main(): Task<void> {
    try {
      this.mounted = yield* mountFilesystem(this.world, this.options);
      yield* runOperations(this, listOperations(SETUP_TASK, 1, this.list));
      yield* closeLeftHandles(this);
      yield* unmountFilesystem(this.mounted);
      this.isDone = true;
    } catch (error) {
      if (error instanceof FsError) throw new SetupFailed(`setup: ${error.message}`);
      throw error;
    }
  }
}
