import { KIB, MIB, SECTOR_SIZE } from '../base/units.ts';
import type { Checker } from './checker.ts';
import type { Located } from './located.ts';
import type { FilesystemSettings, ProfileName } from './model.ts';
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
  spares: [],
  metadata: 'single',
  data: 'single',
  mount: {
    degraded: false,
    discard: false,
    readOnly: false,
    compress: null,
    compressForce: false,
    maxInline: 0,
    nodatacow: false,
    nodatasum: false,
  },
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
    spares: data.spare ?? [],
    metadata: data.metadata,
    data: data.data,
    mount: {
      degraded: data.mount?.degraded ?? false,
      discard: data.mount?.discard ?? false,
      readOnly: data.mount?.['read-only'] ?? false,
      compress: data.mount?.compress ?? null,
      compressForce: data.mount?.['compress-force'] ?? false,
      maxInline: data.mount?.['max-inline'] ?? 0,
      nodatacow: data.mount?.nodatacow ?? false,
      nodatasum: data.mount?.nodatasum ?? false,
    },
    label: data.label,
    blockGroups: { system: groups?.system ?? null, metadata: groups?.metadata ?? null, data: groups?.data ?? null },
  };
  const sound = [
    checkDevices(checker, node, settings, vocabulary.limits ?? DEFAULT_LIMITS),
    checkNodeSize(checker, node, settings.nodeSize),
    checkProfiles(checker, node, settings),
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
  const total = settings.devices.length + settings.spares.length;
  if (settings.devices.length <= limits.devicesMax && total > limits.devicesMax) {
    refuse(['spare'], `with the spares, there are at most ${limits.devicesMax} devices, found ${total}`);
  }
  const items = (['devices', 'spare'] as const).flatMap((key) =>
    (node.entries.get(key)?.node.items ?? []).map((item, index) => ({ path: [key, index], item })),
  );
  for (const { path, item } of items) {
    const size = readSize(item.value);
    if (typeof size !== 'number') continue; // reported when the list was read
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

/** Copies that a profile keeps, and devices that it needs at least. */
export const PROFILE_FACTS: Readonly<Record<ProfileName, { readonly copies: number; readonly devicesMin: number }>> = {
  single: { copies: 1, devicesMin: 1 },
  dup: { copies: 2, devicesMin: 1 },
  raid0: { copies: 1, devicesMin: 1 },
  raid1: { copies: 2, devicesMin: 2 },
  raid1c3: { copies: 3, devicesMin: 3 },
  raid1c4: { copies: 4, devicesMin: 4 },
};

function checkProfiles(checker: Checker, node: Located, settings: FilesystemSettings): boolean {
  let isSound = true;
  for (const kind of ['metadata', 'data'] as const) {
    const profile = settings[kind];
    const { devicesMin } = PROFILE_FACTS[profile];
    const found = settings.devices.length;
    if (found >= devicesMin) continue;
    const message = `${profile} needs at least ${devicesMin} devices, there ${found === 1 ? 'is one' : `are ${found}`}`;
    const spares = settings.spares.length === 0 ? '' : '; spares do not count';
    checker.reportAt(node, [kind], 'contradiction', `${message}${spares}`, 'add sizes to filesystem.devices');
    isSound = false;
  }
  return isSound;
}

function checkBlockGroups(checker: Checker, node: Located, settings: FilesystemSettings): boolean {
  const { blockGroups, devices, metadata, data } = settings;
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
    needed += size * PROFILE_FACTS[kind === 'data' ? data : metadata].copies;
  }
  const room = devices.reduce((sum, size) => sum + size - FIRST_BLOCK_GROUP, 0);
  if (isSound && needed > room) {
    const copies = copiesInWords(PROFILE_FACTS[metadata].copies, PROFILE_FACTS[data].copies);
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

const TIMES = ['', '', 'twice', 'three times', 'four times'];

/** `, metadata and system twice`. */
function copiesInWords(metadata: number, data: number): string {
  if (metadata === data) return metadata === 1 ? '' : `, all of them ${TIMES[metadata]}`;
  const parts = [];
  if (metadata > 1) parts.push(`metadata and system ${TIMES[metadata]}`);
  if (data > 1) parts.push(`data ${TIMES[data]}`);
  return parts.map((part) => `, ${part}`).join('');
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
