import type { Operation, Outcome } from './operation.ts';

export type KernelFileSystem = 'btrfs' | 'ext4' | 'xfs';
/** What may be expected to be equal. */
export type ComparedAs = KernelFileSystem | 'compressed btrfs';

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

const ALL = ['btrfs', 'compressed btrfs', 'ext4', 'xfs'] as const;
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
    name: 'order-of-refusals',
    reason:
      'a request between two files that is wrong in several respects: both sides refuse it and change nothing, but may name another of the reasons',
    fileSystems: ALL,
    covers: (operation, engine, linux) =>
      ['reflink', 'dedupe', 'copyRange'].includes(operation.do) &&
      'error' in engine &&
      engine.error !== 'crash' &&
      'error' in linux,
  },
  {
    name: 'ragged-punches',
    reason:
      'a punched range of several sectors that begins or ends within one is not drawn: Linux looks at its cached extent map only, and may leave a sector of zeroes in a hole that lies in two',
    fileSystems: ALL,
    fields: [],
  },
  {
    name: 'shared-neighbours',
    reason:
      'an extent counts as shared as a whole, and how far it reaches depends on what was written out together: a flush of a part of a file writes out the dirty pages behind it on Linux, but not on the engine',
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
