import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { DiskImage } from '../../src/record/image.ts';

const PAGE = 4096;
/** What is looked through at once for bytes that are not zero. */
const PIECE = 256 * PAGE;
const ZEROES = new Uint8Array(PIECE);

/** A host's image file or block device as a disk image; pages are read once and kept. For tests. */
export class FileImage implements DiskImage {
  readonly size: number;
  readonly fingerprint: string;
  readonly #descriptor: number;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(path: string) {
    this.size = statSync(path).size;
    this.fingerprint = path;
    this.#descriptor = openSync(path, 'r');
  }

  read(offset: number, length: number): Uint8Array {
    if (offset % PAGE === 0 && length === PAGE) return this.#page(offset);
    const result = new Uint8Array(length);
    const end = offset + length;
    for (let page = offset - (offset % PAGE); page < end; page += PAGE) {
      const from = Math.max(offset, page);
      const to = Math.min(end, page + PAGE);
      result.set(this.#page(page).subarray(from - page, to - page), from - offset);
    }
    return result;
  }

  *written(): Iterable<{ offset: number; bytes: Uint8Array }> {
    const piece = new Uint8Array(PIECE);
    for (let start = 0; start < this.size; start += PIECE) {
      const length = readSync(this.#descriptor, piece, 0, PIECE, start);
      if (isZero(piece.subarray(0, length))) continue;
      for (let at = 0; at < length; at += PAGE) {
        const bytes = piece.subarray(at, Math.min(at + PAGE, length));
        if (!isZero(bytes)) yield { offset: start + at, bytes: bytes.slice() };
      }
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #page(offset: number): Uint8Array {
    let page = this.#pages.get(offset);
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      readSync(this.#descriptor, page, 0, PAGE, offset);
      this.#pages.set(offset, page);
    }
    return page;
  }
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROES.subarray(0, bytes.length)) === 0;
}

/** An image with some bytes changed; the image below stays as it is. */
export class PatchedImage implements DiskImage {
  readonly size: number;
  readonly fingerprint: string;
  readonly #below: DiskImage;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(below: DiskImage, name = 'patched') {
    this.#below = below;
    this.size = below.size;
    this.fingerprint = `${below.fingerprint}+${name}`;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const page = at - (at % PAGE);
      let own = this.#pages.get(page);
      if (own === undefined) {
        own = new Uint8Array(this.#below.read(page, PAGE));
        this.#pages.set(page, own);
      }
      const length = Math.min(PAGE - (at - page), bytes.length - done);
      own.set(bytes.subarray(done, done + length), at - page);
      done += length;
    }
  }

  read(offset: number, length: number): Uint8Array {
    const result = new Uint8Array(this.#below.read(offset, length));
    for (const [page, bytes] of this.#pages) {
      const from = Math.max(offset, page);
      const to = Math.min(offset + length, page + PAGE);
      if (from < to) result.set(bytes.subarray(from - page, to - page), from - offset);
    }
    return result;
  }

  *written(): Iterable<{ offset: number; bytes: Uint8Array }> {
    yield* this.#below.written();
    for (const [offset, bytes] of this.#pages) yield { offset, bytes };
  }
}
