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
 * Reads a block into the cache, copy after copy until one is good. Throws EIO that says what was wrong with each copy,
 * in btrfs' own words. When another task read or allocated the block meanwhile, that content is used.
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
  const expected: ExpectedBlock = { generation, level, owner: expectedOwner(tree) };
  const copies = address % SECTOR_SIZE === 0 ? mirrorCount(fs, address) : 0;
  const problems: string[] = [];
  for (let mirror = 0; mirror < copies; mirror++) {
    const result = yield* readMirror(fs, address, fs.nodeSize, mirror, tree.purpose);
    const meanwhile = fs.blocks.find(address);
    if (meanwhile !== null) return meanwhile;
    if (result.error !== null) {
      problems.push(`read error ${result.error} on logical ${address} mirror ${mirror + 1}`);
      continue;
    }
    const view = VERIFIED.get(result.bytes) ?? viewOf(result.bytes);
    const problem =
      blockProblem(fs, result.bytes, view, address, expected, mirror + 1) ?? layoutProblem(result.bytes, view, tree.id);
    if (problem === null) return fs.blocks.initialise(address, result.bytes, view);
    problems.push(problem);
  }
  if (copies === 0)
    problems.push(address % SECTOR_SIZE === 0 ? `no chunk maps logical ${address}` : 'unaligned address');
  throw new FsError('EIO', `tree block ${address} of tree ${tree.id}: ${problems.join('; ')}`);
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
