/**
 * Whether bytes look as if compression would make them smaller, by samples of them: the heuristic of Linux since 4.15
 * (byte set, core set and Shannon entropy), whose answers decide what is compressed and which files are marked.
 */

const SAMPLE_SIZE = 16;
const SAMPLE_STEP = 256;
const PAGE = 4096;
/** Fewer different bytes than this are compressed. */
const BYTE_SET_MAX = 64;
/** If that many different bytes make up nine tenths: surely, and surely not. */
const CORE_SET_LOW = 64;
const CORE_SET_HIGH = 200;
/** Per cent of what bytes can carry. */
const ENTROPY_HIGH = 80;

export function looksCompressible(bytes: Uint8Array): boolean {
  const sample = sampleOf(bytes);
  const half = sample.length / 2;
  if (sample.subarray(0, half).every((byte, index) => byte === sample[half + index])) return true;
  const counts = new Uint32Array(256);
  for (const byte of sample) counts[byte]!++;
  const present = counts.filter((count) => count > 0).sort((a, b) => b - a);
  if (present.length < BYTE_SET_MAX) return true;
  const core = coreSetSize(present, sample.length);
  if (core <= CORE_SET_LOW) return true;
  if (core >= CORE_SET_HIGH) return false;
  return entropyPercent(present, sample.length) < ENTROPY_HIGH;
}

function sampleOf(bytes: Uint8Array): Uint8Array {
  const places: number[] = [];
  for (let page = 0; page < bytes.length; page += PAGE) {
    for (let at = page; at < page + PAGE - SAMPLE_SIZE; at += SAMPLE_STEP) {
      if (at + SAMPLE_SIZE < bytes.length) places.push(at);
    }
  }
  const sample = new Uint8Array(places.length * SAMPLE_SIZE);
  for (const [index, at] of places.entries()) sample.set(bytes.subarray(at, at + SAMPLE_SIZE), index * SAMPLE_SIZE);
  return sample;
}

/** How many of the most frequent bytes make up nine tenths; counted from `CORE_SET_LOW` on. */
function coreSetSize(descending: Uint32Array, total: number): number {
  const threshold = Math.floor((total * 90) / 100);
  let sum = 0;
  for (let index = 0; index < CORE_SET_LOW; index++) sum += descending[index]!;
  let size = CORE_SET_LOW;
  for (; sum <= threshold && size < CORE_SET_HIGH && size < descending.length; size++) {
    sum += descending[size]!;
    if (sum > threshold) break;
  }
  return size;
}

/** In the kernel's whole numbers: logarithms of fourth powers. */
function entropyPercent(counts: Uint32Array, total: number): number {
  const base = logOfFourthPower(total);
  let sum = 0;
  for (const count of counts) sum += count * (base - logOfFourthPower(count));
  return Math.floor((Math.floor(sum / total) * 100) / (8 * logOfFourthPower(2)));
}

function logOfFourthPower(value: number): number {
  const power = BigInt(value) ** 4n;
  return power.toString(2).length - 1;
}
