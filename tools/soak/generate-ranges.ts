import type { RandomStream } from '../../src/base/random.ts';
import type { OperationForm } from './generate.ts';

const SECTOR = 4096;
const LINKS = ['/x', '/d/y'];

/** Everything about names, attributes and ranges that goes beyond writes: links, clearing, sharing, forms of storage. */
export class RangeGenerator {
  private readonly random: RandomStream;
  private temporaryCount = 0;

  constructor(random: RandomStream) {
    this.random = random;
  }

  mount(): Record<string, unknown> {
    const compress = this.oneOf([{}, {}, { compress: 'zlib' }, { compress: 'zstd' }]);
    const force = 'compress' in compress && this.random.chance(1, 2) ? { 'compress-force': true } : {};
    const inline = this.random.chance(1, 2) ? { 'max-inline': this.oneOf([2048, 512]) } : {};
    const plain = this.oneOf([{}, {}, {}, { nodatasum: true }, { nodatacow: true }]);
    return { ...compress, ...force, ...inline, ...plain };
  }

  setup(files: readonly string[]): OperationForm[] {
    if (!this.random.chance(1, 2)) return [];
    return [this.share(files, this.oneOf(['reflink', 'copy']), ['ok', 'EINVAL', 'ENOENT'])];
  }

  /** `target`: a file or handle of the task. `expect`: what names may end with. */
  operation(files: readonly string[], target: string, expect: readonly string[]): OperationForm[] {
    const roll = this.random.below(100);
    if (roll < 12) return [{ punch: { file: target, ...this.range() } }];
    if (roll < 22) return [{ zero: { file: target, ...this.range(), ...this.keepSize() } }];
    if (roll < 40) return [this.share(files, 'reflink')];
    if (roll < 46) return [this.share(files, 'copy')];
    if (roll < 54) return [this.share(files, 'dedupe')];
    if (roll < 62) {
      const range = this.range();
      const write = { write: { file: target, ...range, mapped: true }, expect: ['EFAULT', ...expect] };
      return this.random.chance(1, 2) ? [write] : [write, { msync: { file: target, ...this.aligned() } }];
    }
    if (roll < 68) {
      const what = this.oneOf(['data', 'hole']);
      return [{ seek: { file: target, offset: this.random.below(20) * SECTOR, what } }];
    }
    if (roll < 76) return [{ link: { file: this.oneOf(files), to: this.oneOf(LINKS) }, expect: ['EPERM', ...expect] }];
    if (roll < 80) return [{ unlink: this.oneOf(LINKS), expect }];
    if (roll < 86) {
      const flag = this.oneOf(['exchange', 'no-replace']);
      const names = [...files, ...LINKS];
      return [{ rename: { from: this.oneOf(names), to: this.oneOf(names), [flag]: true }, expect }];
    }
    if (roll < 90) return [this.attribute(target)];
    if (roll < 94) return this.temporary(expect);
    if (roll < 97) return [{ symlink: { target: 'somewhere/else', path: this.oneOf(['/s', '/d/s']) }, expect }];
    return [{ rmdir: this.oneOf(['/e', '/d/e', '/d']), expect }];
  }

  private attribute(file: string): OperationForm {
    const name = `user.${this.oneOf(['a', 'b'])}`;
    const trouble = ['ok', 'ENODATA', 'ENOENT', 'EIO', 'ENOSPC', 'EROFS', 'EBADF', 'EEXIST'];
    return this.oneOf<OperationForm>([
      { chmod: { file, mode: '600' }, expect: trouble },
      { 'set-xattr': { file, name, value: 'v'.repeat(1 + this.random.below(100)) }, expect: trouble },
      { 'remove-xattr': { file, name }, expect: trouble },
    ]);
  }

  private temporary(expect: readonly string[]): OperationForm[] {
    const as = `tmp${this.temporaryCount++}`;
    const made: OperationForm[] = [
      { tmpfile: { directory: '/', as }, expect },
      { write: { file: `$${as}`, offset: 0, length: 3 * SECTOR }, expect },
    ];
    if (this.random.chance(1, 2)) made.push({ link: { file: `$${as}`, to: this.oneOf(LINKS) }, expect });
    return [...made, { close: `$${as}`, expect }];
  }

  private share(
    files: readonly string[],
    kind: 'reflink' | 'copy' | 'dedupe',
    also: readonly string[] = [],
  ): OperationForm {
    const source = this.oneOf(files);
    const file = this.oneOf(files);
    const { offset, length } = this.aligned();
    const form = { source, 'source-offset': this.random.below(12) * SECTOR, file, offset, length };
    return also.length === 0 ? { [kind]: form } : { [kind]: form, expect: also };
  }

  private keepSize(): Record<string, unknown> {
    return this.random.chance(1, 2) ? { 'keep-size': true } : {};
  }

  private range(): { offset: number; length: number } {
    if (this.random.chance(1, 2)) return this.aligned();
    return { offset: this.random.below(60_000), length: 1 + this.random.below(40_000) };
  }

  private aligned(): { offset: number; length: number } {
    return { offset: this.random.below(16) * SECTOR, length: (1 + this.random.below(8)) * SECTOR };
  }

  private oneOf<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }
}
