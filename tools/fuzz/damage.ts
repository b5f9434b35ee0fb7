import { viewOf } from '../../src/base/bytes.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { type RandomStream, randomStream } from '../../src/base/random.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import type { FuzzBase, FuzzBlock } from './bases.ts';

/** Values at which counts, lengths, addresses and signs go wrong. */
const ABSURD: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0xfffn,
  0x1000n,
  0x1001n,
  0x7fffn,
  0xffffn,
  0x10000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  1n << 40n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 62n) - 4096n,
  (1n << 63n) - 4096n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 4096n,
  (1n << 64n) - 256n,
  (1n << 64n) - 1n,
];
const HEADER_SIZE = 101;
const ITEM_SIZE = 25;
const POINTER_SIZE = 33;
const WIDTHS = [1, 2, 4, 8] as const;
/** Fields of a superblock from which readers go on. */
const SUPER_FIELDS = [
  48, 56, 72, 80, 88, 96, 112, 120, 128, 136, 144, 148, 152, 156, 160, 164, 172, 180, 188, 196, 198, 199, 200, 201, 209,
  217, 225, 555, 563, 811, 819, 820, 828, 836, 844, 852, 860, 868, 872, 874, 876, 884, 892,
] as const;

/** One damaged image, and in words what was done to it. */
export interface DamagedImage {
  readonly base: FuzzBase;
  readonly image: BlockTable;
  readonly story: string;
}

type Blow = (bytes: Uint8Array, block: FuzzBlock, base: FuzzBase, random: RandomStream) => string;

const BLOWS: readonly (readonly [weight: number, blow: Blow])[] = [
  [3, flipBits],
  [3, writeAbsurd],
  [4, damageItem],
  [3, damageItemHeader],
  [2, damageHeader],
  [3, misleadPointer],
  [1, copyBlock],
  [1, fillWithNoise],
];

/** Damages a base anew for each number: equal numbers give equal images. */
export function damagedImage(bases: readonly FuzzBase[], seed: number, number: number): DamagedImage {
  const random = randomStream(`${seed}/${number}`, 'fuzz');
  const base = pickBase(bases, random);
  const image = base.image.snapshot();
  const told: string[] = [];
  const blocks = 1 + (random.chance(1, 3) ? random.below(3) : 0);
  for (let i = 0; i < blocks; i++) {
    const block = base.blocks[random.below(base.blocks.length)]!;
    const bytes = new Uint8Array(image.read(block.offset, block.length));
    const blows = 1 + (random.chance(1, 3) ? random.below(4) : 0);
    for (let j = 0; j < blows; j++) {
      const blow = block.isSuperblock && random.chance(3, 4) ? damageSuperblock : pickBlow(random);
      told.push(`block at ${block.offset}: ${blow(bytes, block, base, random)}`);
    }
    if (random.chance(9, 10)) viewOf(bytes).setUint32(0, crc32c(bytes.subarray(32)), true);
    else told.push('checksum not made right');
    image.write(block.offset, bytes);
  }
  return { base, image, story: `${base.name}: ${told.join('; ')}` };
}

function pickBase(bases: readonly FuzzBase[], random: RandomStream): FuzzBase {
  let left = random.below(bases.reduce((sum, { share }) => sum + share, 0));
  for (const base of bases) {
    left -= base.share;
    if (left < 0) return base;
  }
  return bases[0]!;
}

function pickBlow(random: RandomStream): Blow {
  let left = random.below(BLOWS.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, blow] of BLOWS) {
    left -= weight;
    if (left < 0) return blow;
  }
  return flipBits;
}

function flipBits(bytes: Uint8Array, _block: FuzzBlock, _base: FuzzBase, random: RandomStream): string {
  const count = 1 + random.below(8);
  // Half of the bits where something is: the header, and the items or pointers behind it.
  const bound = random.chance(1, 2) ? Math.min(bytes.length, 500) : bytes.length;
  for (let i = 0; i < count; i++) bytes[32 + random.below(bound - 32)]! ^= 1 << random.below(8);
  return `${count} bits`;
}

function writeAbsurd(bytes: Uint8Array, _block: FuzzBlock, _base: FuzzBase, random: RandomStream): string {
  return poke(bytes, 32 + random.below(bytes.length - 40), random);
}

/** A value of some width at some place: absurd, near what was there, or by chance. */
function poke(bytes: Uint8Array, at: number, random: RandomStream, widths: readonly number[] = WIDTHS): string {
  const width = widths[random.below(widths.length)]!;
  if (at + width > bytes.length) return 'nothing';
  let value = ABSURD[random.below(ABSURD.length)]!;
  if (random.chance(1, 3)) {
    const near = [1n, -1n, 4096n, -4096n, 65536n, 8n, -8n][random.below(7)]!;
    value = littleEndian(bytes, at, width) + near;
  } else if (random.chance(1, 4)) {
    value = BigInt(random.bits() >>> 0);
  }
  for (let i = 0; i < width; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return `${value} in ${width} bytes at ${at}`;
}

function littleEndian(bytes: Uint8Array, at: number, width: number): bigint {
  let value = 0n;
  for (let i = width - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value;
}

function damageSuperblock(bytes: Uint8Array, _block: FuzzBlock, _base: FuzzBase, random: RandomStream): string {
  return `superblock ${poke(bytes, SUPER_FIELDS[random.below(SUPER_FIELDS.length)]!, random)}`;
}

function damageHeader(bytes: Uint8Array, _block: FuzzBlock, _base: FuzzBase, random: RandomStream): string {
  return `header ${poke(bytes, [48, 56, 80, 88, 96, 96, 96, 100, 100][random.below(9)]!, random)}`;
}

function countOf(bytes: Uint8Array): number {
  return Math.min(viewOf(bytes).getUint32(96, true), Math.floor((bytes.length - HEADER_SIZE) / ITEM_SIZE));
}

/** A field of the data of an item. */
function damageItem(bytes: Uint8Array, block: FuzzBlock, base: FuzzBase, random: RandomStream): string {
  const count = countOf(bytes);
  if (count === 0 || bytes[100] !== 0) return writeAbsurd(bytes, block, base, random);
  const header = HEADER_SIZE + random.below(count) * ITEM_SIZE;
  const view = viewOf(bytes);
  const at = HEADER_SIZE + view.getUint32(header + 17, true);
  const size = view.getUint32(header + 21, true);
  if (size === 0 || at + size > bytes.length) return poke(bytes, header, random);
  // Fields lie at even distances from both ends more often than by chance.
  const within = random.chance(1, 2) ? Math.min(8 * random.below(Math.ceil(size / 8)), size - 1) : random.below(size);
  return `item of type ${bytes[header + 8]}: ${poke(bytes, at + within, random)}`;
}

/** Key, offset or size of an item. */
function damageItemHeader(bytes: Uint8Array, block: FuzzBlock, base: FuzzBase, random: RandomStream): string {
  const count = countOf(bytes);
  if (count === 0 || bytes[100] !== 0) return writeAbsurd(bytes, block, base, random);
  const header = HEADER_SIZE + random.below(count) * ITEM_SIZE;
  const [field, widths] = (
    [
      [0, [8]],
      [8, [1]],
      [9, [8]],
      [17, [2, 4]],
      [21, [1, 2, 4]],
    ] as const
  )[random.below(5)]!;
  return `item header: ${poke(bytes, header + field, random, widths)}`;
}

/** A pointer to another block that exists: into another tree, to an ancestor, to itself. */
function misleadPointer(bytes: Uint8Array, block: FuzzBlock, base: FuzzBase, random: RandomStream): string {
  const target = base.blocks[random.below(base.blocks.length)]!;
  const view = viewOf(bytes);
  const count = countOf(bytes);
  if (block.isSuperblock) return pointTo(view, [80, 88, 96][random.below(3)]!, -1, target);
  if (count === 0) return writeAbsurd(bytes, block, base, random);
  const slot = random.below(count);
  if (bytes[100] !== 0) {
    const pointer = HEADER_SIZE + slot * POINTER_SIZE;
    if (pointer + POINTER_SIZE > bytes.length) return 'nothing';
    return pointTo(view, pointer + 17, random.chance(3, 4) ? pointer + 25 : -1, target);
  }
  const header = HEADER_SIZE + slot * ITEM_SIZE;
  const at = HEADER_SIZE + view.getUint32(header + 17, true);
  const isRoot = bytes[header + 8] === 132 && at + 184 <= bytes.length;
  if (!isRoot) return damageItem(bytes, block, base, random);
  return `root ${pointTo(view, at + 176, random.chance(3, 4) ? at + 160 : -1, target)}`;
}

function pointTo(view: DataView, at: number, generationAt: number, target: FuzzBlock): string {
  view.setUint32(at, target.logical, true);
  view.setUint32(at + 4, 0, true);
  if (generationAt >= 0) view.setUint32(generationAt, target.generation, true);
  return `pointer at ${at} to ${target.logical}`;
}

/** The content of another block, with or without this one's address, owner and generation. */
function copyBlock(bytes: Uint8Array, block: FuzzBlock, base: FuzzBase, random: RandomStream): string {
  const source = base.blocks[random.below(base.blocks.length)]!;
  if (source.length !== block.length || block.isSuperblock !== source.isSuperblock) return 'nothing';
  const own = bytes.slice(0, HEADER_SIZE);
  bytes.set(base.image.read(source.offset, source.length));
  if (random.chance(3, 4)) bytes.set(own.subarray(48, 56), 48);
  if (random.chance(3, 4)) bytes.set(own.subarray(80, 96), 80);
  if (random.chance(1, 2)) bytes[100] = own[100]!;
  return `content of ${source.logical}`;
}

function fillWithNoise(bytes: Uint8Array, _block: FuzzBlock, _base: FuzzBase, random: RandomStream): string {
  const start = random.chance(1, 2) ? HEADER_SIZE : 32;
  const length = random.chance(1, 2) ? bytes.length - start : Math.min(random.below(300), bytes.length - start);
  for (let i = start; i < start + length; i++) bytes[i] = random.below(256);
  return `${length} bytes of noise from ${start}`;
}
