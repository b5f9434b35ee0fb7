import { expect, test } from 'vitest';
import { randomStream } from '../base/random.ts';
import { dataLaw } from './data.ts';
import { errorsLaw } from './errors.ts';
import { randomHistory } from './testing/random-history.ts';
import { judge } from './testing/records.ts';

test.each([
  [2, 3, 400],
  [3, 3, 300],
  [4, 4, 100],
  [2, 20, 40],
])('%i tasks of %i calls that are right by construction never raise an alarm', (tasks, calls, histories) => {
  for (let i = 0; i < histories; i++) {
    const sketch = randomHistory(randomStream(`${tasks}-${calls}-${i}`, 'workload'), { tasks, calls });
    for (const law of [errorsLaw, dataLaw]) {
      const violations = judge(law, sketch);
      if (violations.length > 0) {
        const told = sketch.operations.map(
          (op) =>
            `${op.task}#${op.index} ${op.started}-${op.ended} ${op.operation} ${JSON.stringify(op.args)} ${op.result?.error ?? (op.result?.error === null && op.result.value instanceof Uint8Array ? op.result.value.length : 'ok')}`,
        );
        expect({ i, violations, told }).toEqual(null);
      }
    }
  }
});

test('garbage in any file of any of these histories is always found', () => {
  for (let i = 0; i < 150; i++) {
    const random = randomStream(`garbage-${i}`, 'workload');
    const sketch = randomHistory(random, { tasks: 3, calls: 3 });
    for (const [path, bytes] of Object.entries(sketch.after ?? {})) {
      if (bytes === null || bytes.length === 0) continue;
      const spoilt = bytes.slice();
      spoilt[random.below(spoilt.length)]! ^= 0x55;
      const violations = judge(dataLaw, { ...sketch, after: { ...sketch.after, [path]: spoilt } });
      expect(violations.length, `history ${i}, ${path}`).toBeGreaterThan(0);
    }
  }
});
