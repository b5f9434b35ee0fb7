import { extname } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { Tinypool } from 'tinypool';
import type { Workload } from '../../workload/model.ts';
import type { Overrides } from '../settings.ts';
import type { TimedExploration, Watcher } from './explore-setting.ts';
import {
  type ExploreRequest,
  type PackedExploration,
  unpackExploration,
  unpackSample,
  type WorkerMessage,
} from './worker-messages.ts';

/** `.js` when this is the installed program, `.ts` when it runs from its sources. */
const EXTENSION = extname(import.meta.url);

/** Threads that explore settings, each one at a time. What they find does not depend on how many there are. */
export class ExplorePool {
  private readonly pool: Tinypool;
  private readonly stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  constructor(threads: number) {
    this.pool = new Tinypool({
      filename: new URL(`./explore-worker${EXTENSION}`, import.meta.url).href,
      runtime: 'worker_threads',
      minThreads: threads,
      maxThreads: threads,
      // A thread that has nothing to do keeps its compiled code for the next setting.
      idleTimeout: Number.POSITIVE_INFINITY,
      // Its own messages must come through while it works.
      useAtomics: false,
      execArgv: EXTENSION === '.ts' ? ['--import', sourceLoader()] : [],
      isolateWorkers: false,
    });
  }

  /** Explores one setting in the next thread that is free; whoever is stopped returns what it has found by then. */
  async explore(
    task: {
      readonly workload: Workload;
      readonly overrides: Overrides;
      readonly setting: number;
      readonly samplesMax: number;
    },
    watcher: Omit<Watcher, 'isStopped'>,
  ): Promise<TimedExploration> {
    const { port1: here, port2: port } = new MessageChannel();
    here.on('message', async (message: WorkerMessage) => {
      if (message.kind === 'progress') watcher.onProgress(message.progress);
      else {
        await watcher.onSample(unpackSample(message.sample));
        here.postMessage(null);
      }
    });
    const request: ExploreRequest = { ...task, stop: this.stop, port };
    try {
      return unpackExploration((await this.pool.run(request, { transferList: [port] })) as PackedExploration);
    } finally {
      here.close();
    }
  }

  /** All threads stop after the execution under way. */
  stopAll(): void {
    Atomics.store(this.stop, 0, 1);
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }
}

/** `--import tsx` does not reach threads: a module that asks its loader in does. */
function sourceLoader(): string {
  const loader = import.meta.resolve('tsx/esm/api');
  return `data:text/javascript,import { register } from ${JSON.stringify(loader)}; register();`;
}
