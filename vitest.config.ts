import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './tests/support/slowest-first.ts';

export default defineConfig({
  test: {
    globalSetup: ['tests/support/say-what-is-skipped.ts'],
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    // Files that wait for the kernel leave a processor to others.
    maxWorkers: '100%',
    sequence: { sequencer: SlowestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
