import { checkImage } from '../../src/oracle/structure/check-image.ts';
import { ALL_FAULTS, damagedImage, type PlacedFault } from './all-faults.ts';
import type { CheckVerdict, KernelVerdict, Measurement, Measurements } from './measurement.ts';
import { reportedNames } from './reported-names.ts';

export const BEGIN = '<!-- one-field faults: written by tools/faults/write-table.ts -->';
export const END = '<!-- end of one-field faults -->';

/** A row's first two columns need no other judge: a test makes them anew and compares. */
export interface OwnColumns {
  readonly fault: PlacedFault;
  readonly field: string;
  readonly ours: string;
}

export function ownColumns(): OwnColumns[] {
  return ALL_FAULTS.map((fault) => ({ fault, field: cell(fault.field), ours: describeOurs(fault) }));
}

function describeOurs(fault: PlacedFault): string {
  const names = reportedNames(checkImage([damagedImage(fault)]));
  if (fault.fault === null) {
    const reason = fault.silent === 'meaningless' ? 'nobody reads it' : 'another valid content';
    return names.length === 0 ? `– (${reason})` : names.join(', ');
  }
  const main = names.find((name) => name.replace('?', '') === fault.fault) ?? `not reported: ${fault.fault}`;
  return names.length > 1 ? `${main} +${names.length - 1}` : main;
}

/** The section between the two marks in docs/FIDELITY.md. */
export function renderSection(measurements: Measurements): string {
  const known = new Map(measurements.faults.map((one) => [`${one.base}/${one.field}`, one]));
  const rows = ownColumns();
  const lines = [BEGIN, '', ...introduction(measurements, rows), ''];
  let part = '';
  for (const { fault, field, ours } of rows) {
    if (fault.part !== part) {
      part = fault.part;
      lines.push(
        `## Faults: ${part} (${fault.base === 'engine' ? 'made by the engine' : `linux-${fault.base}.img`})`,
        '| field | ours | btrfs check | kernel |',
        '|---|---|---|---|',
      );
    }
    const one = known.get(`${fault.base}/${fault.field}`);
    const others =
      one === undefined ? 'not measured | not measured' : `${showCheck(one.check)} | ${showKernel(one.kernel)}`;
    lines.push(`| ${field} | ${ours} | ${others} |`);
  }
  lines.push('', END);
  return lines.join('\n');
}

function introduction(measurements: Measurements, rows: readonly OwnColumns[]): string[] {
  const { faults } = measurements;
  const told = rows.filter(({ fault }) => fault.fault !== null).length;
  const meaningless = rows.filter(({ fault }) => fault.silent === 'meaningless').length;
  const loud = (one: Measurement) => isLoud(one.kernel);
  const count = (wanted: (one: Measurement) => boolean) => faults.filter(wanted).length;
  const meant = new Set(
    rows.filter(({ fault }) => fault.fault !== null).map(({ fault }) => `${fault.base}/${fault.field}`),
  );
  const neither = count((one) => meant.has(`${one.base}/${one.field}`) && one.check.ending === 'clean' && !loud(one));
  return [
    `${rows.length} images with one thing wrong each, checksums right again. Ours names ${told}; of the others nobody reads ` +
      `${meaningless}, and ${rows.length - told - meaningless} are another valid content, which no judge of structure can know.`,
    `\`${measurements.progs.replace(/^btrfs-progs /, 'btrfs check of btrfs-progs ')}\` complains of ${count((one) => one.check.ending === 'complains')}, ` +
      `crashes on ${count((one) => one.check.ending === 'crashes')} and does not end on ${count((one) => one.check.ending === 'hangs')}. ` +
      `${measurements.kernel} refuses or notices ${count(loud)}. ${neither} that ours names are noticed by neither.`,
    '',
    'Ours: the name of the fault, and how many other names it brought along; a question mark is a warning. btrfs check: its first line of complaint, with ' +
      '`--readonly --check-data-csum`. Kernel: a read-only mount, reading everything, a writable mount, a new file with fsync, removing everything, sync; ' +
      '“–” where nothing differed from the image without the fault. “trace” is a warning with a call trace; “corrupts” means that btrfs check was silent before and complains of what the kernel left.',
  ];
}

function isLoud(kernel: KernelVerdict): boolean {
  return showKernel(kernel) !== '–';
}

export function showCheck({ ending, words }: CheckVerdict): string {
  if (ending === 'clean') return '–';
  return ending === 'complains' ? cell(words) : `${ending}${words === '' ? '' : ` (${cell(words)})`}`;
}

export function showKernel(kernel: KernelVerdict): string {
  const parts: string[] = [];
  if (kernel.mountReadOnly) parts.push(`mount ${kernel.mountReadOnly}`);
  if (kernel.read) parts.push(`read ${kernel.read}`);
  if (kernel.differs.length > 0) parts.push(`reads other ${kernel.differs.join(' and ')}`);
  if (kernel.mountWritable && kernel.mountWritable !== kernel.mountReadOnly)
    parts.push(`mount rw ${kernel.mountWritable}`);
  if (kernel.write) parts.push(`write ${kernel.write}`);
  if (kernel.remove) parts.push(`remove ${kernel.remove}`);
  if (kernel.broken.length > 0) parts.push(`dies or hangs in ${kernel.broken.join(', ')}`);
  if (kernel.warns) parts.push('trace');
  if (kernel.corrupts) parts.push('corrupts');
  if (parts.length === 0 && kernel.complains) parts.push('a message');
  return parts.length === 0 ? '–' : parts.join('; ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
