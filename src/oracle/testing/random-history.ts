import type { Errno } from '../../base/errno.ts';
import type { RandomStream } from '../../base/random.ts';
import type { OperationRecord, OperationValue } from '../../record/run-record.ts';
import { call, KIB4, type RecordSketch, stamp } from './records.ts';

/**
 * A random run of a file system that is right by construction: operations of a few tasks overlap, every sector of a
 * write and every effect of another operation happens at once at some moment between its start and its end.
 */
export function randomHistory(
  random: RandomStream,
  options: { readonly tasks: number; readonly calls: number },
): RecordSketch {
  const files = new Map<string, Model>();
  const before: Record<string, Uint8Array> = {};
  for (const [index, path] of ['/f', '/g'].entries()) {
    const bytes = stamp(`setup#${index}`, 0, random.below(4) * KIB4 + random.below(2) * 100);
    files.set(path, fileOf(bytes));
    before[path] = bytes;
  }
  const pending: Pending[] = [];
  const operations: OperationRecord[] = [];
  const counts = new Array<number>(options.tasks).fill(0);
  const total = options.tasks * options.calls;
  for (let step = 1; operations.length < total || pending.length > 0; step++) {
    const idle = counts.findIndex((count, task) => count < options.calls && !pending.some((one) => one.task === task));
    if (idle >= 0 && (pending.length === 0 || random.chance(1, 2))) {
      pending.push(begin(random, idle, counts[idle]!++, step));
      operations.push(PLACEHOLDER);
      pending.at(-1)!.slot = operations.length - 1;
      continue;
    }
    const at = random.below(pending.length);
    const one = pending[at]!;
    if (one.effects.length > 0) {
      if (one.effects[0]!(files) !== 'blocked') one.effects.shift();
      continue;
    }
    operations[one.slot] = call(`t${one.task}#${one.index}`, one.started, step, one.kind, one.args, one.result());
    pending.splice(at, 1);
  }
  const after: Record<string, Uint8Array> = {};
  for (const [path, model] of files) after[path] = model.bytes;
  return { before, after, operations };
}

/** A file as Linux guards it: whoever may change its size keeps others out; direct writes within it share. */
interface Model {
  bytes: Uint8Array;
  isLocked: boolean;
  directWriters: number;
}

type Effect = (files: Map<string, Model>) => 'blocked' | undefined;

interface Pending {
  readonly task: number;
  readonly index: number;
  readonly started: number;
  readonly kind: string;
  readonly args: Record<string, unknown>;
  /** Each happens at once, one after the other; a blocked one is tried again later. */
  readonly effects: Effect[];
  result: () => OperationValue | Errno;
  slot: number;
}

const PLACEHOLDER = call('none#0', 0, 0, 'sleep', {});

function begin(random: RandomStream, task: number, index: number, started: number): Pending {
  const path = random.chance(3, 4) ? '/f' : '/g';
  const base = { task, index, started, slot: 0 };
  switch (random.below(8)) {
    case 0:
    case 1:
      return beginRead(random, base, path);
    case 2:
      return beginTruncate(random, base, path);
    case 3:
      return beginNames(random, base, path);
    case 4:
      return beginAppend(random, base, path);
    default:
      return beginWrite(random, base, path);
  }
}

type Base = Pick<Pending, 'task' | 'index' | 'started' | 'slot'>;

function beginRead(random: RandomStream, base: Base, path: string): Pending {
  const offset = random.below(3) * KIB4;
  const length = (1 + random.below(3)) * KIB4;
  let found: Model | undefined;
  const parts: Uint8Array[] = [];
  const effects: Effect[] = [(files) => void (found = files.get(path))];
  for (let at = offset; at < offset + length; at += KIB4) {
    // Ends for good at the first short sector, as a read that looks at the size before each page does.
    effects.push(() => {
      const isOver = parts.some((part) => part.length < KIB4);
      if (found !== undefined && !isOver) parts.push(found.bytes.slice(at, at + KIB4));
    });
  }
  const result = () => (found === undefined ? 'ENOENT' : Uint8Array.from(Buffer.concat(parts)));
  return { ...base, kind: 'read', args: { path, offset, length, direct: false }, effects, result };
}

function beginTruncate(random: RandomStream, base: Base, path: string): Pending {
  const size = random.below(5) * 2048;
  let found = false;
  const effects: Effect[] = [
    (files) => {
      const model = files.get(path);
      if (model !== undefined && isBusy(model)) return 'blocked' as const;
      found = model !== undefined;
      if (model !== undefined) model.bytes = resized(model.bytes, size);
      return undefined;
    },
  ];
  const result = () => (found ? null : ('ENOENT' as const));
  return { ...base, kind: 'truncate', args: { path, size }, effects, result };
}

function beginWrite(random: RandomStream, base: Base, path: string): Pending {
  const isWhole = random.chance(1, 2);
  const offset = isWhole ? random.below(4) * KIB4 : random.below(3 * KIB4);
  const length = isWhole ? (1 + random.below(3)) * KIB4 : 1 + random.below(6000);
  const bytes = stamp(`t${base.task}#${base.index}`, offset, length);
  let found: Model | undefined;
  let isShared = false;
  const effects: Effect[] = [
    (files) => {
      const model = files.get(path);
      isShared = isWhole && model !== undefined && offset + length <= model.bytes.length;
      if (model !== undefined && (isShared ? model.isLocked : isBusy(model))) return 'blocked';
      found = model;
      if (model !== undefined && isShared) model.directWriters++;
      else if (model !== undefined) model.isLocked = true;
      return undefined;
    },
  ];
  // Ascending, so that the size never runs ahead of the data.
  for (let at = offset; at < offset + length; ) {
    const end = Math.min(offset + length, (Math.floor(at / KIB4) + 1) * KIB4);
    const start = at;
    effects.push(() => void (found !== undefined && put(found, start, bytes.subarray(start - offset, end - offset))));
    at = end;
  }
  effects.push(() => {
    if (found !== undefined && isShared) found.directWriters--;
    else if (found !== undefined) found.isLocked = false;
  });
  const result = () => (found === undefined ? 'ENOENT' : length);
  return { ...base, kind: 'write', args: { path, offset, length, direct: isWhole }, effects, result };
}

function beginAppend(random: RandomStream, base: Base, path: string): Pending {
  const length = 1 + random.below(5000);
  const bytes = stamp(`t${base.task}#${base.index}`, 0, length);
  let found = false;
  const effects: Effect[] = [
    (files) => {
      const model = files.get(path);
      if (model !== undefined && isBusy(model)) return 'blocked' as const;
      found = model !== undefined;
      if (model !== undefined) put(model, model.bytes.length, bytes);
      return undefined;
    },
  ];
  const result = () => (found ? length : ('ENOENT' as const));
  return { ...base, kind: 'write', args: { path, offset: null, length, append: true }, effects, result };
}

function beginNames(random: RandomStream, base: Base, path: string): Pending {
  let answer: null | 'EEXIST' | 'ENOENT' = null;
  const kind = ['create', 'unlink', 'rename'][random.below(3)]!;
  const to = path === '/f' ? '/g' : '/f';
  const effects: Effect[] = [
    (files) => {
      const model = files.get(path);
      if (kind === 'create') {
        if (model !== undefined) answer = 'EEXIST';
        else files.set(path, fileOf(new Uint8Array(0)));
        return;
      }
      if (model === undefined) {
        answer = 'ENOENT';
        return;
      }
      files.delete(path);
      if (kind === 'rename') files.set(to, model);
    },
  ];
  const args = kind === 'rename' ? { from: path, to } : { path };
  return { ...base, kind, args, effects, result: () => answer };
}

function fileOf(bytes: Uint8Array): Model {
  return { bytes, isLocked: false, directWriters: 0 };
}

function isBusy(model: Model): boolean {
  return model.isLocked || model.directWriters > 0;
}

function put(model: Model, start: number, bytes: Uint8Array): void {
  const after = resized(model.bytes, Math.max(model.bytes.length, start + bytes.length));
  after.set(bytes, start);
  model.bytes = after;
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const after = new Uint8Array(size);
  after.set(bytes.subarray(0, size));
  return after;
}
