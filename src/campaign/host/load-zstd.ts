import { Zstd } from '@hpcc-js/wasm-zstd';
import { provideZstd } from '../../fs/format/zstd.ts';

/** As Linux without a level in the mount option. */
const LEVEL = 3;

/** Before a file system that compresses with zstd is mounted for writing; takes some 50 ms the first time. */
export async function loadZstd(): Promise<void> {
  const zstd = await Zstd.load();
  provideZstd((bytes) => zstd.compress(bytes, LEVEL));
}

/** `loadZstd` if the word occurs anywhere in a workload or schedule. */
export async function loadZstdFor(plain: object): Promise<void> {
  if (JSON.stringify(plain).includes('zstd')) await loadZstd();
}
