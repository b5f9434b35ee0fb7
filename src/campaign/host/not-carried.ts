import { showName } from '../../base/show-name.ts';

/** Extended attributes that a copy could not take along, counted by name and reason. */
export class NotCarried {
  private readonly files = new Map<string, number>();

  note(name: Uint8Array, reason: string): void {
    const what = `${showName(name)} (${reason})`;
    this.files.set(what, (this.files.get(what) ?? 0) + 1);
  }

  /** One line each. */
  lines(): string[] {
    return [...this.files]
      .sort()
      .map(
        ([what, count]) =>
          `not carried: the extended attribute ${what} of ${count === 1 ? '1 file' : `${count} files`}`,
      );
  }
}
