import { Zstd } from '@hpcc-js/wasm-zstd';
import { provideZstd } from '../../fs/format/zstd.ts';

/** As Linux without a level in the mount option. */
const LEVEL = 3;

/** Before a file system that compresses with zstd is mounted for writing; takes some 50 ms the first time. */
export async function loadZstd(): Promise<void> {
  const zstd = await Zstd.load();
  provideZstd((bytes) => zstd.compress(bytes, LEVEL));
}
