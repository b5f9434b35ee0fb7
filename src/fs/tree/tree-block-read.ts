import { sameBytes, viewOf } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { Generation, LogicalAddress } from '../../base/units.ts';
import type { Task } from '../../task/task.ts';
import { FsError } from '../errors.ts';
import { mirrorCount, readMirror } from '../volume/volume.ts';
import { layoutProblem } from './block-edit.ts';
import type { Tree, TreeHost } from './tree.ts';
import {
  HEADER_SIZE,
  headerAddress,
  headerFsid,
  headerGeneration,
  headerLevel,
  headerOwner,
  keyAt,
  readKey,
  type TreeBlock,
} from './tree-block.ts';

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
  const copies = mirrorCount(fs, address);
  const problems: string[] = [];
  for (let mirror = 0; mirror < copies; mirror++) {
    const result = yield* readMirror(fs, address, fs.nodeSize, mirror, tree.purpose);
    const meanwhile = fs.blocks.find(address);
    if (meanwhile !== null) return meanwhile;
    if (result.error !== null) {
      problems.push(`read error ${result.error} on logical ${address} mirror ${mirror + 1}`);
      continue;
    }
    const problem = blockProblem(fs, result.bytes, address, expected, mirror + 1);
    if (problem === null) {
      const block = fs.blocks.initialise(address, result.bytes);
      const layout = layoutProblem(block);
      if (layout === null) return block;
      block.isFreed = true;
      problems.push(corruptText(block, tree.id, layout));
    } else problems.push(problem);
  }
  if (copies === 0) problems.push(`no chunk maps logical ${address}`);
  throw new FsError('EIO', `tree block ${address} of tree ${tree.id}: ${problems.join('; ')}`);
}

/** Checksums that were verified once stay so: nobody changes bytes that a device handed out. */
const VERIFIED = new WeakSet<Uint8Array>();

/** What a header must say at least, in the order in which btrfs looks; null when all is well. */
export function blockProblem(
  fs: Pick<TreeHost, 'fsid'>,
  bytes: Uint8Array,
  address: LogicalAddress,
  expected: ExpectedBlock,
  mirror: number,
): string | null {
  const view = viewOf(bytes);
  const found = headerAddress(view);
  if (found !== address) return `bad tree block start, mirror ${mirror} want ${address} have ${found}`;
  const on = `on logical ${address} mirror ${mirror}`;
  if (!sameBytes(headerFsid(bytes), fs.fsid)) return `bad fsid ${on}`;
  if (!VERIFIED.has(bytes)) {
    const stored = view.getUint32(0, true);
    const computed = crc32c(bytes.subarray(32));
    if (stored !== computed) {
      return `checksum verify failed ${on} wanted ${hex(stored)} found ${hex(computed)} level ${headerLevel(view)}`;
    }
    VERIFIED.add(bytes);
  }
  const generation = headerGeneration(view);
  if (generation !== expected.generation) {
    return `parent transid verify failed ${on} wanted ${expected.generation} found ${generation}`;
  }
  const level = headerLevel(view);
  if (level !== expected.level) return `level verify failed ${on} wanted ${expected.level} found ${level}`;
  const owner = headerOwner(view);
  if (expected.owner !== null && owner !== expected.owner) {
    return `bad tree block owner ${on} wanted ${expected.owner} found ${owner}`;
  }
  return null;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** `corrupt leaf: tree=5 block=30408704 slot=3, bad key order, have (257 0 0)` */
function corruptText(block: TreeBlock, tree: number, at: { readonly slot: number; readonly problem: string }): string {
  const what = block.level === 0 ? 'leaf' : 'node';
  const slot = at.slot < 0 ? '' : ` slot=${at.slot}`;
  const key = at.slot < 0 || keyAt(block, at.slot) < HEADER_SIZE ? null : readKey(block.view, keyAt(block, at.slot));
  const have = key === null ? '' : `, have (${key.objectid} ${key.type} ${key.offset})`;
  return `corrupt ${what}: tree=${tree} block=${block.address}${slot}, ${at.problem}${have}`;
}
