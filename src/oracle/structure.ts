import type { DiskImage } from '../record/image.ts';
import type { RunRecord } from '../record/run-record.ts';
import { faultsOf } from './history/faults.ts';
import type { Law, Violation } from './law.ts';
import { checkImage } from './structure/check-image.ts';
import type { StructureFault, StructureReport } from './structure/fault-report.ts';

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
  const isAnyStale = report.errors.some(({ fault }) => fault === 'superblock-stale');
  let errors = report.errors.filter(({ fault }) => {
    // A device that did not take its superblock stays behind; as long as one did, Linux goes on and mounts by that one.
    if (wasInjected && STALE_BY_FAULT.has(fault)) return false;
    // What one says of its own device is older then, too.
    if (wasInjected && (crashed || isAnyStale) && fault === 'superblock-dev-item') return false;
    // A commit between a write's completion and that of data before it, or in the middle of a truncate.
    return !crashed || fault !== 'file-extent-beyond-size';
  });
  if (errors.length > 0) errors = leaveOutOldDamage(errors, record);
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

const STALE_BY_FAULT: ReadonlySet<string> = new Set([
  'superblock-stale',
  'superblock-mirror-stale',
  'superblock-magic',
  'superblock-left-behind',
  'superblock-of-no-member',
  'duplicate-device',
  'replace-target-left-behind',
  'dev-replace-target-missing',
]);

const MISSING: ReadonlySet<string> = new Set([
  'device-missing',
  'superblock-magic',
  'block-unreadable',
  'data-unreadable',
]);

/** Devices that were missing before the run, and data that the workload itself has overwritten in every copy. */
function leaveOutOldDamage(errors: readonly StructureFault[], record: RunRecord): StructureFault[] {
  const before = record.before.length === 0 ? [] : reportOn(record.before, false).errors;
  const missing = new Set(before.flatMap(({ fault, place }) => (fault === 'device-missing' ? [place['devid']] : [])));
  const isNew = errors.some(({ fault, place }) => fault === 'device-missing' && !missing.has(place['devid']));
  const isCorrupted =
    record.operations.some(({ operation }) => operation === 'corrupt') ||
    before.some(({ fault }) => fault === 'data-checksum') ||
    mayBeLeftOut(record);
  return errors.filter(({ fault }) => {
    if (missing.size > 0 && !isNew && MISSING.has(fault)) return false;
    return !isCorrupted || fault !== 'data-checksum';
  });
}

/** A device replace goes on where data of the source cannot be read, and no other copy is there: it counts the loss. */
function mayBeLeftOut(record: RunRecord): boolean {
  const { wasInjected, readsMayFail } = faultsOf(record);
  const isReplaced = record.operations.some(({ operation }) => operation === 'replace' || operation === 'reconfigure');
  return wasInjected && isReplaced && record.after.some((_, index) => readsMayFail(index));
}

function reportOn(images: readonly DiskImage[], crashed: boolean): StructureReport {
  let key = crashed ? 'crashed' : 'unmounted';
  for (const image of images) key += `/${image.fingerprint}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  // That further copies are right too is the law `replication`'s to say.
  const report = checkImage(images, { crashed, verifyCopies: false });
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(key, report);
  return report;
}
