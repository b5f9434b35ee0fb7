import type { Task } from '../../task/task.ts';
import type { Operation, OperationKind, Outcome } from './operation.ts';

/** One of the two that answer the same sequence. */
export interface TestedFileSystem {
  /** What it is called in reports. */
  readonly name: string;
  supports(kind: OperationKind): boolean;
  /** Never throws for what the file system says; a fault of its own is thrown. */
  perform(operation: Operation): Task<Outcome>;
}
