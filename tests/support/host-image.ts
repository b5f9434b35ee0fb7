import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { DiskImage } from '../../src/record/image.ts';

const PAGE = 4096;

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
    for (let offset = 0; offset < this.size; offset += PAGE) {
      const bytes = this.#page(offset);
      if (bytes.some((byte) => byte !== 0)) yield { offset, bytes };
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
