import { KIB, MIB, SECTOR_SIZE } from '../base/units.ts';
import type { Checker } from './checker.ts';
import type { Located } from './located.ts';
import type { FilesystemSettings } from './model.ts';
import { readSize } from './scalars.ts';
import { FILESYSTEM } from './schema.ts';
import { DEFAULT_LIMITS, type Limits, type Vocabulary } from './vocabulary.ts';

const NODE_SIZE_MIN = 4 * KIB;
const NODE_SIZE_MAX = 64 * KIB;
/** Block groups start here; below lies the superblock. */
const FIRST_BLOCK_GROUP = MIB;
/** Chunks are mapped in stripes of this length. */
const STRIPE_LENGTH = 64 * KIB;

export const DEFAULT_FILESYSTEM: FilesystemSettings = {
  devices: [16 * MIB],
  nodeSize: 4 * KIB,
  metadata: 'single',
  data: 'single',
  label: '',
  blockGroups: { system: null, metadata: null, data: null },
};

/** The settings, and whether they can be relied on by later checks. */
export function checkFilesystem(
  checker: Checker,
  node: Located | null,
  vocabulary: Vocabulary,
): { readonly settings: FilesystemSettings; readonly isSound: boolean } {
  if (node === null) return { settings: DEFAULT_FILESYSTEM, isSound: true };
  const part = checker.read(FILESYSTEM, node, '"filesystem"');
  if (part === null) return { settings: DEFAULT_FILESYSTEM, isSound: false };
  const { data } = part;
  const groups = data['block-groups'];
  const settings: FilesystemSettings = {
    devices: data.devices,
    nodeSize: data['node-size'],
    metadata: data.metadata,
    data: data.data,
    label: data.label,
    blockGroups: { system: groups?.system ?? null, metadata: groups?.metadata ?? null, data: groups?.data ?? null },
  };
  const sound = [
    checkDevices(checker, node, settings, vocabulary.limits ?? DEFAULT_LIMITS),
    checkNodeSize(checker, node, settings.nodeSize),
  ];
  if (!part.isPartial && sound.every(Boolean)) sound.push(checkBlockGroups(checker, node, settings));
  if (part.isPartial || !sound.every(Boolean)) return { settings, isSound: false };
  const refusals = vocabulary.refusals?.(settings) ?? [];
  for (const refusal of refusals) checker.reportAt(node, refusal.at, 'size', refusal.message, refusal.hint);
  return { settings, isSound: refusals.length === 0 };
}

function checkDevices(checker: Checker, node: Located, settings: FilesystemSettings, limits: Limits): boolean {
  let isSound = true;
  const refuse = (path: readonly (string | number)[], message: string, hint: string | null = null) => {
    checker.reportAt(node, path, 'size', message, hint);
    isSound = false;
  };
  if (settings.devices.length > limits.devicesMax) {
    const many = limits.devicesMax === 1 ? 'one device' : `${limits.devicesMax} devices`;
    refuse(
      ['devices', limits.devicesMax],
      `a file system has at most ${many} so far, found ${settings.devices.length}`,
    );
  }
  for (const [index, item] of (node.entries.get('devices')?.node.items ?? []).entries()) {
    const size = readSize(item.value);
    if (typeof size !== 'number') continue; // reported when the list was read
    const path = ['devices', index];
    if (size < limits.deviceSizeMin) {
      refuse(path, `the device is too small: ${showSize(size)}`, `at least ${showSize(limits.deviceSizeMin)}`);
    } else if (size > limits.deviceSizeMax) {
      refuse(path, `the device is too large: ${showSize(size)}`, `at most ${showSize(limits.deviceSizeMax)}`);
    } else if (size % SECTOR_SIZE !== 0) {
      refuse(
        path,
        `a device has whole sectors of 4K, found ${size} bytes`,
        `did you mean ${size - (size % SECTOR_SIZE)}?`,
      );
    }
  }
  return isSound;
}

function checkNodeSize(checker: Checker, node: Located, size: number): boolean {
  const isPowerOfTwo = size > 0 && Number.isInteger(Math.log2(size));
  if (isPowerOfTwo && size >= NODE_SIZE_MIN && size <= NODE_SIZE_MAX) return true;
  const nearest = 2 ** Math.round(Math.log2(Math.min(Math.max(size, NODE_SIZE_MIN), NODE_SIZE_MAX)));
  const why = isPowerOfTwo ? 'is out of range' : 'is not a power of two';
  checker.reportAt(
    node,
    ['node-size'],
    'size',
    `the node size ${showSize(size)} ${why} from 4K to 64K`,
    `did you mean ${showSize(nearest)}?`,
  );
  return false;
}

function checkBlockGroups(checker: Checker, node: Located, settings: FilesystemSettings): boolean {
  const { blockGroups, devices, metadata } = settings;
  let isSound = true;
  let needed = 0;
  for (const kind of ['system', 'metadata', 'data'] as const) {
    const size = blockGroups[kind];
    if (size === null) continue;
    const path = ['block-groups', kind];
    if (size === 0 || size % STRIPE_LENGTH !== 0) {
      checker.reportAt(
        node,
        path,
        'size',
        `a block group is a multiple of 64K, found ${showSize(size)}`,
        `did you mean ${showSize(Math.max(1, Math.round(size / STRIPE_LENGTH)) * STRIPE_LENGTH)}?`,
      );
      isSound = false;
    }
    needed += kind === 'data' || metadata === 'single' ? size : 2 * size;
  }
  const room = devices.reduce((sum, size) => sum + size - FIRST_BLOCK_GROUP, 0);
  if (isSound && needed > room) {
    const copies = metadata === 'dup' ? ', metadata and system twice' : '';
    checker.reportAt(
      node,
      ['block-groups'],
      'size',
      `one block group of each kind needs ${showSize(needed)}${copies}; the devices have ${showSize(room)} for them`,
    );
    isSound = false;
  }
  return isSound;
}

/** `8K`, `1M`, `4100`: the largest unit that divides. */
export function showSize(bytes: number): string {
  if (bytes !== 0) {
    for (const [unit, factor] of [
      ['T', 2 ** 40],
      ['G', 2 ** 30],
      ['M', MIB],
      ['K', KIB],
    ] as const) {
      if (bytes % factor === 0) return `${bytes / factor}${unit}`;
    }
  }
  return String(bytes);
}
