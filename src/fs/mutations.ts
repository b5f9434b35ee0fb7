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
    title: 'freed extents are not returned to the free space tree',
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
] as const satisfies readonly Mutation[];

export type MutationId = (typeof MUTATIONS)[number]['id'];
