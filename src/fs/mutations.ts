/** A seeded bug of the engine. It exists to prove that a law can fail: no workload's verdict may depend on one. */
export interface Mutation {
  readonly id: string;
  /** What the engine does wrong. */
  readonly title: string;
  /** The law that must notice. */
  readonly law: string;
}

export const MUTATIONS = [
  {
    id: 'skip-unpin-wait',
    title: 'an extent freed in a transaction can be allocated again before the commit is durable',
    law: 'durability',
  },
  {
    id: 'lose-block-group-update',
    title: 'the used bytes of block groups are not written at commit',
    law: 'structure',
  },
  {
    id: 'drop-back-reference',
    title: 'a second reference to a data extent is counted but leaves no back reference',
    law: 'structure',
  },
  {
    id: 'skip-data-checksum',
    title: 'checksums of new data are not inserted',
    law: 'structure',
  },
  {
    id: 'stale-parent-generation',
    title: 'root items record a generation one below that of the root block they lead to',
    law: 'structure',
  },
  {
    id: 'leak-free-space-range',
    title: 'freed extents are never free again, neither in memory nor in the free space tree',
    law: 'structure',
  },
  {
    id: 'skip-flush-before-superblock',
    title: 'the superblock is written without flushing the tree blocks it points to',
    law: 'durability',
  },
  {
    id: 'forget-lock-release',
    title: 'the commit root semaphore stays held after the switch of roots',
    law: 'locks',
  },
  {
    id: 'lock-order-swap',
    title: 'the commit takes the commit root semaphore while it holds the root tree',
    law: 'locks',
  },
  {
    id: 'ignore-tree-write-error',
    title: 'a failed write of a tree block does not abort the transaction',
    law: 'structure',
  },
  {
    id: 'extent-map-overlap',
    title: 'dropping a range of extent maps leaves a second copy of the first map in the tree',
    law: 'extent-maps',
  },
  {
    id: 'wrong-gap-fit',
    title: 'an extent map cut down to fit a gap keeps the address of what was cut off',
    law: 'extent-maps',
  },
  {
    id: 'lost-write',
    title: 'the completion of an ordered extent does not insert its file extent item',
    law: 'data',
  },
  {
    id: 'stale-read',
    title: 'a direct write leaves the pages it overwrites in the page cache',
    law: 'data',
  },
  {
    id: 'skip-ordered-wait',
    title: 'direct I/O does not wait for ordered extents in its range',
    law: 'data',
  },
  {
    id: 'skip-fsync-commit',
    title: 'fsync writes the data out but commits nothing',
    law: 'durability',
  },
  {
    id: 'wrong-errno',
    title: 'a direct read at offset 0 fails with ENODATA',
    law: 'errors',
  },
  {
    id: 'forget-range-unlock',
    title: 'a direct write does not unlock its range',
    law: 'locks',
  },
  {
    id: 'erase-chunk-map-before-removed',
    title: 'a block group is marked as removed only after its chunk map is gone',
    law: 'errors',
  },
  {
    id: 'forget-read-only-release',
    title: 'a scrub leaves the last block group it visited read-only',
    law: 'block-groups',
  },
  {
    id: 'leak-unused-space-total',
    title: 'the total of a space info keeps the bytes of a removed block group',
    law: 'block-groups',
  },
  {
    id: 'forget-unfreeze',
    title: 'a trim does not unfreeze the block group it is done with',
    law: 'block-groups',
  },
  {
    id: 'skip-one-device-extent',
    title: 'a scrub passes over the second device extent',
    law: 'scrub',
  },
  {
    id: 'write-first-mirror-only',
    title: 'data is written to the first mirror only',
    law: 'replication',
  },
  {
    id: 'copy-first-half',
    title: 'the copy of a device replace leaves out the second half of each extent',
    law: 'replication',
  },
  {
    id: 'discard-before-commit',
    title: 'freed extents are discarded when they are freed, not after the commit',
    law: 'discard',
  },
] as const satisfies readonly Mutation[];

export type MutationId = (typeof MUTATIONS)[number]['id'];
