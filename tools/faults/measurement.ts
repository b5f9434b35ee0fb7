/** What one judge of this machine said of one damaged image. */
export interface CheckVerdict {
  /** `clean`, `complains`, `crashes` or `hangs`. */
  readonly ending: 'clean' | 'complains' | 'crashes' | 'hangs';
  /** The first line that complains, shortened. */
  readonly words: string;
}

export interface KernelVerdict {
  /** Errno names, empty where it succeeded; null where it did not come to it. */
  readonly mountReadOnly: string | null;
  readonly read: string | null;
  /** What was read otherwise than in the image without the fault: `names`, `metadata`, `content`. */
  readonly differs: readonly string[];
  readonly mountWritable: string | null;
  readonly write: string | null;
  readonly remove: string | null;
  /** Steps that the kernel killed (an oops) or never ended. */
  readonly broken: readonly string[];
  /** A message of its own that is worse than information. */
  readonly complains: boolean;
  /** A trace: something that its authors took for impossible. */
  readonly warns: boolean;
  /** `btrfs check` was silent before, and complains of what the kernel left behind. */
  readonly corrupts: boolean;
}

export interface Measurement {
  readonly base: string;
  readonly part: string;
  readonly field: string;
  readonly ours: readonly string[];
  readonly check: CheckVerdict;
  readonly kernel: KernelVerdict;
}

export interface Measurements {
  readonly kernel: string;
  readonly progs: string;
  readonly faults: readonly Measurement[];
}
