import { PROFILE_FACTS } from './check-filesystem.ts';
import type { PlacedOperation } from './check-operations.ts';
import type { Checker } from './checker.ts';
import type { Located, Path } from './located.ts';
import type { FilesystemSettings, Operation } from './model.ts';

/** An operation with how often its list runs. */
export interface RepeatedOperation extends PlacedOperation {
  readonly repeat: number;
}

interface DeviceContext {
  readonly settings: FilesystemSettings;
  /** Of the key `filesystem`; null when the file has none. */
  readonly filesystem: Located | null;
  /** Of setup and of all tasks. */
  readonly operations: readonly RepeatedOperation[];
  /** False when some operation is missing because it has problems. */
  readonly isComplete: boolean;
}

/** Reports devices that cannot be meant: indices and ids that no device has, spares that nobody takes. */
export function checkDevices(checker: Checker, context: DeviceContext): void {
  new DeviceChecker(checker, context).check();
}

class DeviceChecker {
  private readonly checker: Checker;
  private readonly context: DeviceContext;
  private readonly deviceCount: number;
  private readonly devidMax: number;

  constructor(checker: Checker, context: DeviceContext) {
    this.checker = checker;
    this.context = context;
    const { settings, operations } = context;
    this.deviceCount = settings.devices.length + settings.spares.length;
    const adds = operations.reduce(
      (sum, { operation, repeat }) => sum + (operation.kind === 'device-add' ? repeat : 0),
      0,
    );
    this.devidMax = settings.devices.length + adds;
  }

  check(): void {
    for (const placed of this.context.operations) this.checkOne(placed);
    if (!this.context.isComplete) return;
    this.checkSpares();
    this.checkWiped();
  }

  private checkOne({ operation, node }: PlacedOperation): void {
    switch (operation.kind) {
      case 'device-add':
        this.checkNewMember(node, operation, { index: operation.device, path: ['device-add', 'device'] });
        return;
      case 'replace':
        this.checkNewMember(node, operation, { index: operation.target, path: ['replace', 'target'] });
        this.checkDevid(node, operation, operation.devid);
        return;
      case 'scrub':
      case 'device-resize':
        if (operation.devid !== null) this.checkDevid(node, operation, operation.devid);
        return;
      case 'device-remove':
        if (operation.devid !== 'missing') this.checkDevid(node, operation, operation.devid);
        return;
      case 'wipe':
        if (this.isDevice(node, ['wipe', 'device'], operation.device)) this.checkWipe(node, operation.device);
        return;
      case 'corrupt':
        this.checkMirror(node, operation.mirror);
        return;
    }
  }

  private isDevice(node: Located, path: Path, index: number): boolean {
    if (index < this.deviceCount) return true;
    const last = this.deviceCount === 1 ? 'the only device is 0' : `devices are 0 to ${this.deviceCount - 1}`;
    const hint = `${last}; blank ones are made by filesystem.spare`;
    this.checker.reportAt(node, path, 'range', `there is no device ${index}`, hint);
    return false;
  }

  /** A device that is to come in is blank: a spare, or one that has left or was wiped. */
  private checkNewMember(
    node: Located,
    operation: Operation,
    device: { readonly index: number; readonly path: Path },
  ): void {
    const { index, path } = device;
    if (!this.isDevice(node, path, index)) return;
    const { settings, operations, isComplete } = this.context;
    if (index >= settings.devices.length || !isComplete || expectsRefusal(operation)) return;
    const mayHaveLeft = operations.some(
      ({ operation: other }) =>
        other.kind === 'device-remove' ||
        (other.kind === 'replace' && other !== operation) ||
        (other.kind === 'wipe' && other.device === index),
    );
    if (mayHaveLeft) return;
    const message = `device ${index} belongs to the file system (EEXIST)`;
    this.checker.reportAt(
      node,
      path,
      'contradiction',
      message,
      'name a device of filesystem.spare, or say expect: EEXIST',
    );
  }

  private checkDevid(node: Located, operation: Operation, devid: number): void {
    if (devid <= this.devidMax || !this.context.isComplete || expectsRefusal(operation)) return;
    const ids = this.devidMax === 1 ? 'the only id is 1' : `ids are 1 to ${this.devidMax}`;
    const hint = `${ids}; they count from 1, indices from 0`;
    const message = `no device can have the id ${devid}`;
    this.checker.reportAt(
      node,
      [operation.kind, 'devid'],
      'range',
      message,
      `${hint} (or say what it is expected to return)`,
    );
  }

  private checkWipe(node: Located, index: number): void {
    const { settings } = this.context;
    if (index >= settings.devices.length) {
      this.checker.reportAt(node, ['wipe', 'device'], 'contradiction', `device ${index} is a spare: it is blank`);
    } else if (!settings.mount.degraded) {
      const message = `without device ${index} the file system cannot be mounted`;
      this.checker.reportAt(
        node,
        ['wipe', 'device'],
        'contradiction',
        message,
        'add "mount: { degraded: true }" to filesystem',
      );
    }
  }

  private checkWiped(): void {
    const { settings, operations } = this.context;
    const wiped = new Set<number>();
    for (const { operation, node } of operations) {
      if (operation.kind !== 'wipe' || wiped.has(operation.device)) continue;
      wiped.add(operation.device);
      if (wiped.size < settings.devices.length) continue;
      this.checker.reportAt(node, ['wipe', 'device'], 'contradiction', 'no device is left to mount');
    }
  }

  private checkSpares(): void {
    const { settings, filesystem, operations } = this.context;
    if (filesystem === null) return;
    const taken = new Set(
      operations.map(({ operation }) =>
        operation.kind === 'device-add' ? operation.device : operation.kind === 'replace' ? operation.target : -1,
      ),
    );
    for (const spare of settings.spares.keys()) {
      const index = settings.devices.length + spare;
      if (taken.has(index)) continue;
      const message = `nothing takes device ${index}: no device-add, and no replace has it as its target`;
      this.checker.reportAt(filesystem, ['spare', spare], 'contradiction', message, 'remove it');
    }
  }

  private checkMirror(node: Located, mirror: number): void {
    const { data } = this.context.settings;
    const { copies } = PROFILE_FACTS[data];
    if (mirror <= copies) return;
    const message = `data of profile ${data} has ${copies === 1 ? 'one copy' : `${copies} copies`}`;
    this.checker.reportAt(node, ['corrupt', 'mirror'], 'range', `there is no mirror ${mirror}: ${message}`);
  }
}

/** It is known to fail: then it may name what there is not. */
function expectsRefusal({ expect }: Operation): boolean {
  return expect?.some((outcome) => outcome !== 'ok') === true;
}
