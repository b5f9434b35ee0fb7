import { readExactU64, readU64, viewOf, writeU64 } from '../../base/bytes.ts';
import { needBytes } from './format-error.ts';
import { type Key, readKey, writeKey } from './key.ts';
import { readTimestamp, type Timestamp, writeTimestamp } from './timestamp.ts';

/**
 * Structures of fixed size as tables of fields: one table gives the type, the reader and the writer. Hot fields have
 * accessors of their own beside the table.
 */
export interface Field<T> {
  readonly at: number;
  readonly size: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds fields of every type.
export type FieldTable = Readonly<Record<string, Field<any>>>;

export type FieldsOf<Table extends FieldTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Field<infer T> ? T : never;
};

/** The value that a structure's reader returns and its writer takes. */
export type ValueOf<L> = L extends Layout<infer Table> ? FieldsOf<Table> : never;

/** Reader and writer of one structure. Fields of a table may be wider apart than their sizes: gaps are written as 0. */
export class Layout<Table extends FieldTable> {
  readonly name: string;
  readonly size: number;
  readonly fields: Table;
  private readonly entries: readonly (readonly [string, Field<unknown>])[];

  constructor(name: string, size: number, fields: Table) {
    this.name = name;
    this.size = size;
    this.fields = fields;
    this.entries = Object.entries(fields);
  }

  /** Reads the structure at the front of `bytes`. Throws FormatError when there are too few of them. */
  decode(bytes: Uint8Array): FieldsOf<Table> {
    needBytes(this.name, bytes.length, this.size);
    return this.read(viewOf(bytes), 0);
  }

  encode(value: FieldsOf<Table>): Uint8Array {
    const bytes = new Uint8Array(this.size);
    this.write(viewOf(bytes), 0, value);
    return bytes;
  }

  /** Like `decode`, in place; the caller knows that there is room. */
  read(view: DataView, at: number): FieldsOf<Table> {
    const value: Record<string, unknown> = {};
    for (const [name, field] of this.entries) value[name] = field.read(view, at + field.at);
    return value as FieldsOf<Table>;
  }

  write(view: DataView, at: number, value: FieldsOf<Table>): void {
    const values = value as Readonly<Record<string, unknown>>;
    for (const [name, field] of this.entries) field.write(view, at + field.at, values[name]);
  }

  /** Writes only the fields that `changes` names. */
  patch(view: DataView, at: number, changes: Partial<FieldsOf<Table>>): void {
    for (const [name, value] of Object.entries(changes)) {
      const field = this.fields[name]!;
      field.write(view, at + field.at, value);
    }
  }
}

export function u8(at: number): Field<number> {
  return {
    at,
    size: 1,
    read: (view, from) => view.getUint8(from),
    write: (view, to, value) => view.setUint8(to, value),
  };
}

export function u16(at: number): Field<number> {
  return {
    at,
    size: 2,
    read: (view, from) => view.getUint16(from, true),
    write: (view, to, value) => view.setUint16(to, value, true),
  };
}

export function u32(at: number): Field<number> {
  return {
    at,
    size: 4,
    read: (view, from) => view.getUint32(from, true),
    write: (view, to, value) => view.setUint32(to, value, true),
  };
}

/** 64 bits as a number; see `base/bytes` for what happens beyond 2^53. */
export function u64(at: number): Field<number> {
  return { at, size: 8, read: readU64, write: writeU64 };
}

/** All 64 bits, for values that use them. */
export function exactU64(at: number): Field<bigint> {
  return { at, size: 8, read: readExactU64, write: (view, to, value) => view.setBigUint64(to, value, true) };
}

export function keyField(at: number): Field<Key> {
  return { at, size: 17, read: readKey, write: writeKey };
}

export function timeField(at: number): Field<Timestamp> {
  return { at, size: 12, read: readTimestamp, write: writeTimestamp };
}

export function uuidField(at: number): Field<Uint8Array> {
  return bytesField(at, 16);
}

/** A copy of `size` bytes; a shorter value is padded with zeros, a longer one cut. */
export function bytesField(at: number, size: number): Field<Uint8Array> {
  return {
    at,
    size,
    read: (view, from) => bytesAt(view, from, size).slice(),
    write: (view, to, value) => {
      const target = bytesAt(view, to, size);
      target.fill(0);
      target.set(value.length > size ? value.subarray(0, size) : value);
    },
  };
}

/** The bytes themselves, not a copy. */
export function bytesAt(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size);
}
