import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskImage } from '../../record/image.ts';
import { checkDevices, newestOf, withSuperblock } from './btrfs-check.ts';
import { runCommand } from './command.ts';
import { type ImageFiles, writeImageFiles } from './image-files.ts';
import { attachLoops, firstLine, type LoopDevices, loopsMissing } from './loop-devices.ts';
import { withOwnIdentity } from './own-identity.ts';
import { mountAlone } from './own-mount.ts';
import { type JudgeReport, notJudged } from './report.ts';

const JUDGE = 'kernel mount';
const TIMEOUT_MS = 60_000;
/** All that is done between mount and unmount. */
const MOUNTED_TIMEOUT_MS = 300_000;
const PROBE_NAME = 'fsquake-judge-probe';
const PROBE_BYTES = 64 * 1024;

/** A file that must be there, by its whole content. */
export interface ExpectedFile {
  /** From the root of the file system, `/a/b`. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** What the steps between mount and unmount found. */
interface Findings {
  readonly faults: string[];
  readonly notes: string[];
}

/**
 * The host's kernel mounts the image, reads the expected files, writes and syncs a file of its own and unmounts; then
 * `btrfs check` judges what it left. Needs root, loop devices and btrfs in the kernel. Leaves nothing behind, mounted
 * or attached. Only for images believed valid: some kernels panic over others.
 */
export async function kernelMount(
  images: readonly DiskImage[],
  expectedFiles: readonly ExpectedFile[] = [],
): Promise<JudgeReport> {
  const missing = await whyNot(images);
  if (missing !== null) return notJudged(JUDGE, missing);
  const members = withSuperblock(images);
  let files: ImageFiles;
  try {
    files = await writeImageFiles(withOwnIdentity(members));
  } catch (error) {
    return notJudged(JUDGE, `the image could not be written out (${(error as Error).message})`);
  }
  try {
    const loops = await attachLoops(files.paths);
    if ('failed' in loops) return notJudged(JUDGE, loops.failed);
    let report: JudgeReport;
    try {
      report = await judgeAttached(loops, expectedFiles, newestOf(members));
    } catch (error) {
      // Of the host, not of the image: what the image can cause is caught where it happens.
      report = notJudged(JUDGE, (error as Error).message);
    } finally {
      await loops.detach();
    }
    return report;
  } finally {
    await files.remove();
  }
}

async function whyNot(images: readonly DiskImage[]): Promise<string | null> {
  if (images.length === 0) return 'there is no image';
  const loops = await loopsMissing();
  if (loops !== null) return loops;
  return (await kernelHasBtrfs()) ? null : 'the kernel has no btrfs';
}

/** A module not yet loaded counts, if it loads. */
async function kernelHasBtrfs(): Promise<boolean> {
  const listed = async () => /\bbtrfs$/m.test(await readFile('/proc/filesystems', 'utf8').catch(() => ''));
  if (await listed()) return true;
  await runCommand('modprobe', ['btrfs'], { timeoutMs: TIMEOUT_MS });
  return listed();
}

async function judgeAttached(
  loops: LoopDevices,
  expectedFiles: readonly ExpectedFile[],
  newest: number,
): Promise<JudgeReport> {
  const findings: Findings = { faults: [], notes: [] };
  const refused = await mountAndProbe(loops, expectedFiles, findings);
  if (refused !== null) return refused;
  if (findings.faults.length > 0) return faulty(findings.faults, await kernelLog(loops.devices));

  const check = await checkDevices(loops.devices, newest);
  if (check.verdict === 'faulty')
    return faulty([`btrfs check after the kernel's write: ${check.reason}`], check.output);
  if (check.verdict === 'not-judged') findings.notes.push(check.reason);
  const done = `mounted, ${expectedFiles.length} files read back, unmounted`;
  return { judge: JUDGE, verdict: 'clean', reason: [done, ...findings.notes].join('; '), output: check.output };
}

/** A report when the mount itself did not come about; else null, and the findings have grown. */
async function mountAndProbe(
  { devices }: LoopDevices,
  expectedFiles: readonly ExpectedFile[],
  findings: Findings,
): Promise<JudgeReport | null> {
  const mount = await mountAlone(devices, 'noatime', {
    timeoutMs: MOUNTED_TIMEOUT_MS,
    hidesOthers: devices.length > 1,
  });
  if ('failed' in mount) {
    if (mount.failed.kind === 'not-found') return notJudged(JUDGE, 'mount or unshare is not installed');
    if (mount.failed.kind === 'broken') return notJudged(JUDGE, mount.failed.why, mount.failed.output);
    return judgeRefusal(mount.failed.output, await kernelLog(devices));
  }
  for (const file of expectedFiles) await readBack(mount.root, file, findings);
  await writeProbe(mount.root, findings);
  const problem = await mount.unmount();
  // What it left on the devices is not known then.
  return problem === null || findings.faults.length > 0
    ? null
    : notJudged(JUDGE, `the image could not be unmounted (${problem})`);
}

/** What the host forbids is no fault of the image. */
function judgeRefusal(output: string, log: string): JudgeReport {
  const line = firstLine(output);
  if (/permission denied|operation not permitted|must be superuser|File exists|unknown filesystem type/i.test(output)) {
    return notJudged(JUDGE, `the host refused the mount (${line})`, output);
  }
  return faulty([`mount: ${line}`], `${output}\n${log}`);
}

async function readBack(mountPoint: string, file: ExpectedFile, findings: Findings): Promise<void> {
  try {
    const bytes = await readFile(join(mountPoint, file.path));
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found === file.sha256) return;
    findings.faults.push(`${file.path}: ${bytes.length} bytes with sha256 ${found}, expected ${file.sha256}`);
  } catch (error) {
    findings.faults.push(`${file.path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
}

async function writeProbe(mountPoint: string, findings: Findings): Promise<void> {
  const bytes = new Uint8Array(PROBE_BYTES).fill(0x5a);
  try {
    const file = await open(join(mountPoint, PROBE_NAME), 'w');
    try {
      await file.write(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    if (code === 'ENOSPC') findings.notes.push('no space for a file of our own');
    else findings.faults.push(`writing and syncing a file: ${code}`);
  }
}

function faulty(faults: readonly string[], output: string): JudgeReport {
  return { judge: JUDGE, verdict: 'faulty', reason: faults.join('; '), output: [...faults, output].join('\n') };
}

/** The last words of the kernel about these devices; older ones about an earlier use of the device may be among them. */
async function kernelLog(devices: readonly string[]): Promise<string> {
  const result = await runCommand('dmesg', [], { timeoutMs: TIMEOUT_MS });
  if (result.kind !== 'ended') return '';
  const names = devices.map((device) => device.replace('/dev/', ''));
  const about = result.output
    .split('\n')
    .filter((line) => names.some((name) => new RegExp(`\\b${name}\\b`).test(line)));
  return about.slice(-20).join('\n');
}
