import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkImage } from '../../src/oracle/structure/check-image.ts';
import type { BlockTable } from '../../src/record/block-table.ts';
import { ALL_FAULTS, BASE_NAMES, baseImage, damagedImage, type PlacedFault } from './all-faults.ts';
import { measureCheck } from './measure-check.ts';
import { complaintsOf, Kernel, kernelVerdict, type Reading, readingOf } from './measure-kernel.ts';
import type { KernelVerdict, Measurement, Measurements } from './measurement.ts';
import { reportedNames } from './reported-names.ts';

/**
 * Asks all three judges about every deliberate fault and writes tools/faults/measurements.json, from which
 * `write-table.ts` makes the table in docs/FIDELITY.md. No kernel of the machine ever sees a damaged image: the
 * kernel asked is User-mode Linux, a process without privileges. Arguments: parts of names of fields, to measure again.
 */
const FILE = join(import.meta.dirname, 'measurements.json');

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fsquake-faults-'));
try {
  const kernel = Kernel.prepare(folder);
  if (kernel === null) throw new Error('needs user-mode-linux (linux.uml) and gcc');
  measureAll(kernel);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function measureAll(kernel: Kernel): void {
  const wanted = process.argv.slice(2);
  const known = new Map<string, Measurement>();
  if (existsSync(FILE)) {
    for (const one of (JSON.parse(readFileSync(FILE, 'utf8')) as Measurements).faults) known.set(keyOf(one), one);
  }
  const expected = new Map<string, Expected>();
  for (const name of BASE_NAMES) {
    const output = kernel.run(save(baseImage(name)));
    expected.set(name, {
      reading: readingOf(output),
      verdict: kernelVerdict(output, null),
      usual: complaintsOf(output),
    });
  }
  let done = 0;
  for (const fault of ALL_FAULTS) {
    const isWanted = wanted.some((part) => fault.field.includes(part));
    if (known.has(keyOf(fault)) && !isWanted) continue;
    known.set(keyOf(fault), measure(fault, kernel, expected.get(fault.base)!));
    done++;
    if (done % 10 === 0) store(kernel, known);
    if (done % 10 === 0) console.log(`${done} measured, the last: ${fault.field}`);
  }
  store(kernel, known);
}

/** What the image without a fault gives. */
interface Expected {
  readonly reading: Reading | null;
  readonly verdict: Omit<KernelVerdict, 'corrupts'>;
  readonly usual: ReadonlySet<string>;
}

function measure(fault: PlacedFault, kernel: Kernel, expected: Expected): Measurement {
  const image = damagedImage(fault);
  const path = save(image);
  const check = measureCheck(path);
  const measured = kernelVerdict(kernel.run(path), expected.reading, expected.usual);
  // A directory that holds a read-only snapshot cannot be removed anyway.
  const verdict = { ...measured, remove: measured.remove === expected.verdict.remove ? '' : measured.remove };
  const corrupts = check.ending === 'clean' && verdict.write !== null && measureCheck(path).ending !== 'clean';
  const { base, part, field } = fault;
  return { base, part, field, ours: reportedNames(checkImage([image])), check, kernel: { ...verdict, corrupts } };
}

function save(image: BlockTable): string {
  const path = join(folder, 'damaged.img');
  rmSync(path, { force: true });
  const file = openSync(path, 'w');
  ftruncateSync(file, image.size);
  for (const { offset, bytes } of image.written()) writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  return path;
}

function store(kernel: Kernel, known: ReadonlyMap<string, Measurement>): void {
  const faults = ALL_FAULTS.flatMap((fault) => known.get(keyOf(fault)) ?? []);
  const progs = execFileSync('btrfs', ['--version'], { encoding: 'utf8' }).trim();
  const all: Measurements = { kernel: `Linux ${kernel.version} (User-mode Linux)`, progs, faults };
  const lines = faults.map((one) => `    ${JSON.stringify(one)}`).join(',\n');
  const head = `{\n  "kernel": ${JSON.stringify(all.kernel)},\n  "progs": ${JSON.stringify(all.progs)},\n`;
  writeFileSync(FILE, `${head}  "faults": [\n${lines}\n  ]\n}\n`);
}

function keyOf({ base, field }: { readonly base: string; readonly field: string }): string {
  return `${base}/${field}`;
}
