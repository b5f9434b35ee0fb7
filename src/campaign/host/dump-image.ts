import { type DumpSection, type DumpWish, dumpSections } from '../../oracle/dump/dump-sections.ts';
import { openImageFiles } from './image-file.ts';

export { type DumpSection, type DumpWish, NothingToDump } from '../../oracle/dump/dump-sections.ts';

/** Dumps the file system in these image files, the devices of one. Throws `NoImage`, `NothingToDump`. */
export function dumpImageFiles(paths: readonly string[], wish: DumpWish): Iterable<DumpSection> {
  return dumpSections(openImageFiles(paths), wish);
}
