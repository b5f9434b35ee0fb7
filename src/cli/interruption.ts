import { setImmediate } from 'node:timers/promises';

/** Its user or the system wants the program to end; what was begun is undone by now. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does work that calls `breathe` now and then: this lets signals through, and after one throws `Interrupted`, so that
 * the work can put things in order.
 */
export async function interruptible<T>(work: (breathe: () => Promise<void>) => Promise<T>): Promise<T> {
  let isStopping = false;
  const stop = () => {
    isStopping = true;
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await work(async () => {
      await setImmediate();
      if (isStopping) throw new Interrupted();
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
