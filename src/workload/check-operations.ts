import type { z } from 'zod';
import { suggest } from '../base/nearest.ts';
import { MIB, SECTOR_SIZE } from '../base/units.ts';
import { isAdministration, readAdministration } from './check-administration.ts';
import { filesOf, isFileChange, readFileChange } from './check-file-changes.ts';
import { showSize } from './check-filesystem.ts';
import { type Checker, headOf, type Part } from './checker.ts';
import { describeValue, type Located, type Path } from './located.ts';
import type { FileReference, Operation, Outcome, SourcePosition } from './model.ts';
import { itemPath, listOf } from './names.ts';
import { BARE_OPERATIONS, OPERATION, OPERATION_NAMES } from './schema.ts';

/** An operation and its place, for the checks that need several of them. */
export interface PlacedOperation {
  readonly operation: Operation;
  /** The list's item. */
  readonly node: Located;
}

export interface OperationList {
  readonly operations: readonly PlacedOperation[];
  /** False when some item is missing because it has problems: then nothing is certain about what the list does. */
  readonly isComplete: boolean;
}

interface ListContext {
  readonly isSetup: boolean;
  /** Bytes of all devices; null when unknown. */
  readonly capacity: number | null;
  /** The list is run again after its end. */
  readonly isRepeated: boolean;
}

interface OpenHandle {
  readonly path: string;
  readonly direct: boolean;
  readonly append: boolean;
  readonly node: Located;
}

type OperationForm = Exclude<z.output<typeof OPERATION>, string>;
type Arguments<Kind extends keyof OperationForm> = NonNullable<OperationForm[Kind]>;

/** One operation moves at most this many bytes: they are held in memory. */
const IO_LENGTH_MAX = 256 * MIB;

/** Reads a list of operations: each on its own, and the handles through the list. */
export function checkOperations(checker: Checker, list: Located, context: ListContext): OperationList {
  return new ListReader(checker, context).read(list);
}

class ListReader {
  private readonly checker: Checker;
  private readonly context: ListContext;
  private readonly handles = new Map<string, OpenHandle>();
  private readonly closed = new Set<string>();
  private isComplete = true;
  /** False after an item that could not be read and may have opened something. */
  private areHandlesKnown = true;

  constructor(checker: Checker, context: ListContext) {
    this.checker = checker;
    this.context = context;
  }

  read(list: Located): OperationList {
    const operations = list.items.flatMap((node): PlacedOperation[] => {
      const operation = this.readOne(node);
      if (operation === null) {
        this.isComplete = false;
        if (mayOpen(node)) this.areHandlesKnown = false;
      }
      return operation === null ? [] : [{ operation, node }];
    });
    if (this.context.isRepeated && this.isComplete) {
      for (const [handle, { node }] of this.handles) {
        const message = `$${handle} is still open at the end of the list, which is repeated`;
        this.checker.reportAt(node, ['open', 'as'], 'handle', message, `add "close: $${handle}"`);
      }
    }
    return { operations, isComplete: this.isComplete };
  }

  private readOne(node: Located): Operation | null {
    const what = 'an operation';
    if (node.isReported) return null;
    if (node.kind !== 'mapping' && !isBare(node.value)) {
      this.reportNoOperation(node);
      return null;
    }
    const part = this.checker.read(OPERATION, node, nameOfItem(node) ?? what);
    if (part === null) return null;
    const form: OperationForm = typeof part.data === 'string' ? { [part.data]: null } : part.data;
    // `sync:` without an argument is there, although its value is nothing.
    const kinds = OPERATION_NAMES.filter((name) => (node.kind === 'mapping' ? node.entries.has(name) : name in form));
    const inFile = [...node.entries.keys()];
    kinds.sort((a, b) => inFile.indexOf(a) - inFile.indexOf(b));
    const [kind] = kinds;
    if (kind === undefined) {
      if (!part.isPartial)
        this.checker.report(
          'missing-key',
          'no operation is named here',
          { start: node.start, end: node.start + 1 },
          'such as "write:" or "fsync:"',
        );
      return null;
    }
    for (const other of kinds.slice(1)) {
      this.checker.reportKey(
        node,
        other,
        'contradiction',
        `one item is one operation, here are ${kinds.join(' and ')}`,
        'begin a new item with "- "',
      );
    }
    if (kinds.length > 1) return null;
    if (node.kind === 'mapping' && form[kind] === undefined) return null;
    const operation = this.build(kind, { ...part, data: form });
    if (part.isPartial) this.isComplete = false;
    return operation;
  }

  private reportNoOperation(node: Located): void {
    const found = node.value;
    if (typeof found !== 'string') {
      const message = `expected an operation, found ${describeValue(found)}`;
      this.checker.report('value', message, headOf(node), 'such as "write: { … }"');
    } else if ((OPERATION_NAMES as readonly string[]).includes(found)) {
      this.checker.report('missing-key', `${found} needs arguments`, node, `write it as "${found}: …"`);
    } else {
      const hint = suggest(found, OPERATION_NAMES);
      this.checker.report('unknown-name', `there is no operation ${JSON.stringify(found)}`, node, hint);
    }
  }

  private build(kind: (typeof OPERATION_NAMES)[number], part: Part<OperationForm>): Operation | null {
    const { data, node } = part;
    const expect = this.expectOf(part);
    const at: SourcePosition = this.checker.source.positionOf(node.start);
    const base = { expect, at };
    if (isAdministration(kind)) {
      if (kind === 'wipe' && !this.isSetupOnly(node, kind, 'fail its I/O by a rule')) return null;
      return readAdministration(this.checker, node, kind, data, base);
    }
    if (isFileChange(kind)) {
      for (const { key, file } of filesOf(kind, data)) if (!this.isUsable(node, [kind, key], file)) return null;
      const operation = readFileChange(this.checker, node, kind, data, base);
      if (operation?.kind === 'tmpfile') {
        const { directory: path, as } = operation;
        this.openHandle(node, ['tmpfile', 'as'], as, { path, direct: false, append: false, node });
      }
      if (operation?.kind === 'zero') this.checkFits(node, operation.kind, operation);
      return operation;
    }
    switch (kind) {
      case 'mkdir':
        return { kind, path: data.mkdir!, ...base };
      case 'create': {
        const form = typeof data.create === 'string' ? { file: data.create } : data.create!;
        const { file, as = null, nodatacow = false, compress = null } = form;
        if (as !== null)
          this.openHandle(node, ['create', 'as'], as, { path: file, direct: false, append: false, node });
        return { kind, path: file, as, nodatacow, compress, ...base };
      }
      case 'open': {
        const { file, as, direct = false, append = false } = data.open!;
        if (direct && append) this.refuseDirectAppend(node, ['open', 'append']);
        this.openHandle(node, ['open', 'as'], as, { path: file, direct, append, node });
        return { kind, path: file, as, direct, append, ...base };
      }
      case 'close': {
        const handle = data.close!;
        if (this.resolveHandle(node, ['close'], handle) === null) return null;
        this.handles.delete(handle);
        this.closed.add(handle);
        return { kind, handle, ...base };
      }
      case 'unlink':
        return { kind, path: data.unlink!, ...base };
      case 'rename':
        return this.buildRename(node, data.rename!, base);
      case 'truncate': {
        const { file, size } = data.truncate!;
        return this.isUsable(node, ['truncate', 'file'], file) ? { kind, file, size, ...base } : null;
      }
      case 'write':
        return this.buildWrite(node, data.write!, base);
      case 'read':
        return this.buildRead(node, data.read!, base);
      case 'fsync':
      case 'fdatasync':
      case 'fiemap': {
        const form = data[kind]!;
        const file = 'file' in form ? form.file : form;
        const path = 'file' in form ? [kind, 'file'] : [kind];
        return this.isUsable(node, path, file) ? { kind, file, ...base } : null;
      }
      case 'remount':
        if (!this.isSetupOnly(node, kind, 'use drop-caches for cold caches')) return null;
        return { kind, ...base };
      case 'fallocate':
        return this.buildFallocate(node, data.fallocate!, base);
      case 'corrupt':
        return this.buildCorrupt(node, data.corrupt!, base);
      case 'drop-caches':
        return this.buildDrop(node, data[kind] ?? null, base);
      case 'sync':
      case 'clean':
      case 'scrub-cancel':
      case 'replace-cancel':
        return { kind, ...base };
      case 'sleep':
        return { kind, duration: data.sleep!, ...base };
      case 'mark':
        return { kind, point: data.mark!, ...base };
    }
  }

  private buildDrop(
    node: Located,
    form: Arguments<'drop-caches'> | null,
    base: Pick<Operation, 'expect' | 'at'>,
  ): Operation | null {
    const kind = 'drop-caches';
    if (form === null) return { kind, ...base };
    const { file, offset = 0, length } = form;
    if (!this.isUsable(node, [kind, 'file'], file)) return null;
    this.checkSectors(node, kind, { offset, length, what: 'extent maps cover' });
    return { kind, range: { file, offset, length }, ...base };
  }

  private buildRename(node: Located, form: Arguments<'rename'>, base: Pick<Operation, 'expect' | 'at'>): Operation {
    const { from, to, exchange = false } = form;
    const noReplace = form['no-replace'] ?? false;
    if (exchange && noReplace) {
      const message = 'an exchange needs both names';
      this.checker.reportAt(node, ['rename', 'no-replace'], 'contradiction', message, 'remove one of the two');
    }
    return { kind: 'rename', from, to, exchange, noReplace, ...base };
  }

  private buildFallocate(
    node: Located,
    form: Arguments<'fallocate'>,
    base: Pick<Operation, 'expect' | 'at'>,
  ): Operation | null {
    const kind = 'fallocate';
    const { file, offset = 0, length } = form;
    if (!this.isUsable(node, [kind, 'file'], file)) return null;
    if (base.expect?.includes('EINVAL') !== true)
      this.checkSectors(node, kind, { offset, length, what: 'space is allocated in' });
    this.checkFits(node, kind, { offset, length, expect: base.expect });
    return { kind, file, offset, length, keepSize: form['keep-size'] ?? false, ...base };
  }

  private buildCorrupt(
    node: Located,
    form: Arguments<'corrupt'>,
    base: Pick<Operation, 'expect' | 'at'>,
  ): Operation | null {
    const kind = 'corrupt';
    const { file, offset = 0, length, mirror } = form;
    if (!this.isUsable(node, [kind, 'file'], file)) return null;
    this.checkSectors(node, kind, { offset, length, what: 'damage covers' });
    return { kind, file, offset, length, mirror, ...base };
  }

  private checkSectors(
    node: Located,
    kind: 'drop-caches' | 'fallocate' | 'corrupt',
    range: { readonly offset: number; readonly length: number; readonly what: string },
  ): void {
    for (const key of ['offset', 'length'] as const) {
      const value = range[key];
      if (value % SECTOR_SIZE === 0 && (key === 'offset' || value > 0)) continue;
      const hint = `did you mean ${showSize(Math.max(SECTOR_SIZE, value - (value % SECTOR_SIZE)))}?`;
      const message = `${range.what} whole sectors of 4K, this ${key} is ${showSize(value)}`;
      this.checker.reportAt(node, [kind, key], 'size', message, hint);
    }
  }

  /** Setup may unmount in between; where tasks are at work nobody can. */
  private isSetupOnly(node: Located, kind: 'remount' | 'wipe', hint: string): boolean {
    if (this.context.isSetup) return true;
    const message = `${kind} stands in setup only: other tasks are at work here`;
    this.checker.report('rule', message, this.placeOf(node, kind), hint);
    return false;
  }

  private buildWrite(
    node: Located,
    form: Arguments<'write'>,
    base: Pick<Operation, 'expect' | 'at'>,
  ): Operation | null {
    const { file, length } = form;
    if (!this.isUsable(node, ['write', 'file'], file)) return null;
    const direct = this.modeOf(node, 'write', 'direct', form);
    const append = this.modeOf(node, 'write', 'append', form);
    const inherits = file.kind === 'handle' && form.append === undefined;
    if (direct && append && !inherits) this.refuseDirectAppend(node, ['write', 'append']);
    if (append && form.offset !== undefined) {
      this.checker.reportKey(
        argumentsOf(node, 'write'),
        'offset',
        'contradiction',
        'an append has no offset: it goes to the end of the file',
        'remove one of "offset" and "append"',
      );
    }
    const mapped = form.mapped ?? false;
    for (const [mode, isOn] of [
      ['direct', direct],
      ['append', append],
    ] as const) {
      if (!mapped || !isOn) continue;
      const message = `a mapped write is not ${mode === 'direct' ? 'direct' : 'an append'}`;
      this.checker.reportAt(node, ['write', 'mapped'], 'contradiction', message, 'remove one of the two');
    }
    const offset = append ? null : (form.offset ?? 0);
    this.checkTransfer(node, 'write', { offset: offset ?? 0, length, direct, expect: base.expect });
    return { kind: 'write', file, offset, length, direct, append, mapped, ...base };
  }

  private buildRead(node: Located, form: Arguments<'read'>, base: Pick<Operation, 'expect' | 'at'>): Operation | null {
    const { file, length, offset = 0 } = form;
    if (!this.isUsable(node, ['read', 'file'], file)) return null;
    const direct = this.modeOf(node, 'read', 'direct', form);
    this.checkTransfer(node, 'read', { offset, length, direct, expect: base.expect });
    return { kind: 'read', file, offset, length, direct, ...base };
  }

  /** `direct` or `append` of an operation: its own word, or that of its handle; they must not differ. */
  private modeOf(
    node: Located,
    kind: 'read' | 'write',
    mode: 'direct' | 'append',
    form: {
      readonly file: FileReference;
      readonly direct?: boolean | undefined;
      readonly append?: boolean | undefined;
    },
  ): boolean {
    const own = form[mode];
    if (form.file.kind === 'path') return own ?? false;
    const handle = this.handles.get(form.file.handle);
    if (handle === undefined) return own ?? false;
    if (own !== undefined && own !== handle[mode]) {
      const opened = handle[mode] ? `with ${mode}` : `without ${mode}`;
      this.checker.reportAt(
        node,
        [kind, mode],
        'contradiction',
        `$${form.file.handle} was opened ${opened}`,
        `say "${mode}" where it is opened`,
      );
    }
    return handle[mode];
  }

  private checkTransfer(
    node: Located,
    kind: 'read' | 'write',
    transfer: {
      readonly offset: number;
      readonly length: number;
      readonly direct: boolean;
      readonly expect: readonly Outcome[] | null;
    },
  ): void {
    const { offset, length, direct, expect } = transfer;
    const refuse = (key: string, message: string, hint: string | null = null) =>
      this.checker.reportAt(node, [kind, key], 'size', message, hint);
    if (length === 0) refuse('length', `a ${kind} of no bytes does nothing`, 'at least 1');
    else if (length > IO_LENGTH_MAX)
      refuse(
        'length',
        `one ${kind} moves at most ${showSize(IO_LENGTH_MAX)}, found ${showSize(length)}`,
        'use several',
      );
    else if (kind === 'write') this.checkFits(node, kind, { offset, length, expect });
    else if (offset + length > Number.MAX_SAFE_INTEGER) refuse('offset', `the read ends beyond 2^53`);
    if (!direct || expect?.includes('EINVAL') === true) return;
    for (const [key, value] of [
      ['offset', offset],
      ['length', length],
    ] as const) {
      if (value % SECTOR_SIZE === 0) continue;
      const down = value - (value % SECTOR_SIZE);
      const near = down === 0 ? [SECTOR_SIZE] : [down, down + SECTOR_SIZE];
      const hint = `did you mean ${near.map(showSize).join(' or ')}? (or expect: EINVAL)`;
      this.checker.reportAt(
        node,
        [kind, key],
        'unaligned',
        `a direct ${kind} has whole sectors of 4K, its ${key} is ${showSize(value)}`,
        hint,
      );
    }
  }

  private checkFits(
    node: Located,
    kind: 'write' | 'fallocate' | 'zero',
    write: { readonly offset: number; readonly length: number; readonly expect: readonly Outcome[] | null },
  ): void {
    const { capacity } = this.context;
    const { offset, length, expect } = write;
    if (capacity === null || offset + length <= capacity) return;
    if (expect?.some((outcome) => outcome === 'ENOSPC' || outcome === 'EFBIG') === true) return;
    const key = length > capacity || offset === 0 ? 'length' : 'offset';
    const message = `the ${kind} ends at ${showSize(offset + length)}, past all that the devices can hold (${showSize(capacity)})`;
    this.checker.reportAt(node, [kind, key], 'size', message, 'enlarge filesystem.devices, or expect: ENOSPC');
  }

  private openHandle(node: Located, path: Path, handle: string, open: OpenHandle): void {
    if (this.handles.has(handle)) {
      this.checker.reportAt(
        node,
        path,
        'handle',
        `$${handle} is already open`,
        `close it first, or choose another name`,
      );
    }
    this.handles.set(handle, open);
    this.closed.delete(handle);
  }

  private isUsable(node: Located, path: Path, file: FileReference): boolean {
    return file.kind === 'path' || this.resolveHandle(node, path, file.handle) !== null;
  }

  private resolveHandle(node: Located, path: Path, handle: string): OpenHandle | null {
    const open = this.handles.get(handle);
    if (open !== undefined) return open;
    if (!this.areHandlesKnown) return null;
    const names = [...this.handles.keys()].map((name) => `$${name}`);
    if (this.closed.has(handle)) {
      this.checker.reportAt(node, path, 'handle', `$${handle} is used after it was closed`);
    } else {
      const hint =
        names.length === 0 ? `open it first: open: { file: /f, as: ${handle} }` : suggest(`$${handle}`, names);
      this.checker.reportAt(node, path, 'handle', `$${handle} is used before it is opened in this list`, hint);
    }
    this.isComplete = false;
    return null;
  }

  private refuseDirectAppend(node: Located, path: Path): void {
    this.checker.reportAt(
      node,
      path,
      'contradiction',
      'direct and append exclude each other: the end of a file need not be at a whole sector',
      'remove one of them',
    );
  }

  private expectOf(part: Part<OperationForm>): readonly Outcome[] | null {
    const outcomes = listOf<Outcome>(part.data.expect);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcomes.indexOf(outcome) !== index) {
        this.checker.reportAt(
          part.node,
          itemPath(part.node, 'expect', index),
          'contradiction',
          `${outcome} is already in this list`,
          'remove it',
        );
      }
    }
    return outcomes.length === 0 ? null : outcomes;
  }

  private placeOf(node: Located, key: string): { readonly start: number; readonly end: number } {
    const entry = node.entries.get(key);
    return entry === undefined ? node : { start: entry.keyStart, end: entry.keyEnd };
  }
}

function argumentsOf(node: Located, kind: string): Located {
  return node.entries.get(kind)?.node ?? node;
}

function isBare(name: unknown): boolean {
  return (BARE_OPERATIONS as readonly unknown[]).includes(name);
}

function nameOfItem(node: Located): string | null {
  const name = OPERATION_NAMES.find((known) => node.entries.has(known));
  return name === undefined ? null : `"${name}"`;
}

/** Whether an item that cannot be read may have been meant to open a handle. */
function mayOpen(node: Located): boolean {
  const names = OPERATION_NAMES.filter((known) => node.entries.has(known));
  return names.length === 0 || names.some((name) => ['open', 'create', 'tmpfile'].includes(name));
}
