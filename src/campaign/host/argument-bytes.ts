import { readFileSync } from 'node:fs';

const REPLACEMENT = '\ufffd';

/**
 * A word of the command line as it was typed: Node shows bytes that are no UTF-8 as U+FFFD, Linux still has them. Where
 * it has not, the text as UTF-8.
 */
export function argumentBytes(text: string): Buffer {
  if (!text.includes(REPLACEMENT)) return Buffer.from(text);
  let line: Buffer;
  try {
    line = readFileSync('/proc/self/cmdline');
  } catch {
    return Buffer.from(text);
  }
  for (let start = 0; start < line.length; ) {
    const end = line.indexOf(0, start);
    const word = line.subarray(start, end < 0 ? line.length : end);
    if (word.toString('utf8') === text) return word;
    start += word.length + 1;
  }
  return Buffer.from(text);
}
