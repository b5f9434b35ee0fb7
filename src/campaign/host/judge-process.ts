import { createHash } from 'node:crypto';
import { btrfsCheck } from '../../oracle/judges/btrfs-check.ts';
import { type ExpectedFile, kernelMount } from '../../oracle/judges/kernel-mount.ts';
import { type JudgeReport, notJudged } from '../../oracle/judges/report.ts';
import { OPEN_CONTENTS } from '../../oracle/laws.ts';
import type { DiskImage } from '../../record/image.ts';
import { type PackedImage, unpackImage } from '../../record/packed-image.ts';

export type JudgeName = 'btrfs check' | 'kernel mount';

export interface JudgeRequest {
  readonly id: number;
  readonly judge: JudgeName;
  readonly images: readonly PackedImage[];
}

export interface JudgeAnswer {
  readonly id: number;
  readonly report: JudgeReport;
}

/**
 * The program of the judges' process (`judging-process.ts`): answers requests, as many at once as there are. When
 * nobody listens any more, it puts away what it has attached and mounted, and ends.
 */
process.on('message', async (request: JudgeRequest) => {
  const answer: JudgeAnswer = { id: request.id, report: await judge(request) };
  if (process.connected) process.send!(answer);
});

async function judge(request: JudgeRequest): Promise<JudgeReport> {
  const images = request.images.map(unpackImage);
  try {
    return request.judge === 'btrfs check' ? await btrfsCheck(images) : await kernelMount(images, filesOf(images));
  } catch (error) {
    return notJudged(request.judge, (error as Error).message);
  }
}

/** What our own walker reads in the image must be what the kernel reads. */
function filesOf(images: readonly DiskImage[]): ExpectedFile[] {
  const contents = OPEN_CONTENTS(images);
  if (contents === null) return [];
  return contents.entries().flatMap((entry) => {
    if (entry.kind !== 'file') return [];
    const bytes = contents.readFile(entry.path);
    return bytes === null ? [] : [{ path: entry.path, sha256: createHash('sha256').update(bytes).digest('hex') }];
  });
}
