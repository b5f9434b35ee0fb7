import { MIB } from '../../base/units.ts';
import { allFixes, type FixSet } from '../../fs/fixes.ts';
import { makeFilesystem } from '../../fs/mkfs.ts';
import { SimulatedWorld } from '../../inject/simulated-world.ts';
import type { Libc } from '../../oracle/kernel-fs/libc.ts';
import { LinuxData } from '../../oracle/kernel-fs/linux-data.ts';
import {
  hostForMounts,
  MountedImage,
  makeScratchFolder,
  removeScratchFolder,
} from '../../oracle/kernel-fs/mounted-image.ts';
import { makeByTool, readImage, writeImage } from '../../oracle/kernel-fs/scratch-image.ts';
import { checkImage } from '../../oracle/structure/check-image.ts';
import { BlockTable } from '../../record/block-table.ts';
import { runAtomically, type Task } from '../../task/task.ts';
import { EngineExecutor } from './engine-executor.ts';
import type { ComparedAs, KernelFileSystem } from './exceptions.ts';
import { LinuxExecutor } from './linux-executor.ts';
import { bytesOf } from './operation.ts';
import type { DifferentialProfile } from './profiles.ts';
import {
  type Difference,
  type LockstepOptions,
  type LockstepResult,
  type OperationSource,
  runLockstep,
  showCrash,
  treeDifference,
} from './run-sequence.ts';
import { type TreeSnapshot, takeSnapshot } from './tree-snapshot.ts';

/** Large enough that no sequence fills it: where space ends is not compared. */
const IMAGE_BYTES = 512 * MIB;
const CHUNK_BYTES = 64 * MIB;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

export interface BenchOptions extends LockstepOptions {
  readonly type: KernelFileSystem;
  readonly profile: DifferentialProfile;
}

/** The outcome of one sequence, and what it left for outside judges; `image` is null after a difference. */
export interface BenchResult extends LockstepResult {
  readonly image: BlockTable | null;
}

/** Runs sequences on the engine and on a real file system, each from fresh images. Close it at the end. */
export class DifferentialBench {
  private readonly libc: Libc;
  private readonly folder: string;
  private readonly options: BenchOptions;
  private readonly engineImage: BlockTable;
  private readonly linuxImage: BlockTable;

  private constructor(libc: Libc, folder: string, options: BenchOptions) {
    this.libc = libc;
    this.folder = folder;
    this.options = options;
    const { profile, type } = options;
    const isEqual = profile.engineMadeBy === profile.linuxMadeBy && type === 'btrfs';
    this.engineImage = this.makeImage(profile.engineMadeBy, 'btrfs');
    this.linuxImage = isEqual
      ? this.engineImage
      : this.makeImage(type === 'btrfs' ? profile.linuxMadeBy : 'tool', type);
  }

  /** Or why it cannot be had here. */
  static open(options: BenchOptions): DifferentialBench | string {
    const libc = hostForMounts(options.type);
    if (typeof libc === 'string') return libc;
    const folder = makeScratchFolder();
    try {
      return new DifferentialBench(libc, folder, options);
    } catch (error) {
      removeScratchFolder(folder);
      if (error instanceof ToolMissing) return error.message;
      throw error;
    }
  }

  close(): void {
    removeScratchFolder(this.folder);
  }

  run(source: OperationSource): BenchResult {
    const path = `${this.folder}/linux.img`;
    writeImage(path, this.linuxImage);
    const world = new SimulatedWorld({ devices: [this.engineImage], stepLimit: NO_LIMIT });
    let result: LockstepResult | null = null;
    this.withLinux(path, this.options.type, (linux) => {
      // The tool makes one directory of its own.
      if (this.options.type === 'ext4') linux.files.rmdir(bytesOf('/lost+found'));
      world.execute(() => this.lockstep(world, linux, source, (value) => (result = value)));
    });
    const done = result as LockstepResult | null;
    if (done === null || world.report().hung) {
      return hungResult(
        done,
        world
          .report()
          .locks.map(({ kind }) => kind)
          .join(', '),
      );
    }
    if (done.difference !== null || done.tree === null) return { ...done, image: null };
    const image = world.devices[0]!.durable();
    return { ...done, image, difference: this.judgeImages(image, path, done.tree, done.operations.length) };
  }

  private *lockstep(
    world: SimulatedWorld,
    linux: LinuxExecutor,
    source: OperationSource,
    keep: (result: LockstepResult) => void,
  ): Task<void> {
    const engine = yield* EngineExecutor.mount(world, this.engineOptions);
    const result = yield* runLockstep(engine, linux, source, { ...this.options, type: this.comparedAs });
    keep(result);
    // After a difference nothing more is asked of it: its state may be anything.
    if (result.difference === null) yield* engine.unmount();
  }

  private get comparedAs(): ComparedAs {
    const { isCompressed, limitation } = this.options.profile;
    if (limitation === 'whole-sectors') return 'btrfs by sectors';
    return isCompressed ? 'compressed btrfs' : this.options.type;
  }

  private get engineOptions(): { fixes: FixSet } {
    return { fixes: allFixes(), ...this.options.profile.engineOptions };
  }

  private withLinux<T>(path: string, type: KernelFileSystem, body: (linux: LinuxExecutor) => T): T {
    const words = type === 'btrfs' ? this.options.profile.linuxOptions : '';
    const image = new MountedImage(this.libc, path, type, words);
    let isDone = false;
    try {
      const remount = () => {
        image.unmount();
        image.mount(words);
      };
      const linux = new LinuxExecutor(new LinuxData(this.libc, image), { remount });
      const value = body(linux);
      linux.closeAll();
      image.unmount();
      image.release();
      isDone = true;
      return value;
    } finally {
      if (!isDone) image.abandon();
    }
  }

  /** The structure of both images, and each through the eyes of the other side. */
  private judgeImages(image: BlockTable, path: string, tree: TreeSnapshot, step: number): Difference | null {
    const { type } = this.options;
    const ours = checkImage([image]);
    if (!ours.clean)
      return {
        step,
        what: "structure of the engine's image",
        engine: ours.errors.join('; ').slice(0, 2000),
        linux: 'clean',
      };
    if (type !== 'btrfs') return null;
    const swapped = this.seenByLinux(image, tree, step);
    if (swapped !== null) return swapped;
    const theirs = this.load(path);
    const report = checkImage([theirs]);
    if (!report.clean)
      return {
        step,
        what: "structure of Linux's image",
        engine: 'clean',
        linux: report.errors.join('; ').slice(0, 2000),
      };
    return this.seenByEngine(theirs, tree, step);
  }

  private seenByLinux(image: BlockTable, tree: TreeSnapshot, step: number): Difference | null {
    const path = `${this.folder}/engine.img`;
    writeImage(path, image);
    try {
      const seen = this.withLinux(path, 'btrfs', (linux) =>
        runAtomically(takeSnapshot(linux, { type: this.comparedAs, isSettled: true })),
      );
      return named(treeDifference(seen, tree, step), "Linux reads the engine's image");
    } catch (error) {
      return { step, what: "Linux reads the engine's image", engine: 'clean', linux: (error as Error).message };
    }
  }

  private seenByEngine(image: BlockTable, tree: TreeSnapshot, step: number): Difference | null {
    const world = new SimulatedWorld({ devices: [image], stepLimit: NO_LIMIT });
    const trees: TreeSnapshot[] = [];
    const type = this.comparedAs;
    try {
      const options = { ...this.engineOptions, readOnly: true };
      world.execute(function* listing() {
        const engine = yield* EngineExecutor.mount(world, options);
        trees.push(yield* takeSnapshot(engine, { type, isSettled: true }));
        yield* engine.unmount();
      });
    } catch (error) {
      return { step, what: "the engine reads Linux's image", engine: showCrash(error), linux: 'clean' };
    }
    return named(treeDifference(trees[0]!, tree, step), "the engine reads Linux's image");
  }

  private makeImage(by: 'engine' | 'tool', type: KernelFileSystem): BlockTable {
    const { nodeSize, toolOptions } = this.options.profile;
    if (by === 'engine') {
      const image = new BlockTable(IMAGE_BYTES);
      const sizes = { systemBytes: 4 * MIB, metadataBytes: CHUNK_BYTES, dataBytes: CHUNK_BYTES };
      for (const { offset, bytes } of makeFilesystem({ devices: [IMAGE_BYTES], nodeSize, ...sizes })) {
        image.write(offset, bytes);
      }
      return image;
    }
    const path = `${this.folder}/made.img`;
    const words = type === 'btrfs' ? ['-n', `${nodeSize}`, '-m', 'single', ...toolOptions] : [];
    const problem = makeByTool(path, IMAGE_BYTES, type, words);
    if (problem !== null) throw new ToolMissing(problem);
    return this.load(path);
  }

  private load(path: string): BlockTable {
    const image = new BlockTable(IMAGE_BYTES);
    for (const { offset, bytes } of readImage(this.libc, path)) image.write(offset, bytes);
    return image;
  }
}

class ToolMissing extends Error {}

function hungResult(done: LockstepResult | null, locks: string): BenchResult {
  const operations = done?.operations ?? [];
  const difference = { step: operations.length, what: 'hang', engine: `never ended (${locks})`, linux: 'ok' };
  return { operations, refused: new Set(), difference: done?.difference ?? difference, tree: null, image: null };
}

function named(difference: Difference | null, what: string): Difference | null {
  return difference === null ? null : { ...difference, what: `${what}: ${difference.what}` };
}
