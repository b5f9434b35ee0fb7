/**
 * A broken promise of fsquake itself. Only the campaign catches it, and reports it as a fault of the bench:
 * it is never a verdict about the engine under test, nor an errno that a user of the engine could see.
 */
export class AssertionFailure extends Error {
  readonly facts: object;

  constructor(law: string, facts: object = {}) {
    super(`${law} ${JSON.stringify(facts, printable)}`);
    this.name = 'AssertionFailure';
    this.facts = facts;
  }
}

/** States positively what must hold; `facts` are what a reader needs to understand a failure. */
export function assert(condition: boolean, law: string, facts?: object): asserts condition {
  if (!condition) throw new AssertionFailure(law, facts);
}

/** For the branch that types prove unreachable. */
export function unreachable(value: never, law = 'every case is handled'): never {
  throw new AssertionFailure(law, { value });
}

function printable(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (value instanceof Map) return [...value.entries()];
  return value;
}
