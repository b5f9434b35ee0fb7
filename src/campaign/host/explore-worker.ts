import { once } from 'node:events';
import { planSettings } from '../settings.ts';
import { exploreSetting } from './explore-setting.ts';
import {
  type ExploreRequest,
  type PackedExploration,
  packExploration,
  packSample,
  type WorkerMessage,
} from './worker-messages.ts';

/** What a worker thread does: one setting of one workload. Plans are made anew here, for switches are no plain data. */
export default async function explore(request: ExploreRequest): Promise<PackedExploration> {
  const { workload, overrides, setting, samplesMax, stop, port } = request;
  const say = (message: WorkerMessage) => port.postMessage(message);
  const plan = planSettings(workload, overrides)[setting]!;
  try {
    const done = await exploreSetting(workload, plan, samplesMax, {
      isStopped: () => Atomics.load(stop, 0) !== 0,
      onProgress: (progress) => say({ kind: 'progress', progress }),
      onSample: async (sample) => {
        const heard = once(port, 'message');
        say({ kind: 'sample', sample: packSample(sample) });
        await heard;
      },
    });
    return packExploration(done);
  } finally {
    port.close();
  }
}
