import type { Operation, Outcome } from './operation.ts';

export type KernelFileSystem = 'btrfs' | 'ext4' | 'xfs';
/** What may be expected to be equal. */
export type ComparedAs = KernelFileSystem | 'compressed btrfs' | 'btrfs by sectors';

/** A difference between the engine and Linux that is meant, or lies outside the file system. */
export interface DocumentedException {
  readonly name: string;
  readonly reason: string;
  /** Where it holds. */
  readonly fileSystems: readonly ComparedAs[];
  /** Of an outcome: true when these two may differ so. Fields of `stat` and of trees are named in `fields`. */
  readonly covers?: (operation: Operation, engine: Outcome, linux: Outcome) => boolean;
  readonly fields?: readonly string[];
}

const ALL = ['btrfs', 'compressed btrfs', 'btrfs by sectors', 'ext4', 'xfs'] as const;
const OTHERS = ['ext4', 'xfs'] as const;

export const EXCEPTIONS: readonly DocumentedException[] = [
  {
    name: 'special-files',
    reason:
      'opening a fifo, socket or device for reading and writing never reaches the file system; the engine answers as for a file of the wrong kind',
    fileSystems: ALL,
    covers: (_operation, _engine, linux) => 'error' in linux && linux.error === 'special file',
  },
  {
    name: 'cursors',
    reason:
      'the cursor of an entry is the index of the next one on Linux, or 2147483647 at the end, and the index behind its own on the engine: both lead to the same entries, and that is what is compared',
    fileSystems: ALL,
    fields: ['cursor'],
  },
  {
    name: 'ragged-punches',
    reason:
      'a punched range of several sectors that begins or ends within one is not drawn: Linux looks at its cached extent map only, and may leave a sector of zeroes in a hole that lies in two. For the same reason it may set the times of a file when whole sectors are punched where all is a hole already, across its end say: that is drawn, and reported where it happens (once in some 100,000 operations)',
    fileSystems: ALL,
    fields: [],
  },
  {
    name: 'blocks-in-flight',
    reason:
      'the kernel writes data out when it likes, and counts blocks differently meanwhile: blocks are compared after a sync only',
    fileSystems: ALL,
    fields: [],
  },
  {
    name: 'large-attributes',
    reason:
      'a value that fills most of a leaf is not drawn: Linux refuses with ENOSPC to let it replace a smaller one, and lets it replace none',
    fileSystems: ALL,
    fields: [],
  },
  {
    name: 'lost-sizes',
    reason:
      'without no-holes, preallocation beyond the end of a file is not drawn: Linux 6.18 loses the size of such a file. Measured with Linux alone: 497 bytes at 139264, zero range 139264 +7814 with the size kept, remount, write 128446 +131072, fsync; after the next remount the size is 143360 and not 259518, and the data behind it is gone',
    fileSystems: ['btrfs'],
    fields: [],
  },
  {
    name: 'unaligned-direct',
    reason:
      'direct reads and writes of parts of sectors are not drawn, nor direct appends: the engine refuses them with EINVAL, Linux sends them through the page cache',
    fileSystems: ALL,
    fields: [],
  },
  {
    name: 'trimmed-sectors',
    reason:
      'a truncate down to the middle of a sector writes it anew with zeroes behind the end, so that it is no longer shared; Linux writes it when the file grows. The profile whole-sectors cuts no sectors, and compares the flag',
    fileSystems: ['btrfs', 'compressed btrfs'],
    fields: ['extents.SHARED'],
  },
  {
    name: 'compressed-batches',
    reason:
      'what is compressed together, and whether that pays, depends on which dirty pages are written out together, and so on when Linux writes them out',
    fileSystems: ['compressed btrfs'],
    fields: ['blocks', 'extents'],
  },
  {
    name: 'not-empty',
    reason: 'xfs says EEXIST where btrfs and ext4 say ENOTEMPTY',
    fileSystems: ['xfs'],
    covers: ({ do: kind }, engine, linux) =>
      kind === 'rename' &&
      'error' in engine &&
      engine.error === 'ENOTEMPTY' &&
      'error' in linux &&
      linux.error === 'EEXIST',
  },
  {
    name: 'times-of-truncate',
    reason: 'truncate(2) to the size that a file has changes its times on ext4, not on btrfs and xfs',
    fileSystems: ['ext4'],
    fields: ['modifyTime'],
  },
  {
    name: 'directory-sizes',
    reason: 'how large a directory is, and how many links it has, is a matter of each file system',
    fileSystems: OTHERS,
    fields: ['directory.size', 'directory.links'],
  },
  {
    name: 'numbers-and-blocks',
    reason: 'inode numbers, counts of blocks, orders of names and places of extents are a matter of each file system',
    fileSystems: OTHERS,
    fields: ['inode', 'blocks', 'order', 'cursor', 'extents', 'data-ranges'],
  },
];

export function exceptionFor(
  type: ComparedAs,
  operation: Operation,
  engine: Outcome,
  linux: Outcome,
): DocumentedException | null {
  const found = EXCEPTIONS.find(
    ({ fileSystems, covers }) => fileSystems.includes(type) && covers?.(operation, engine, linux) === true,
  );
  return found ?? null;
}

export function isFieldCompared(type: ComparedAs, field: string): boolean {
  return !EXCEPTIONS.some(({ fileSystems, fields }) => fileSystems.includes(type) && fields?.includes(field) === true);
}

/** The table as `docs/FIDELITY.md` has it. */
export function exceptionTable(): string {
  const rows = EXCEPTIONS.map(({ name, fileSystems, fields, reason }) => {
    const what = fields === undefined ? 'answers' : fields.join(', ') || '–';
    return `| ${name} | ${fileSystems.join(', ')} | ${what} | ${reason} |`;
  });
  return ['| exception | beside | what is not compared | why |', '|---|---|---|---|', ...rows].join('\n');
}
