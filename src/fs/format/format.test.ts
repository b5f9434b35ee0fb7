import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { viewOf } from '../../base/bytes.ts';
import { randomStream } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { BLOCK_GROUP_ITEM, showBlockGroupFlags } from './block-group.ts';
import { decodeChecksums, encodeChecksums } from './checksum.ts';
import {
  type ChunkItem,
  chunkItemSize,
  decodeChunk,
  decodeSystemChunkArray,
  encodeChunk,
  encodeSystemChunkArray,
} from './chunk.ts';
import {
  DATA_REFERENCE_ITEM,
  dataReferenceHash,
  exactDataReferenceHash,
  SHARED_DATA_REFERENCE_ITEM,
} from './data-reference.ts';
import { DEVICE_EXTENT, DEVICE_ITEM, DEVICE_REPLACE, DEVICE_STATS } from './device.ts';
import {
  decodeDirEntries,
  dirEntrySize,
  dirTypeOfMode,
  encodeDirEntries,
  encodeName,
  findDirEntry,
  nameHash,
} from './directory.ts';
import { compareInlineRefs, decodeExtentItem, encodeExtentItem, type InlineRef } from './extent-item.ts';
import { decodeFileExtent, encodeFileExtent, type FileExtent } from './file-extent.ts';
import { FormatError } from './format-error.ts';
import { decodeFreeSpaceBitmap, encodeFreeSpaceBitmap, FREE_SPACE_INFO } from './free-space.ts';
import {
  decodeInodeExtrefs,
  decodeInodeRefs,
  encodeInodeExtrefs,
  encodeInodeRefs,
  extrefHash,
  INODE_ITEM,
} from './inode.ts';
import { compareKeys, KEY_TYPE, type Key, showKey } from './key.ts';
import type { FieldTable, Layout } from './layout.ts';
import { packLeaf, packNode } from './leaf-packing.ts';
import {
  decodeRootItem,
  decodeRootRef,
  encodeRootRef,
  ROOT_ITEM,
  rootItemBytenr,
  setRootItemNode,
} from './root-item.ts';
import {
  BACKUP_ROOT,
  decodeBackupRoots,
  decodeSuperblock,
  encodeBackupRoots,
  encodeSuperblock,
  hasSuperblockMagic,
  SUPERBLOCK,
  SUPERBLOCK_MAGIC,
  superblockChecksumMatches,
  superblockFeatures,
  systemChunks,
} from './superblock.ts';
import {
  blockOwner,
  compareItemKey,
  itemBytes,
  itemCount,
  itemKey,
  leafFreeBytes,
  pointerAddress,
  sealTreeBlock,
  treeBlockChecksumMatches,
  treeBlockLayoutProblem,
} from './tree-block.ts';
import { decodeUuidItem, encodeUuidItem, parseUuid, showUuid } from './uuid.ts';

/** Sizes as the format's description gives them. */
const LAYOUTS: readonly (readonly [Layout<FieldTable>, number])[] = [
  [SUPERBLOCK, 4096],
  [BACKUP_ROOT, 168],
  [DEVICE_ITEM, 98],
  [DEVICE_EXTENT, 48],
  [DEVICE_STATS, 40],
  [DEVICE_REPLACE, 72],
  [BLOCK_GROUP_ITEM, 24],
  [DATA_REFERENCE_ITEM, 28],
  [SHARED_DATA_REFERENCE_ITEM, 4],
  [FREE_SPACE_INFO, 8],
  [INODE_ITEM, 160],
  [ROOT_ITEM, 439],
] as unknown as readonly (readonly [Layout<FieldTable>, number])[];

const UUID = Uint8Array.from({ length: 16 }, (_, index) => index * 17);

describe('tables of fields', () => {
  for (const [layout, size] of LAYOUTS) {
    test(`${layout.name} has ${size} bytes, its fields lie inside and apart`, () => {
      expect(layout.size).toBe(size);
      const fields = Object.values(layout.fields).sort((a, b) => a.at - b.at);
      let end = 0;
      for (const field of fields) {
        expect(field.at).toBeGreaterThanOrEqual(end);
        end = field.at + field.size;
      }
      expect(end).toBeLessThanOrEqual(size);
    });

    test(`${layout.name} survives a round trip`, () => {
      const random = randomStream('1', layout.name);
      const bytes = new Uint8Array(size);
      for (const field of Object.values(layout.fields)) {
        // Whole numbers up to 2^48 in every field: the two high bytes stay zero, as on real images.
        const width = field.size === 8 ? 6 : field.size;
        for (let at = 0; at < width; at++) bytes[field.at + at] = random.below(128);
      }
      if (layout === LAYOUTS[0]![0]) new DataView(bytes.buffer).setUint32(160, 0, true);
      const value = layout.decode(bytes);
      expect(layout.decode(layout.encode(value))).toEqual(value);
    });

    test(`${layout.name} that is one byte short is refused`, () => {
      expect(() => layout.decode(new Uint8Array(size - 1))).toThrow(FormatError);
    });
  }
});

describe('keys', () => {
  test('sort by objectid, type, offset, with the negative ids last', () => {
    const keys = [
      { objectid: 256, type: 1, offset: 0 },
      { objectid: 256, type: 12, offset: 5 },
      { objectid: 256, type: 12, offset: -1 },
      { objectid: 257, type: 1, offset: 0 },
      { objectid: -10, type: 128, offset: 0 },
      { objectid: -9, type: 132, offset: 0 },
    ];
    for (let i = 1; i < keys.length; i++) expect(compareKeys(keys[i - 1]!, keys[i]!)).toBeLessThan(0);
  });

  test('print as btrfs names them', () => {
    expect(showKey({ objectid: 257, type: 108, offset: 0 })).toBe('(257 EXTENT_DATA 0)');
    expect(showKey({ objectid: -5, type: 77, offset: -1 })).toBe('(-5 UNKNOWN.77 -1)');
  });
});

describe('items of variable size', () => {
  const whole = fc.nat({ max: 2 ** 31 - 1 }).map((value) => value * 4096);
  const text = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const key: fc.Arbitrary<Key> = fc.record({ objectid: whole, type: fc.nat(255), offset: fc.integer() });

  test('file extents survive a round trip, and take 53 or 21 + n bytes', () => {
    const head = {
      generation: whole,
      ramBytes: whole,
      compression: fc.nat(3),
      encryption: fc.nat(255),
      otherEncoding: fc.nat(65535),
    };
    const extents: fc.Arbitrary<FileExtent> = fc.oneof(
      fc.record({ ...head, type: fc.constant(0 as const), data: fc.uint8Array({ maxLength: 2048 }) }),
      fc.record({
        ...head,
        type: fc.constantFrom(1 as const, 2 as const),
        diskBytenr: whole,
        diskNumBytes: whole,
        offset: whole,
        numBytes: whole,
      }),
    );
    fc.assert(
      fc.property(extents, (extent) => {
        const bytes = encodeFileExtent(extent);
        expect(bytes.length).toBe(extent.type === 0 ? 21 + extent.data.length : 53);
        expect(decodeFileExtent(bytes)).toEqual(extent);
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  test('directory entries, names of inodes and of subvolumes survive a round trip', () => {
    const entry = fc.record({
      location: key,
      transid: whole,
      type: fc.nat(255),
      name: text,
      data: fc.uint8Array({ maxLength: 20 }),
    });
    const ref = fc.record({ index: whole, name: text });
    const extref = fc.record({ parent: whole, index: whole, name: text });
    const rootRef = fc.record({ dirid: whole, sequence: whole, name: text });
    const few = { maxLength: 4 };
    fc.assert(
      fc.property(
        fc.array(entry, few),
        fc.array(ref, few),
        fc.array(extref, few),
        rootRef,
        (entries, refs, extrefs, root) => {
          expect(decodeDirEntries(encodeDirEntries(entries))).toEqual(entries);
          expect(decodeInodeRefs(encodeInodeRefs(refs))).toEqual(refs);
          expect(decodeInodeExtrefs(encodeInodeExtrefs(extrefs))).toEqual(extrefs);
          expect(decodeRootRef(encodeRootRef(root))).toEqual(root);
          expect(encodeRootRef(root).length).toBe(18 + root.name.length);
        },
      ),
      { seed: 2, numRuns: 50 },
    );
  });

  test('an entry is found in place among those that share its hash', () => {
    const entries = ['abc', 'b', 'abcd'].map((name) => ({
      location: { objectid: 257, type: 1, offset: 0 },
      transid: 7,
      type: 1,
      name: encodeName(name),
      data: new Uint8Array(0),
    }));
    const bytes = new Uint8Array([0, 0, 0, ...encodeDirEntries(entries)]);
    const find = (name: string) => findDirEntry(viewOf(bytes), 3, bytes.length - 3, encodeName(name));
    expect(find('abc')).toBe(3);
    expect(find('abcd')).toBe(3 + dirEntrySize(3) + dirEntrySize(1));
    expect(find('x')).toBe(-1);
  });

  test('chunks survive a round trip, and take 48 + 32 n bytes', () => {
    const chunk = chunkOf(2);
    expect(encodeChunk(chunk).length).toBe(112);
    expect(chunkItemSize(1)).toBe(80);
    expect(decodeChunk(encodeChunk(chunk))).toEqual(chunk);
    const array = [1, 2].map((stripes) => ({
      key: { objectid: 256, type: 228, offset: stripes * MIB },
      chunk: chunkOf(stripes),
    }));
    expect(decodeSystemChunkArray(encodeSystemChunkArray(array))).toEqual(array);
  });

  test('extent items survive a round trip, and take 33, 51 and 24 + 29 n bytes', () => {
    const block: InlineRef = { type: KEY_TYPE.TREE_BLOCK_REF, root: 5 };
    const data: InlineRef = { type: KEY_TYPE.EXTENT_DATA_REF, root: 5, objectid: 257, offset: -4096, count: 2 };
    const rest: InlineRef[] = [
      { type: KEY_TYPE.SHARED_BLOCK_REF, parent: 4096 },
      { type: KEY_TYPE.SHARED_DATA_REF, parent: 8192, count: 3 },
      { type: KEY_TYPE.EXTENT_OWNER_REF, root: 256 },
    ];
    const base = { refs: 3, generation: 9, treeBlockInfo: null };
    const skinny = { ...base, flags: 2, inlineRefs: [block] };
    const fat = { ...skinny, treeBlockInfo: { firstKey: { objectid: 1, type: 2, offset: 3 }, level: 1 } };
    const extent = { ...base, flags: 1, inlineRefs: [data, data, ...rest] };
    expect(encodeExtentItem(skinny).length).toBe(33);
    expect(encodeExtentItem(fat).length).toBe(51);
    expect(encodeExtentItem(extent).length).toBe(24 + 29 * 2 + 9 + 13 + 9);
    expect(decodeExtentItem(KEY_TYPE.METADATA_ITEM, encodeExtentItem(skinny))).toEqual(skinny);
    expect(decodeExtentItem(KEY_TYPE.EXTENT_ITEM, encodeExtentItem(fat))).toEqual(fat);
    expect(decodeExtentItem(KEY_TYPE.EXTENT_ITEM, encodeExtentItem(extent))).toEqual(extent);
  });

  test('free space bitmaps give merged ranges, up to the last sector', () => {
    const free = [
      { start: MIB, length: 4096 },
      { start: MIB + 12288, length: 20480 },
      { start: 2 * MIB - 4096, length: 4096 },
    ];
    const bitmap = encodeFreeSpaceBitmap(MIB, MIB, free);
    expect(bitmap.length).toBe(32);
    expect(bitmap[0]).toBe(0b11111001);
    expect(decodeFreeSpaceBitmap(MIB, MIB, bitmap)).toEqual(free);
  });

  test('checksums, uuid items and uuids survive a round trip', () => {
    expect(decodeChecksums(encodeChecksums([0, 0xffffffff, 0xe3069283]))).toEqual([0, 0xffffffff, 0xe3069283]);
    expect(decodeUuidItem(encodeUuidItem([5, 256]))).toEqual([5, 256]);
    expect(showUuid(UUID)).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(parseUuid(showUuid(UUID))).toEqual(UUID);
    expect(parseUuid('none')).toBeNull();
  });

  test('a legacy root item of 239 bytes reads with zeros where it ends', () => {
    const bytes = new Uint8Array(439).fill(1);
    const legacy = decodeRootItem(bytes.subarray(0, 239));
    expect(legacy.generation).toBe(decodeRootItem(bytes).generation);
    expect(legacy.generationV2).toBe(0);
    expect(() => decodeRootItem(bytes.subarray(0, 300))).toThrow('expect 439 (or the legacy 239)');
  });

  test('the place of a root changes in place', () => {
    const bytes = new Uint8Array(500);
    setRootItemNode(viewOf(bytes), 61, { bytenr: 5 * MIB, level: 2, generation: 8 });
    expect(rootItemBytenr(viewOf(bytes), 61)).toBe(5 * MIB);
    expect(ROOT_ITEM.decode(bytes.subarray(61))).toMatchObject({ generation: 8, generationV2: 8, level: 2 });
  });
});

describe('hashes that Linux 6.18 wrote', () => {
  const ref = (objectid: number, offset: number) => ({ root: 5, objectid, offset });

  test('of data references', () => {
    expect(exactDataReferenceHash(ref(267, 1044480))).toBe(1007496931469575143n);
    expect(exactDataReferenceHash(ref(264, -4096))).toBe(1007496932860769025n);
    expect(exactDataReferenceHash(ref(265, 1044480))).toBe(1007496935243656938n);
    const { high, low } = dataReferenceHash(ref(264, -4096));
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(1007496932860769025n);
  });

  test('inline references of one type stand in descending order of hash', () => {
    const written = [
      ref(262, -4096),
      ref(257, 0),
      ref(261, 1044480),
      ref(259, 1044480),
      ref(258, -4096),
      ref(260, -4096),
    ];
    const refs = written.map((each): InlineRef => ({ type: KEY_TYPE.EXTENT_DATA_REF, ...each, count: 1 }));
    expect([...refs].reverse().sort(compareInlineRefs)).toEqual(refs);
    const trees: InlineRef[] = [
      { type: KEY_TYPE.TREE_BLOCK_REF, root: 256 },
      { type: KEY_TYPE.TREE_BLOCK_REF, root: 5 },
    ];
    expect([...trees].reverse().sort(compareInlineRefs)).toEqual(trees);
  });

  test('of names and of long lists of names', () => {
    expect(nameHash(encodeName('default'))).toBe(2378154706);
    expect(extrefHash(256, encodeName(`n${'48'.padStart(199, '0')}`))).toBe(149676798);
  });
});

describe('tree blocks', () => {
  const header = { fsid: UUID, chunkTreeUuid: UUID, address: MIB, generation: 3, owner: -9, level: 0 };
  const item = (objectid: number, size: number) => ({
    key: { objectid, type: 1, offset: 0 },
    data: new Uint8Array(size).fill(objectid),
  });

  test('a packed leaf is sorted, sealed and safe to walk', () => {
    const leaf = packLeaf(4096, header, [item(-5, 0), item(7, 100), item(3, 60)]);
    const view = viewOf(leaf);
    expect(treeBlockChecksumMatches(leaf)).toBe(true);
    expect(treeBlockLayoutProblem(view)).toBeNull();
    expect(itemCount(view)).toBe(3);
    expect(blockOwner(view)).toBe(-9);
    expect(itemKey(view, 2).objectid).toBe(-5);
    expect(itemBytes(view, 1)).toEqual(new Uint8Array(100).fill(7));
    expect(leafFreeBytes(view)).toBe(3995 - 3 * 25 - 160);
    expect(compareItemKey(view, 1, { objectid: 7, type: 1, offset: 0 })).toBe(0);
    expect(compareItemKey(view, 1, { objectid: 7, type: 1, offset: 1 })).toBeLessThan(0);
  });

  test('what does not fit or stands twice is refused', () => {
    expect(packLeaf(4096, header, [item(1, 3970)]).length).toBe(4096);
    expect(() => packLeaf(4096, header, [item(1, 3971)])).toThrow(FormatError);
    expect(() => packLeaf(4096, header, [item(1, 1), item(1, 2)])).toThrow('(1 INODE_ITEM 0) twice');
    const pointers = Array.from({ length: 121 }, (_, i) => ({ key: item(i, 0).key, address: i * 4096, generation: 1 }));
    const node = packNode(4096, { ...header, level: 1 }, pointers);
    expect(treeBlockLayoutProblem(viewOf(node))).toBeNull();
    expect(pointerAddress(viewOf(node), 120)).toBe(120 * 4096);
    const more = [...pointers, { key: item(121, 0).key, address: 0, generation: 1 }];
    expect(() => packNode(4096, { ...header, level: 1 }, more)).toThrow('at most 121');
  });

  test('broken layouts are named', () => {
    const broken = (change: (view: DataView) => void) => {
      const leaf = packLeaf(4096, header, [item(3, 60), item(7, 100)]);
      change(viewOf(leaf));
      sealTreeBlock(leaf);
      return treeBlockLayoutProblem(viewOf(leaf));
    };
    expect(broken((view) => view.setUint8(100, 8))?.reason).toMatch('invalid level');
    expect(broken((view) => view.setUint32(96, 160, true))?.reason).toMatch(
      'invalid nritems, have 160 expect at most 159',
    );
    expect(broken((view) => view.setUint8(101, 9))).toEqual({ slot: 1, reason: 'bad key order' });
    expect(broken((view) => view.setUint32(101 + 21, 59, true))?.reason).toMatch('unexpected item end');
    expect(broken((view) => view.setUint32(101 + 17, 0xffffffff, true))?.slot).toBe(0);
  });
});

test('whatever the bytes, decoders end with a value or a FormatError', () => {
  const decoders: ((bytes: Uint8Array) => unknown)[] = [
    decodeChunk,
    decodeSystemChunkArray,
    decodeDirEntries,
    decodeInodeRefs,
    decodeInodeExtrefs,
    decodeRootItem,
    decodeRootRef,
    decodeFileExtent,
    decodeChecksums,
    decodeUuidItem,
    decodeSuperblock,
    superblockFeatures,
    (bytes) => decodeExtentItem(KEY_TYPE.EXTENT_ITEM, bytes),
    (bytes) => decodeExtentItem(KEY_TYPE.METADATA_ITEM, bytes),
    (bytes) => decodeFreeSpaceBitmap(0, MIB, bytes),
    (bytes) => treeBlockLayoutProblem(viewOf(bytes)),
    (bytes) => itemBytes(viewOf(bytes), 0),
    ...LAYOUTS.slice(1).map(
      ([layout]) =>
        (bytes: Uint8Array) =>
          layout.decode(bytes),
    ),
  ];
  const random = randomStream('1', 'fuzz');
  for (let round = 0; round < 3000; round++) {
    const large = random.chance(1, 10);
    // Inside a larger buffer, so that reading past the slice would go unnoticed by the runtime but not by `0xee`.
    const buffer = new Uint8Array(large ? 4200 : 600).fill(0xee);
    const bytes = buffer.subarray(50, 50 + (large ? 4096 : random.below(500)));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.chance(1, 2) ? 0 : random.below(256);
    for (const decode of decoders) {
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  }
});

const hasMkfs = spawnSync('mkfs.btrfs', ['--version']).status === 0;

describe.skipIf(!hasMkfs)('an image by mkfs.btrfs (skipped without btrfs-progs)', () => {
  test('reads as what it was made to be, and writes back to the same bytes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fsquake-format-'));
    try {
      const path = join(folder, 'image');
      const made = openSync(path, 'w');
      ftruncateSync(made, 128 * MIB);
      closeSync(made);
      const fsid = '01234567-89ab-4def-8123-456789abcdef';
      const words = ['-q', '-n', '8192', '-m', 'dup', '-d', 'single', '-L', 'label', '-U', fsid, path];
      expect(spawnSync('mkfs.btrfs', words).status).toBe(0);
      const file = openSync(path, 'r');
      const read = (offset: number, length: number) => {
        const bytes = new Uint8Array(length);
        readSync(file, bytes, 0, length, offset);
        return bytes;
      };
      const bytes = read(65536, 4096);
      expect(hasSuperblockMagic(bytes)).toBe(true);
      expect(superblockChecksumMatches(bytes)).toBe(true);
      const superblock = decodeSuperblock(bytes);
      // mkfs.btrfs leaves old entries behind the used part of the array; they mean nothing.
      const cleaned = bytes.slice().fill(0, 811 + superblock.systemChunkArray.length, 2859);
      expect(encodeSuperblock(superblock).subarray(32)).toEqual(cleaned.subarray(32));
      expect(showUuid(superblock.fsid)).toBe(fsid);
      expect(superblock).toMatchObject({
        magic: SUPERBLOCK_MAGIC,
        nodeSize: 8192,
        totalBytes: 128 * MIB,
        numDevices: 1,
      });
      expect(Buffer.from(superblock.label).toString().replace(/\0+$/, '')).toBe('label');
      expect(superblockFeatures(bytes)).toEqual({
        incompat: ['MIXED_BACKREF', 'EXTENDED_IREF', 'SKINNY_METADATA', 'NO_HOLES'],
        compatRo: ['FREE_SPACE_TREE', 'FREE_SPACE_TREE_VALID'],
      });

      const backups = decodeBackupRoots(superblock.backupRoots);
      expect(encodeBackupRoots(backups)).toEqual(superblock.backupRoots);
      expect(backups.map((root) => root.treeRoot)).toContain(superblock.root);

      const [system] = systemChunks(superblock);
      const stripe = system!.chunk.stripes[0]!;
      expect(system!.chunk.stripes.length).toBe(2);
      expect(showBlockGroupFlags(system!.chunk.type)).toBe('SYSTEM|DUP');
      const leaf = read(stripe.offset + superblock.chunkRoot - system!.key.offset, 8192);
      const view = viewOf(leaf);
      expect(treeBlockChecksumMatches(leaf)).toBe(true);
      expect(treeBlockLayoutProblem(view)).toBeNull();
      expect(blockOwner(view)).toBe(3);
      expect(DEVICE_ITEM.decode(itemBytes(view, 0))).toEqual(superblock.deviceItem);
      const chunks = Array.from({ length: itemCount(view) - 1 }, (_, index) => decodeChunk(itemBytes(view, index + 1)));
      const types = chunks.map((chunk) => showBlockGroupFlags(chunk.type));
      expect(types.sort()).toEqual(['DATA|single', 'SYSTEM|DUP', 'METADATA|DUP'].sort());
      closeSync(file);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('unknown feature bits have a name too, however high', () => {
  const bytes = new Uint8Array(4096);
  viewOf(bytes).setBigUint64(188, (1n << 63n) | (1n << 14n) | 1n, true);
  expect(superblockFeatures(bytes).incompat).toEqual(['MIXED_BACKREF', 'RAID_STRIPE_TREE', 'UNKNOWN.63']);
});

test('directory entry types follow the mode', () => {
  const modes = [0o100644, 0o040755, 0o020600, 0o060600, 0o010600, 0o140600, 0o120777, 0];
  expect(modes.map(dirTypeOfMode)).toEqual([1, 2, 3, 4, 5, 6, 7, 0]);
});

function chunkOf(stripeCount: number): ChunkItem {
  const stripes = Array.from({ length: stripeCount }, (_, index) => ({
    devid: 1,
    offset: (index + 1) * MIB,
    deviceUuid: UUID,
  }));
  return {
    length: MIB,
    owner: 2,
    stripeLength: 65536,
    type: 0x22,
    ioAlign: 65536,
    ioWidth: 65536,
    sectorSize: 4096,
    subStripes: 1,
    stripes,
  };
}
