import type { Errno } from '../../base/errno.ts';
import { operationId, stampBytes } from '../../base/stamp.ts';
import type { DiskImage } from '../../record/image.ts';
import type { OperationRecord, OperationValue, RunRecord } from '../../record/run-record.ts';
import type { ImageChunk, ImageContents, ImageExtent, OpenContents } from '../image-contents.ts';
import type { Law, Violation } from '../law.ts';

/** Hand-made records for the tests of laws: times, results and disks as the test says. */

export const KIB4 = 4096;

/** Content of a disk: path to bytes, or null for a directory. */
export type Files = Readonly<Record<string, Uint8Array | null>>;

export interface RecordSketch {
  readonly before?: Files | null;
  /** Null: no image; absent: as `before`. */
  readonly after?: Files | null;
  readonly operations: readonly OperationRecord[];
  readonly extents?: Readonly<Record<string, readonly ImageExtent[]>>;
  readonly chunks?: readonly ImageChunk[];
  /** Files without checksums. */
  readonly unchecked?: readonly string[];
  readonly record?: Partial<RunRecord>;
}

/** `writer#0` from step `started` to `ended` (null: never). */
export function call(
  id: string,
  started: number,
  ended: number | null,
  operation: string,
  args: Readonly<Record<string, unknown>>,
  result: OperationValue | Errno = null,
): OperationRecord {
  const [task, index] = id.split('#');
  const outcome =
    ended === null
      ? null
      : typeof result === 'string'
        ? { error: result, where: 'in a test' }
        : { error: null, value: result };
  return { task: task!, index: Number(index ?? 0), round: 0, operation, args, started, ended, result: outcome };
}

export function write(id: string, started: number, ended: number | null, offset: number, length: number, more = {}) {
  return call(id, started, ended, 'write', { path: '/f', offset, length, direct: true, ...more }, length);
}

export function buffered(id: string, started: number, ended: number | null, offset: number, length: number) {
  return write(id, started, ended, offset, length, { direct: false });
}

export function read(id: string, started: number, ended: number, offset: number, bytes: Uint8Array, length?: number) {
  return call(id, started, ended, 'read', { path: '/f', offset, length: length ?? bytes.length }, bytes);
}

/** What `writer#0` writes at [offset, offset + length). */
export function stamp(id: string, offset: number, length: number): Uint8Array {
  const [task, index] = id.split('#');
  return stampBytes(operationId(task!, Number(index ?? 0), 0), offset, length);
}

/** Data that was there before the run. */
export function old(length: number, offset = 0): Uint8Array {
  return stamp('setup#0', offset, length);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function zeroes(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** Judges a sketch as a whole run. */
export function judge(makeLaw: (open: OpenContents) => Law, sketch: RecordSketch): Violation[] {
  const { record, open } = recordOf(sketch);
  return makeLaw(open)
    .begin({ sectorSize: KIB4, disks: () => record.before })
    .judge(record);
}

export function recordOf(sketch: RecordSketch): { readonly record: RunRecord; readonly open: OpenContents } {
  const before = sketch.before === undefined ? {} : sketch.before;
  const after = sketch.after === undefined ? before : sketch.after;
  const contents = new Map<string, ImageContents>();
  const imagesOf = (name: string, files: Files | null): DiskImage[] => {
    if (files === null) return [];
    contents.set(name, contentsOf(files, sketch));
    return [imageNamed(name)];
  };
  const record: RunRecord = {
    operations: sketch.operations,
    events: [],
    locks: [],
    rules: [],
    before: imagesOf('before', before),
    after: imagesOf('after', after),
    unmounted: true,
    aborted: null,
    tape: [],
    eventHash: '',
    steps: 1000,
    decisions: 0,
    switches: 0,
    ...sketch.record,
  };
  return { record, open: (images) => contents.get(images[0]?.fingerprint ?? '') ?? null };
}

function contentsOf(files: Files, sketch: RecordSketch): ImageContents {
  const entries = Object.keys(files)
    .sort()
    .map((path) => ({ path, kind: files[path] === null ? ('directory' as const) : ('file' as const) }));
  return {
    entries: () => entries,
    readFile: (path) => files[path] ?? null,
    damagedIn: () => [],
    hasChecksums: (path) => !(sketch.unchecked ?? []).includes(path),
    extentsOf: (tree, inode) => sketch.extents?.[`${tree}/${inode}`] ?? null,
    chunks: () => sketch.chunks ?? [],
  };
}

function imageNamed(name: string): DiskImage {
  return {
    size: 16 * 1024 * 1024,
    read: (_offset, length) => new Uint8Array(length),
    written: () => [],
    fingerprint: name,
  };
}
