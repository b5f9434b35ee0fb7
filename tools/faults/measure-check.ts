import { spawnSync } from 'node:child_process';
import type { CheckVerdict } from './measurement.ts';

const SECONDS_MAX = 60;
const WORDS_MAX = 70;
/** What it says of every image. */
const USUAL =
  /^(Opening|Checking|UUID|\[\d\/\d\]|found \d|total |btree space|file data|referenced|cache and super|ERROR: errors found|$)/;

/** `btrfs check` of a file; needs no privileges for a file system on one device. */
export function measureCheck(path: string): CheckVerdict {
  const result = spawnSync('btrfs', ['check', '--readonly', '--check-data-csum', path], {
    encoding: 'utf8',
    timeout: SECONDS_MAX * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  });
  // It repeats itself by the megabyte where a tree runs in a circle.
  const lines = `${result.stderr}\n${result.stdout}`.slice(0, 200_000).split('\n');
  const complaint = lines.map((line) => line.trim()).find((line) => !USUAL.test(line)) ?? '';
  const anonymous = complaint.replaceAll(path, 'IMAGE');
  const words = anonymous.length > WORDS_MAX ? `${anonymous.slice(0, WORDS_MAX)}…` : anonymous;
  if (result.error !== undefined) return { ending: 'hangs', words };
  if (result.signal !== null) return { ending: 'crashes', words: result.signal };
  return { ending: result.status === 0 && words === '' ? 'clean' : 'complains', words };
}
