import type { Errno } from '../base/errno.ts';
import type { VirtualNanoseconds } from '../base/units.ts';
import { type ResourceId, resource } from '../task/resource.ts';
import type { Task } from '../task/task.ts';
import type { IoRequest, IoResult, PendingIo } from '../task/world.ts';
import type { SimulatedDevice } from './simulated-device.ts';
import type { SimulatedTask } from './simulated-task.ts';
import type { Choice } from './strategy.ts';
import type { Waitable } from './waitable.ts';

/** Ids of completions lie above all ids of tasks, and so do their places in a list of choices. */
const ID_UNIT = 2 ** 24;

/** One I/O from its submission to its completion, and the choice to complete it. */
export class SimulatedIo implements Choice, PendingIo, Waitable {
  readonly kind = 'completion';
  readonly effect = 'completion';
  readonly device: SimulatedDevice;
  readonly request: IoRequest;
  readonly submitter: SimulatedTask;
  readonly name: string;
  /**
   * From the submitter and its count of submissions: the same whatever others submitted in between. The default order
   * goes by it too, or else two submissions could not change places.
   */
  readonly id: number;
  /** The device's count of completed writes when a flush was submitted: what it makes durable. */
  readonly completedBefore: number;
  readonly resource: ResourceId;
  state: 'ready' | 'held' | 'done' = 'ready';
  failWith: Errno | null = null;
  result: IoResult | null = null;
  waiter: SimulatedTask | null = null;
  deadline: VirtualNanoseconds = 0;
  /** The next in an order that a rule chose: may complete only after this one. */
  followedBy: SimulatedIo | null = null;

  constructor(device: SimulatedDevice, request: IoRequest, submitter: SimulatedTask, completed: number) {
    this.device = device;
    this.request = request;
    this.submitter = submitter;
    this.name = submitter.name;
    this.id = (submitter.id + 1) * ID_UNIT + submitter.submissions;
    submitter.submissions += 1;
    this.completedBefore = completed;
    this.resource = resource('task', this.id);
  }

  get place(): string {
    return this.request.operation;
  }

  get on(): ResourceId | undefined {
    return this.resource;
  }

  wait(): Task<IoResult> {
    return this.device.scheduler.waitIo(this);
  }

  showWait(): string {
    return showRequest(this.device.index, this.request);
  }

  blockers(): readonly SimulatedTask[] {
    return [];
  }

  forget(): void {
    this.waiter = null;
  }
}

/** `write device=0 offset=65536 length=4096 fua purpose=superblock`. */
export function showRequest(device: number, request: IoRequest): string {
  const { operation, offset, length, purpose } = request;
  const range = operation === 'flush' ? '' : ` offset=${offset} length=${length}`;
  const tree = purpose.kind === 'tree-block' ? `(${purpose.tree})` : '';
  const logical = request.logical === undefined ? '' : ` logical=${request.logical}`;
  return `${operation} device=${device}${range}${logical}${request.fua === true ? ' fua' : ''} purpose=${purpose.kind}${tree}`;
}
