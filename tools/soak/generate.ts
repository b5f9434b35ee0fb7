import { type RandomStream, randomStream } from '../../src/base/random.ts';
import { POINTS } from '../../src/fs/points.ts';
import { DeviceGenerator } from './generate-devices.ts';
import { RangeGenerator } from './generate-ranges.ts';

/** A workload in the form of its YAML file, so that what failed can be shown, cut down and run by anybody. */
export interface WorkloadForm {
  filesystem: Record<string, unknown>;
  setup: OperationForm[];
  tasks: Record<string, { repeat: number; do: OperationForm[] }>;
  inject: { when: Record<string, unknown>; then: Record<string, unknown> }[];
}

export type OperationForm = string | Record<string, unknown>;

const KIB = 1024;
const SECTOR = 4 * KIB;
const FILES = ['/a', '/b', '/d/a', '/d/c'];
/** Names are certain enough to be refused as mistakes unless such ends are said to be right; faults add their own. */
const NAME_ENDS = 'ok ENOENT EEXIST ENOTDIR EISDIR ENOTEMPTY EINVAL EIO ENOSPC EROFS EBADF'.split(' ');
const TASK_NAMES = ['t', 'u', 'v', 'w'];

/** What workloads are about: writes to files alone, all that can be done to files, or devices and administrators too. */
export type Scope = 'files' | 'ranges' | 'devices';

/** The workload with this seed; now and then one that the checker refuses. */
export function generateWorkload(seed: string, scope: Scope): WorkloadForm {
  return new Generator(randomStream(seed, 'workload'), scope).workload();
}

interface OpenedHandle {
  readonly name: string;
  readonly direct: boolean;
  readonly append: boolean;
}

class Generator {
  private readonly random: RandomStream;
  private readonly files: string[] = [];
  private isTight = false;
  private handles: OpenedHandle[] = [];
  private handleCount = 0;

  private readonly devices: DeviceGenerator | null;
  private readonly ranges: RangeGenerator | null;

  constructor(random: RandomStream, scope: Scope) {
    this.random = random;
    this.devices = scope === 'devices' ? new DeviceGenerator(random) : null;
    this.ranges = scope === 'ranges' ? new RangeGenerator(random) : null;
  }

  workload(): WorkloadForm {
    const filesystem = this.filesystem();
    const fileCount = 1 + this.random.below(3);
    while (this.files.length < fileCount) {
      const file = this.oneOf(FILES);
      if (!this.files.includes(file)) this.files.push(file);
    }
    const setup = this.setup();
    const tasks: WorkloadForm['tasks'] = {};
    const taskCount = 1 + this.random.below(4);
    for (let index = 0; index < taskCount; index++) tasks[TASK_NAMES[index]!] = this.task();
    if (this.devices !== null) this.administrate(this.devices, tasks);
    const inject: WorkloadForm['inject'] = [];
    if (this.random.chance(2, 5)) {
      const rules = 1 + this.random.below(2);
      for (let index = 0; index < rules; index++) inject.push(this.rule(taskCount));
    }
    return { filesystem, setup, tasks, inject };
  }

  /** One or two administrators, and now and then an operation of theirs in another task. */
  private administrate(devices: DeviceGenerator, tasks: WorkloadForm['tasks']): void {
    for (const task of Object.values(tasks)) {
      if (this.random.chance(1, 4))
        task.do.splice(this.random.below(task.do.length + 1), 0, devices.operation(this.files));
    }
    const administrators = this.random.chance(1, 3) ? ['admin', 'boss'] : ['admin'];
    for (const name of administrators) {
      const operations = Array.from({ length: 1 + this.random.below(5) }, () => devices.operation(this.files));
      tasks[name] = { repeat: this.random.chance(1, 8) ? 2 : 1, do: operations };
    }
    for (const operation of devices.takeSpares()) {
      const list = tasks['admin']!.do;
      list.splice(this.random.below(list.length + 1), 0, operation);
    }
  }

  private filesystem(): Record<string, unknown> {
    if (this.devices !== null) return this.devices.filesystem();
    const nodeSize = this.oneOf(['4K', '4K', '4K', '4K', '8K', '16K', '32K', '64K']);
    const metadata = this.oneOf(['single', 'single', 'dup']);
    this.isTight = this.random.chance(1, 8);
    const form: Record<string, unknown> = { 'node-size': nodeSize, metadata };
    if (this.isTight) form['block-groups'] = { data: '1M' };
    if (nodeSize === '64K' || nodeSize === '32K') form['devices'] = ['32M'];
    if (this.random.chance(1, 12)) form['devices'] = ['16M', '16M'];
    if (this.ranges !== null) form['mount'] = this.ranges.mount();
    return form;
  }

  private setup(): OperationForm[] {
    const operations: OperationForm[] = [{ mkdir: '/d' }];
    for (const file of this.files) {
      if (this.random.chance(1, 10)) continue;
      operations.push(this.create(file));
      const writes = this.random.below(4);
      for (let index = 0; index < writes; index++) operations.push(this.write({ file }, false));
      if (this.random.chance(1, 5)) operations.push({ truncate: { file, size: this.offset() } });
    }
    if (this.isTight && this.random.chance(1, 2)) {
      const first = this.files[0]!;
      if (operations.some((operation) => typeof operation !== 'string' && operation['create'] === first))
        operations.push({ write: { file: first, offset: 128 * KIB, length: this.oneOf([600, 700, 760]) * KIB } });
    }
    if (this.random.chance(1, 6)) {
      const count = 10 + this.random.below(60);
      for (let index = 0; index < count; index++) operations.push({ create: `/d/filler-with-a-longer-name-${index}` });
    }
    if (this.devices !== null) operations.push(...this.chunkFillers(), ...this.devices.setup(this.files));
    if (this.ranges !== null) operations.push(...this.ranges.setup(this.files));
    if (this.random.chance(1, 3)) operations.push('remount');
    return operations;
  }

  /** Files that filled data block groups, and went: their groups are unused when the tasks begin. */
  private chunkFillers(): OperationForm[] {
    if (!this.random.chance(1, 2)) return [];
    const length = (2 + this.random.below(10)) * 64 * KIB;
    const file = this.files[0]!;
    const filled: OperationForm[] = [{ create: '/filler' }, { write: { file: '/filler', offset: 0, length } }];
    if (this.random.chance(1, 2)) filled.push('sync');
    if (this.random.chance(1, 2)) filled.push({ write: { file, offset: 0, length: 64 * KIB, direct: true } });
    filled.push(this.oneOf<OperationForm>([{ unlink: '/filler' }, { truncate: { file: '/filler', size: SECTOR } }]));
    return filled;
  }

  private create(file: string): OperationForm {
    return this.devices !== null && this.random.chance(1, 4) ? { create: { file, nodatacow: true } } : { create: file };
  }

  private task(): WorkloadForm['tasks'][string] {
    this.handles = [];
    const operations: OperationForm[] = [];
    const count = 1 + this.random.below(7);
    for (let index = 0; index < count; index++) operations.push(...this.operations());
    for (const { name } of this.handles) operations.push({ close: `$${name}` });
    return { repeat: this.random.chance(1, 4) ? 2 + this.random.below(2) : 1, do: operations };
  }

  private operations(): OperationForm[] {
    if (this.ranges === null || this.random.chance(1, 2)) return [this.operation()];
    return this.ranges.operation(this.files, this.target().file, NAME_ENDS);
  }

  private operation(): OperationForm {
    if (this.devices !== null && this.random.chance(1, 12)) return this.fallocate();
    const roll = this.random.below(100);
    if (roll < 30) return this.write(this.target(), true);
    if (roll < 50) return this.read();
    if (roll < 58) return { truncate: { file: this.target().file, size: this.offset() } };
    if (roll < 64) return { [this.oneOf(['fsync', 'fdatasync'])]: this.target().file };
    if (roll < 67) return 'sync';
    if (roll < 71) return this.drop();
    if (roll < 74) return { fiemap: this.target().file };
    if (roll < 80) return this.open();
    if (roll < 83 && this.handles.length > 0) {
      const [handle] = this.handles.splice(this.random.below(this.handles.length), 1);
      return { close: `$${handle!.name}` };
    }
    const expect = NAME_ENDS;
    if (roll < 87) return { create: this.name(), expect };
    if (roll < 91) return { unlink: this.name(), expect };
    if (roll < 97) return { rename: { from: this.name(), to: this.name() }, expect };
    return { mkdir: this.oneOf(['/e', '/d/e', '/d']), expect };
  }

  private fallocate(): OperationForm {
    const keepSize = this.random.chance(1, 2) ? { 'keep-size': true } : {};
    return { fallocate: { file: this.target().file, ...this.alignedRange(), ...keepSize } };
  }

  private name(): string {
    return this.random.chance(1, 8) ? this.oneOf(['/d', '/e', '/d/e', '/a/x']) : this.oneOf(this.files);
  }

  private open(): OperationForm {
    const handle: OpenedHandle = {
      name: `h${this.handleCount++}`,
      direct: this.random.chance(1, 3),
      append: false,
    };
    const append = !handle.direct && this.random.chance(1, 4);
    this.handles.push({ ...handle, append });
    return {
      open: {
        file: this.oneOf(this.files),
        as: handle.name,
        ...(handle.direct ? { direct: true } : {}),
        ...(append ? { append: true } : {}),
      },
    };
  }

  private target(): { readonly file: string; readonly handle?: OpenedHandle } {
    if (this.handles.length > 0 && this.random.chance(1, 2)) {
      const handle = this.oneOf(this.handles);
      return { file: `$${handle.name}`, handle };
    }
    return { file: this.oneOf(this.files) };
  }

  private write(target: { readonly file: string; readonly handle?: OpenedHandle }, mayAppend: boolean): OperationForm {
    const { file, handle } = target;
    if (handle?.append === true || (handle === undefined && mayAppend && this.random.chance(1, 8))) {
      return { write: { file, length: this.length(), ...(handle === undefined ? { append: true } : {}) } };
    }
    const direct = handle?.direct ?? this.random.chance(2, 5);
    const range = direct ? this.alignedRange() : { offset: this.offset(), length: this.length() };
    if (this.isTight && this.random.chance(1, 6)) range.length = (50 + this.random.below(150)) * SECTOR;
    return { write: { file, ...range, ...(direct && handle === undefined ? { direct: true } : {}) } };
  }

  private read(): OperationForm {
    const { file, handle } = this.target();
    const direct = handle?.direct ?? this.random.chance(2, 5);
    const range = direct ? this.alignedRange() : { offset: this.offset(), length: this.length() };
    if (this.random.chance(1, 3)) Object.assign(range, { offset: 0, length: 128 * KIB });
    return { read: { file, ...range, ...(direct && handle === undefined ? { direct: true } : {}) } };
  }

  private drop(): OperationForm {
    if (this.random.chance(1, 2)) return 'drop-caches';
    return { 'drop-caches': { file: this.target().file, ...this.alignedRange() } };
  }

  private alignedRange(): { offset: number; length: number } {
    return { offset: this.random.below(16) * SECTOR, length: (1 + this.random.below(10)) * SECTOR };
  }

  private offset(): number {
    if (this.random.chance(3, 5)) return this.random.below(17) * SECTOR;
    return this.random.chance(1, 10) ? this.random.below(2 * KIB * KIB) : this.random.below(72 * KIB);
  }

  private length(): number {
    const roll = this.random.below(10);
    if (roll < 4) return (1 + this.random.below(8)) * SECTOR;
    return roll < 6 ? 1 + this.random.below(200) : 1 + this.random.below(40 * KIB);
  }

  private rule(taskCount: number): WorkloadForm['inject'][number] {
    const occurrence = this.oneOf<Record<string, unknown>>([
      { occurrence: 1 + this.random.below(4) },
      { occurrence: 1 + this.random.below(12) },
      { occurrence: { every: 2 + this.random.below(4) } },
      { occurrence: { from: 1 + this.random.below(6) } },
      { probability: this.oneOf(['1/2', '1/4', '1/10']) },
    ]);
    const purposes = ['data', 'tree-block', ...(this.devices === null ? [] : ['scrub'])].map((purpose) => ({
      purpose,
    }));
    const io = (operation: string): Record<string, unknown> => ({
      operation,
      ...(operation === 'flush' ? {} : this.oneOf([{}, ...purposes])),
      ...(this.devices !== null && this.random.chance(1, 2) ? { device: this.random.below(3) } : {}),
    });
    const roll = this.random.below(12);
    if (roll < 2) return { when: { ...io('read'), ...occurrence }, then: { fail: 'EIO' } };
    if (roll < 4) return { when: { ...io('write'), ...occurrence }, then: { fail: 'EIO' } };
    if (roll < 5) return { when: { operation: 'write', purpose: 'superblock', ...occurrence }, then: { fail: 'EIO' } };
    if (roll < 6) return { when: { ...io('flush'), ...occurrence }, then: { fail: 'EIO' } };
    if (roll < 8) {
      const site = this.oneOf([
        'reserve-data-space',
        'reserve-metadata-space',
        'allocate-tree-block',
        ...(this.devices === null ? [] : ['set-read-only', 'allocate-chunk']),
      ]);
      return { when: { site, ...occurrence }, then: { fail: 'ENOSPC' } };
    }
    if (roll < 9) {
      const site = this.oneOf(['extent-map-allocation', 'split-extent-map']);
      return { when: { site, ...occurrence }, then: { fail: 'ENOMEM' } };
    }
    if (roll < 10) return { when: { ...io(this.oneOf(['read', 'write'])), ...occurrence }, then: this.delay() };
    if (roll < 11) {
      const reorder = this.oneOf<unknown>(['last-first', 'shuffle', { hold: 1 + this.random.below(4) }]);
      const when = this.oneOf([io('write'), io('read'), { operation: ['read', 'write'] }]);
      return { when, then: { reorder } };
    }
    const point = this.oneOf(['extent-map-insert', 'extent-map-drop', 'truncate-items', 'commit-write-trees']);
    const task = TASK_NAMES[this.random.below(taskCount)]!;
    if (this.devices !== null) return { when: { point: this.oneOf(POINTS).name, ...occurrence }, then: this.delay() };
    return { when: { point, ...(this.random.chance(1, 2) ? { task } : {}), ...occurrence }, then: this.delay() };
  }

  private delay(): Record<string, unknown> {
    return { delay: this.oneOf<unknown>(['1ms', '5us', { events: 1 + this.random.below(30) }]) };
  }

  private oneOf<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }
}
