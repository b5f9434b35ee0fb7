import type { MessagePort } from 'node:worker_threads';
import { type PackedImage, packImage, unpackImage } from '../../record/packed-image.ts';
import type { RunRecord } from '../../record/run-record.ts';
import type { Workload } from '../../workload/model.ts';
import type { ExploredSetting } from '../conclude.ts';
import type { ImageSample } from '../explore.ts';
import type { Overrides } from '../settings.ts';
import type { StageProgress, TimedExploration } from './explore-setting.ts';

/** What a worker thread is asked to explore. */
export interface ExploreRequest {
  readonly workload: Workload;
  readonly overrides: Overrides;
  /** Which of the workload's settings, in the order of its plans. */
  readonly setting: number;
  readonly samplesMax: number;
  /** One cell, not 0 when all are to stop. */
  readonly stop: Int32Array<SharedArrayBuffer>;
  readonly port: MessagePort;
}

/** What it says meanwhile; a sample waits for an answer, whatever that is. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly progress: StageProgress }
  | { readonly kind: 'sample'; readonly sample: PackedSample };

export interface PackedSample extends Omit<ImageSample, 'images'> {
  readonly images: readonly PackedImage[];
}

export function packSample({ images, ...rest }: ImageSample): PackedSample {
  return { ...rest, images: images.map(packImage) };
}

export function unpackSample({ images, ...rest }: PackedSample): ImageSample {
  return { ...rest, images: images.map(unpackImage) };
}

/** What it returns in the end: the images in the record of the failure are packed. */
export interface PackedExploration extends Omit<TimedExploration, 'explored'> {
  readonly explored: Omit<ExploredSetting, 'failure'> & {
    readonly failure:
      | (Omit<NonNullable<ExploredSetting['failure']>, 'record'> & { readonly record: PackedRecord })
      | null;
  };
}

interface PackedRecord extends Omit<RunRecord, 'before' | 'after'> {
  readonly before: readonly PackedImage[];
  readonly after: readonly PackedImage[];
}

export function packExploration({ explored, ...times }: TimedExploration): PackedExploration {
  const { failure, ...rest } = explored;
  if (failure === null) return { ...times, explored: { ...rest, failure } };
  const { record } = failure;
  const packed = { ...record, before: record.before.map(packImage), after: record.after.map(packImage) };
  return { ...times, explored: { ...rest, failure: { ...failure, record: packed } } };
}

export function unpackExploration({ explored, ...times }: PackedExploration): TimedExploration {
  const { failure, ...rest } = explored;
  if (failure === null) return { ...times, explored: { ...rest, failure } };
  const { record } = failure;
  const images = { before: record.before.map(unpackImage), after: record.after.map(unpackImage) };
  return { ...times, explored: { ...rest, failure: { ...failure, record: { ...record, ...images } } } };
}
