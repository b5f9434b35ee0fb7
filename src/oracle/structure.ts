import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import { faultsOf } from './history/faults.ts';
import type { Law, Violation } from './law.ts';
import { checkImage } from './structure/check-image.ts';
import type { StructureReport } from './structure/fault-report.ts';

/** Reports of images judged before in this process: executions of one workload often end in equal images. */
const REMEMBERED_MAX = 256;
const remembered = new Map<string, StructureReport>();

/** The images left behind are a valid btrfs file system, down to every field: judged by a walk of the raw bytes. */
export const structure: Law = {
  name: 'structure',
  title: 'the disks hold a valid btrfs file system: every tree, reference, checksum and count agrees with every other',
  begin: () => ({ judge }),
};

function judge(record: RunRecord): Violation[] {
  if (record.after.length === 0) return [];
  // After an abort the disks are as the last commit left them, in the middle of everything.
  const crashed = !record.unmounted || record.aborted !== null;
  const report = reportOn(record.after, crashed);
  const { wasInjected } = faultsOf(record);
  const errors = report.errors.filter(({ fault }) => {
    // A device that did not take its superblock stays behind; as long as one did, Linux goes on and mounts by that one.
    if (wasInjected && STALE_BY_FAULT.has(fault)) return false;
    // A commit between a write's completion and that of data before it, or in the middle of a truncate.
    return !crashed || fault !== 'file-extent-beyond-size';
  });
  const violations: Violation[] = errors.map((fault) => ({
    law: 'structure',
    message: fault.message,
    expected: 'a disk image without faults',
    observed: fault.fault,
    evidence: [],
  }));
  for (const feature of report.unsupported) {
    violations.push({
      law: 'structure',
      message: `the image has the feature ${feature}, which cannot be judged`,
      expected: 'an image with known features',
      observed: `unsupported ${feature}`,
      evidence: [],
    });
  }
  return violations;
}

const STALE_BY_FAULT: ReadonlySet<string> = new Set(['superblock-stale', 'superblock-mirror-stale']);

function reportOn(images: readonly DiskImage[], crashed: boolean): StructureReport {
  let key = crashed ? 'crashed' : 'unmounted';
  for (const image of images) key += `/${image.fingerprint}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const report = checkImage(images, { crashed });
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(key, report);
  return report;
}
