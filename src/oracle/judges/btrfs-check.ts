import type { DiskImage } from '../../record/image.ts';
import { type CommandResult, runCommand } from './command.ts';
import { type ImageFiles, writeImageFiles } from './image-files.ts';
import { attachLoops, loopsMissing } from './loop-devices.ts';
import { runWithOwnDevices } from './own-devices.ts';
import { withOwnIdentity } from './own-identity.ts';
import { type JudgeReport, notJudged } from './report.ts';

const JUDGE = 'btrfs check';
const DEFAULT_TIMEOUT_MS = 60_000;
const SUPERBLOCK_AT = 65536;
const GENERATION_AT = 72;
const MAGIC_AT = 64;
const MAGIC = Buffer.from('_BHRfS_M');
/** Of the superblock's own device item. */
const DEVID_AT = 201;

/**
 * `btrfs check --readonly --check-data-csum`. Clean is exit code 0 and no line that warns. One device needs no rights;
 * several need root and loop devices.
 */
export async function btrfsCheck(
  images: readonly DiskImage[],
  options: { readonly timeoutMs?: number } = {},
): Promise<JudgeReport> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (images.length === 0) return notJudged(JUDGE, 'there is no image');
  // The tool adds the target of a device replace to the sizes of the members, and complains: also about images by Linux.
  const members = withSuperblock(images).filter((image) => !isReplaceTarget(image));
  let files: ImageFiles;
  try {
    files = await writeImageFiles(withOwnIdentity(members));
  } catch (error) {
    return notJudged(JUDGE, `the image could not be written out (${(error as Error).message})`);
  }
  try {
    return members.length === 1
      ? await checkPath(files.paths[0]!, timeoutMs)
      : await checkSeveral(files.paths, newestOf(members), timeoutMs);
  } finally {
    await files.remove();
  }
}

const CHECK = ['check', '--readonly', '--check-data-csum'];

/** Checks one image file or block device that lies on the host. */
export async function checkPath(path: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<JudgeReport> {
  return judgeResult(await runCommand('btrfs', [...CHECK, path], { timeoutMs }));
}

/** Checks the file system on block devices of the host, through the superblock of one of them. */
export async function checkDevices(
  devices: readonly string[],
  newest: number,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<JudgeReport> {
  // For a single one, the tool looks at no others.
  if (devices.length === 1) return checkPath(devices[0]!, timeoutMs);
  return judgeResult(await runWithOwnDevices(devices, 'btrfs', [...CHECK, devices[newest]!], { timeoutMs }));
}

function judgeResult(result: CommandResult): JudgeReport {
  if (result.kind === 'not-found') return notJudged(JUDGE, 'btrfs-progs is not installed');
  if (result.kind === 'broken') return notJudged(JUDGE, result.why, result.output);
  return judgeOutput(result.exitCode, result.output);
}

/**
 * Where no view of its own can be had, the tool looks for members at every block device of the host, those too that
 * others attach and detach meanwhile. A member that it cannot read it misses in other words.
 */
const ELSEWHERE = /^ERROR: cannot scan \/dev\//;

/** What the tool's words and exit code mean. */
export function judgeOutput(exitCode: number, output: string): JudgeReport {
  if (/unrecognized option|invalid option|unknown token|^usage: btrfs/m.test(output)) {
    return notJudged(JUDGE, 'this version of btrfs-progs does not know the options needed', output);
  }
  const lines = output.split('\n').map((line) => line.trim());
  const complaint = lines.find((line) => /\bwarning\b|^error\b/i.test(line) && !ELSEWHERE.test(line));
  if (exitCode === 0 && complaint === undefined)
    return { judge: JUDGE, verdict: 'clean', reason: 'no complaint', output };
  return { judge: JUDGE, verdict: 'faulty', reason: complaint ?? worstLine(lines, exitCode), output };
}

/** Plain findings are not marked as errors: the first line that is none of the progress report. */
function worstLine(lines: readonly string[], exitCode: number): string {
  const routine =
    /^(\[\d+\/\d+\]|Opening filesystem|Checking filesystem|UUID:|cache and super|found \d+ bytes|total |btree space|file data|referenced |$)/;
  return lines.find((line) => !routine.test(line)) ?? `exit code ${exitCode}`;
}

async function checkSeveral(paths: readonly string[], newest: number, timeoutMs: number): Promise<JudgeReport> {
  const missing = await loopsMissing();
  if (missing !== null) return notJudged(JUDGE, `several devices: ${missing}`);
  const loops = await attachLoops(paths);
  if ('failed' in loops) return notJudged(JUDGE, loops.failed);
  try {
    return await checkDevices(loops.devices, newest, timeoutMs);
  } finally {
    await loops.detach();
  }
}

/** Spares and former members are no part of a file system; where nothing is, all are judged. */
export function withSuperblock(images: readonly DiskImage[]): readonly DiskImage[] {
  const bearing = images.filter((image) => {
    const magic = image.read(SUPERBLOCK_AT + MAGIC_AT, MAGIC.length);
    return MAGIC.every((byte, at) => magic[at] === byte);
  });
  return bearing.length > 0 ? bearing : images;
}

function isReplaceTarget(image: DiskImage): boolean {
  return image.read(SUPERBLOCK_AT + DEVID_AT, 8).every((byte) => byte === 0);
}

/** The tool trusts the superblock of the device it is given: give it the newest one. */
export function newestOf(images: readonly DiskImage[]): number {
  let newest = 0;
  let best = -1n;
  for (const [index, image] of images.entries()) {
    const bytes = image.read(SUPERBLOCK_AT + GENERATION_AT, 8);
    const generation = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
    if (generation > best) {
      best = generation;
      newest = index;
    }
  }
  return newest;
}
