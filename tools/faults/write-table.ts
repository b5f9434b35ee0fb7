import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Measurements } from './measurement.ts';
import { BEGIN, END, renderSection } from './table.ts';

/** Writes the section “One-field faults” of docs/FIDELITY.md from tools/faults/measurements.json. */
const DOCUMENT = join(import.meta.dirname, '../../docs/FIDELITY.md');
const TITLE = '# One-field faults';

const measurements = JSON.parse(readFileSync(join(import.meta.dirname, 'measurements.json'), 'utf8')) as Measurements;
const section = renderSection(measurements);
const text = readFileSync(DOCUMENT, 'utf8');
const begin = text.indexOf(BEGIN);
const end = text.indexOf(END);
const whole =
  begin < 0
    ? `${text.trimEnd()}\n\n${TITLE}\n\n${section}\n`
    : text.slice(0, begin) + section + text.slice(end + END.length);
writeFileSync(DOCUMENT, whole);
