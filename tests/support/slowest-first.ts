import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest: begun last, they would leave a processor idle while they end. */
const SLOWEST = [
  'shipped-workloads',
  'foreign-images',
  'determinism',
  'device-replace-kernel',
  'full-filesystem',
  'linux-image-commands',
  'chunk-life',
];

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification) => {
      const rank = SLOWEST.findIndex((name) => moduleId.endsWith(`tests/${name}.test.ts`));
      return rank < 0 ? SLOWEST.length : rank;
    };
    return (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b));
  }
}
