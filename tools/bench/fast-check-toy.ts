import fc from 'fast-check';

/**
 * The parity toy on fast-check's scheduler: two tasks of three announced steps each (read, think, write) increment one
 * counter without a lock; about half of the schedules lose an update. `waitFor` is the call its documentation
 * recommends. Returns executions per second, and how many lost an update as proof that schedules vary.
 */
export async function fastCheckToy(executions: number): Promise<{ perSecond: number; lost: number }> {
  let lost = 0;
  const started = performance.now();
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const shared = { counter: 0 };
      const step = () => scheduler.schedule(Promise.resolve());
      const increment = async () => {
        await step();
        const seen = shared.counter;
        await step();
        await step();
        shared.counter = seen + 1;
      };
      await scheduler.waitFor(Promise.all([increment(), increment()]));
      if (shared.counter !== 2) lost += 1;
    }),
    { numRuns: executions, seed: 1 },
  );
  return { perSecond: executions / ((performance.now() - started) / 1000), lost };
}
