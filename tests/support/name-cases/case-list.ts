/**
 * Cases of operations on names and attributes, for `linux-names.py` and for the engine. Text stands for bytes, one per
 * character; `$x` is a handle.
 */

export type CaseOperation = readonly [string, ...(string | number | null)[]];

export interface NameCase {
  readonly name: string;
  readonly operations: readonly CaseOperation[];
  /** The first operation whose outcome counts. */
  readonly from: number;
}

export class CaseList {
  readonly cases: NameCase[] = [];

  readonly add = (name: string, ...operations: CaseOperation[]): void => {
    this.cases.push({ name, operations, from: 0 });
  };

  /** Each operation in the same surroundings, alone. */
  readonly each = (name: string, before: readonly CaseOperation[], ...operations: CaseOperation[]): void => {
    for (const operation of operations) {
      const title = `${name}: ${operation.join(' ')}`;
      this.cases.push({ name: title, operations: [...before, operation], from: before.length });
    }
  };
}
