import type { RandomStream } from '../../src/base/random.ts';
import { PROFILE_FACTS } from '../../src/workload/check-filesystem.ts';
import type { ProfileName } from '../../src/workload/model.ts';
import type { OperationForm } from './generate.ts';

const KIB = 1024;
const SECTOR = 4 * KIB;
const PROFILES: readonly ProfileName[] = ['single', 'dup', 'raid0', 'raid1', 'raid1c3'];

/** What a workload has of devices: chosen once, then operations on them are drawn. */
export class DeviceGenerator {
  private readonly random: RandomStream;
  private readonly sizes: readonly string[];
  private readonly spares: readonly string[];
  private readonly metadata: ProfileName;
  private readonly data: ProfileName;
  private readonly wiped: readonly number[];
  private additions = 0;
  /** Spares that nothing takes yet: the checker wants each to be taken. */
  private readonly untaken: number[];

  constructor(random: RandomStream) {
    this.random = random;
    const count = this.oneOf([1, 1, 2, 2, 2, 2, 3, 3, 3, 4]);
    this.sizes = Array.from({ length: count }, () => this.oneOf(['12M', '16M', '16M', '24M']));
    this.metadata = this.profile();
    this.data = this.profile();
    this.spares = Array.from({ length: this.oneOf([0, 1, 1, 1, 2, 2]) }, () =>
      this.oneOf(['12M', '24M', '24M', '24M']),
    );
    this.wiped = this.canLoseOne() && this.random.chance(1, 4) ? [this.random.below(count)] : [];
    this.untaken = this.spares.map((_, index) => count + index);
  }

  filesystem(): Record<string, unknown> {
    const groups = {
      system: this.groupSize(this.metadata, 256 * KIB),
      metadata: this.groupSize(this.metadata, 1024 * KIB),
      data: this.groupSize(this.data, this.oneOf([256, 256, 512, 1024]) * KIB),
    };
    const mount: Record<string, unknown> = {};
    if (this.wiped.length > 0 || this.random.chance(1, 8)) mount['degraded'] = true;
    if (this.random.chance(1, 3)) mount['discard'] = true;
    return {
      devices: this.sizes,
      ...(this.spares.length > 0 ? { spare: this.spares } : {}),
      'node-size': this.oneOf(['4K', '4K', '4K', '4K', '8K', '16K']),
      metadata: this.metadata,
      data: this.data,
      ...(this.random.chance(9, 10) ? { 'block-groups': groups } : {}),
      ...(Object.keys(mount).length > 0 ? { mount } : {}),
    };
  }

  /** At the end of setup: what makes devices stale, bad or missing. */
  setup(files: readonly string[]): OperationForm[] {
    const operations: OperationForm[] = [];
    if (this.wiped.length > 0) {
      operations.push({ wipe: this.wiped[0]! });
      if (this.random.chance(1, 2)) operations.push({ write: { file: files[0]!, ...this.range() } });
    }
    if (this.random.chance(1, 6)) operations.push(this.corrupt(files));
    return operations;
  }

  /** Operations that take the spares which no operation has taken so far. */
  takeSpares(): OperationForm[] {
    return [...this.untaken].map((index) => (this.random.chance(2, 3) ? this.replace(index) : this.add(index)));
  }

  operation(files: readonly string[]): OperationForm {
    const roll = this.random.below(100);
    if (roll < 20) return this.scrub();
    if (roll < 25) return 'scrub-cancel';
    if (roll < 43) return this.replace(this.anyDevice());
    if (roll < 50) return 'replace-cancel';
    if (roll < 60) return this.trim();
    if (roll < 72) return 'clean';
    if (roll < 76)
      return {
        reconfigure: this.oneOf([{ 'read-only': true }, { 'read-only': false }, { discard: true }, { discard: false }]),
      };
    if (roll < 80) return this.add(this.anyDevice());
    if (roll < 86)
      return { 'device-remove': this.wiped.length > 0 && this.random.chance(1, 2) ? 'missing' : this.devid() };
    if (roll < 92)
      return { 'device-resize': { devid: this.devid(), size: this.oneOf(['max', '8M', '10M', '12M', '16M', '20M']) } };
    if (roll < 96) return this.corrupt(files);
    return 'sync';
  }

  private scrub(): OperationForm {
    if (this.random.chance(1, 3)) return 'scrub';
    const form: Record<string, unknown> = {};
    if (this.random.chance(2, 3)) form['devid'] = this.devid();
    if (this.random.chance(1, 4)) form['read-only'] = true;
    if (this.random.chance(1, 5)) form['resume'] = true;
    else if (this.random.chance(1, 4)) {
      form['start'] = this.random.below(64) * 64 * KIB;
      form['end'] = Number(form['start']) + (1 + this.random.below(64)) * 64 * KIB;
    }
    return Object.keys(form).length === 0 ? 'scrub' : { scrub: form };
  }

  private replace(target: number): OperationForm {
    this.take(target);
    return {
      replace: {
        devid: this.devid(),
        target,
        ...(this.random.chance(1, 3) ? { background: true } : {}),
        ...(this.random.chance(1, 4) ? { 'avoid-source': true } : {}),
      },
    };
  }

  private add(index: number): OperationForm {
    this.take(index);
    this.additions += 1;
    return { 'device-add': index };
  }

  private take(index: number): void {
    const at = this.untaken.indexOf(index);
    if (at >= 0) this.untaken.splice(at, 1);
  }

  private trim(): OperationForm {
    if (this.random.chance(2, 3)) return 'trim';
    return { trim: { offset: this.random.below(64) * 256 * KIB, minimum: this.oneOf([0, 4096, 65536]) } };
  }

  private corrupt(files: readonly string[]): OperationForm {
    const { copies } = PROFILE_FACTS[this.data];
    const length = (1 + this.random.below(4)) * SECTOR;
    return {
      corrupt: {
        file: this.oneOf(files),
        offset: this.random.below(8) * SECTOR,
        length,
        mirror: 1 + this.random.below(copies),
      },
    };
  }

  private range(): Record<string, number> {
    return { offset: this.random.below(16) * SECTOR, length: (1 + this.random.below(16)) * SECTOR };
  }

  private anyDevice(): number {
    const { length: members } = this.sizes;
    const { length: spares } = this.spares;
    if (spares === 0 || this.random.chance(1, 5)) return this.random.below(members + spares);
    return members + this.random.below(spares);
  }

  private devid(): number {
    return 1 + this.random.below(this.sizes.length + Math.min(1, this.additions));
  }

  /** Stripes over all devices must come out even. */
  private groupSize(profile: ProfileName, size: number): number {
    const unit = 64 * KIB * (profile === 'raid0' ? this.sizes.length : 1);
    return Math.ceil(size / unit) * unit;
  }

  private profile(): ProfileName {
    return this.oneOf(PROFILES.filter((name) => PROFILE_FACTS[name].devicesMin <= this.sizes.length));
  }

  private canLoseOne(): boolean {
    return [this.metadata, this.data].every((name) => name.startsWith('raid1'));
  }

  private oneOf<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }
}
