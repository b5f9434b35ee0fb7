import { sameBytes, viewOf } from '../../base/bytes.ts';
import { type Generation, type LogicalAddress, SECTOR_SIZE } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { storedChecksum } from '../format/checksum.ts';
import { showKey } from '../format/key.ts';
import {
  blockAddress,
  blockFsid,
  blockGeneration,
  blockLevel,
  blockOwner,
  itemKey,
  pointerKey,
  treeBlockChecksum,
  treeBlockLayoutProblem,
} from '../format/tree-block.ts';
import { countMirrorError, firstMirror, isMirrorMissing } from '../volume/logical-read.ts';
import { MirrorTrial, type ReadState, repairCopies } from '../volume/read-decisions.ts';
import { mirrorCount, readMirror } from '../volume/volume.ts';
import type { Tree, TreeHost } from './tree.ts';
import type { TreeBlock } from './tree-block.ts';

/** What whoever points to a block says about it. `owner` is null where several trees may share it. */
export interface ExpectedBlock {
  readonly generation: Generation;
  readonly level: number;
  readonly owner: number | null;
}

/** Two file trees may share a block after a snapshot, so the owner in its header need not be the tree that led here. */
function expectedOwner(tree: { readonly id: number }): number | null {
  return tree.id === 5 || (tree.id >= 256 && tree.id > 0) ? null : tree.id;
}

/**
 * Reads a block into the cache, copy after copy until one is good; what was bad is repaired from it. Throws EIO that
 * says what was wrong with each copy, in btrfs' own words. When another task read or allocated the block meanwhile,
 * that content is used.
 */
export function* readTreeBlock(
  fs: TreeHost,
  tree: Pick<Tree, 'id' | 'purpose'>,
  address: LogicalAddress,
  generation: Generation,
  level: number,
): Task<TreeBlock> {
  yield* fs.world.point('tree-block-read');
  const already = fs.blocks.find(address);
  if (already !== null) return already;
  const copies = address % SECTOR_SIZE === 0 ? mirrorCount(fs, address) : 0;
  if (copies === 0) {
    const reason = address % SECTOR_SIZE === 0 ? `no chunk maps logical ${address}` : 'unaligned address';
    throw new FsError('EIO', `tree block ${address} of tree ${tree.id}: ${reason}`);
  }
  const expected: ExpectedBlock = { generation, level, owner: expectedOwner(tree) };
  const trial = new MirrorTrial(copies, firstMirror(fs, address));
  const problems: string[] = [];
  for (;;) {
    const { mirror } = trial;
    const result = yield* readMirror(fs, address, fs.nodeSize, mirror, tree.purpose);
    const meanwhile = fs.blocks.find(address);
    if (meanwhile !== null) return meanwhile;
    const bytes = result.error === null ? result.bytes : null;
    const isMissing = bytes === null && isMirrorMissing(fs, address, fs.nodeSize, mirror);
    const problem =
      bytes === null
        ? `read error ${result.error} on logical ${address} mirror ${mirror + 1}`
        : contentProblem(fs, tree, bytes, address, expected, mirror);
    const content: ReadState['content'] | null = bytes === null ? null : problem === null ? 'good' : 'bad';
    const decision = trial.decide(fs, isMissing, content);
    if (bytes !== null && decision === 'use') return fs.blocks.initialise(address, bytes, viewFor(bytes));
    if (bytes !== null && decision === 'use-and-repair') {
      yield* repairCopies(fs, address, bytes, trial.failed, tree.purpose);
      return fs.blocks.find(address) ?? fs.blocks.initialise(address, bytes, viewFor(bytes));
    }
    problems.push(problem ?? '');
    if (decision === 'fail-EIO') break;
    trial.next(isMissing);
  }
  throw new FsError('EIO', `tree block ${address} of tree ${tree.id}: ${problems.join('; ')}`);
}

/** What is wrong with the bytes of one copy, which is counted against its device; null when all is well. */
function contentProblem(
  fs: TreeHost,
  tree: Pick<Tree, 'id'>,
  bytes: Uint8Array,
  address: LogicalAddress,
  expected: ExpectedBlock,
  mirror: number,
): string | null {
  const view = viewFor(bytes);
  const problem = blockProblem(fs, bytes, view, address, expected, mirror + 1) ?? layoutProblem(bytes, view, tree.id);
  if (problem === null) return null;
  const kind = problem.startsWith('parent transid') ? 'generation' : 'corruption';
  countMirrorError(fs, address, fs.nodeSize, mirror, kind);
  return problem;
}

function viewFor(bytes: Uint8Array): DataView {
  return VERIFIED.get(bytes) ?? viewOf(bytes);
}

/** Blocks whose checksum and layout were found good once stay so: nobody changes bytes that a device handed out. */
const VERIFIED = new WeakMap<Uint8Array, DataView>();

/** What a header must say at least, in the order in which btrfs looks; null when all is well. */
function blockProblem(
  fs: Pick<TreeHost, 'fsid'>,
  bytes: Uint8Array,
  view: DataView,
  address: LogicalAddress,
  expected: ExpectedBlock,
  mirror: number,
): string | null {
  const found = blockAddress(view);
  if (found !== address) return `bad tree block start, mirror ${mirror} want ${address} have ${found}`;
  const on = `on logical ${address} mirror ${mirror}`;
  if (!sameBytes(blockFsid(view), fs.fsid)) return `bad fsid ${on}`;
  if (!VERIFIED.has(bytes)) {
    const stored = storedChecksum(bytes);
    const computed = treeBlockChecksum(bytes);
    if (stored !== computed) {
      return `checksum verify failed ${on} wanted ${hex(stored)} found ${hex(computed)} level ${blockLevel(view)}`;
    }
  }
  const generation = blockGeneration(view);
  if (generation !== expected.generation) {
    return `parent transid verify failed ${on} wanted ${expected.generation} found ${generation}`;
  }
  const level = blockLevel(view);
  if (level !== expected.level) return `level verify failed ${on} wanted ${expected.level} found ${level}`;
  const owner = blockOwner(view);
  if (expected.owner !== null && owner !== expected.owner) {
    return `bad tree block owner ${on} wanted ${expected.owner} found ${owner}`;
  }
  return null;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** `corrupt leaf: tree=5 block=30408704 slot=3, bad key order, have (257 EXTENT_DATA 0)`; null when all is well. */
function layoutProblem(bytes: Uint8Array, view: DataView, tree: number): string | null {
  if (VERIFIED.has(bytes)) return null;
  const problem = treeBlockLayoutProblem(view);
  if (problem === null) {
    VERIFIED.set(bytes, view);
    return null;
  }
  const isLeaf = blockLevel(view) === 0;
  const place = `corrupt ${isLeaf ? 'leaf' : 'node'}: tree=${tree} block=${blockAddress(view)}`;
  if (problem.slot < 0) return `${place}, ${problem.reason}`;
  const key = isLeaf ? itemKey(view, problem.slot) : pointerKey(view, problem.slot);
  return `${place} slot=${problem.slot}, ${problem.reason}, have ${showKey(key)}`;
}
