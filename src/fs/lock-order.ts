/**
 * Every class of lock in the engine, outermost first. A task that holds a lock may take only locks further down; the
 * world checks this at every acquire, so a wrong order is reported even when nothing hangs.
 *
 * At most one lock of class `tree` is held at a time: cross-tree work (extent items, checksums, free space) goes
 * through delayed references, which the commit applies one tree after the other.
 */
export const LOCK_CLASSES = [
  { name: 'remount', title: 'one change of the options of the mount at a time (the part of the kernel s_umount)' },
  {
    name: 'volume-change',
    title: 'one change of the set of devices at a time: add, remove, resize, start of a replace',
  },
  {
    name: 'replace-finish',
    title: 'the end, the cancelling and the suspension of a device replace exclude each other',
  },
  { name: 'cleaner', title: 'one run of the cleaner at a time' },
  { name: 'delete-unused', title: 'the deletion of unused block groups, against relocation' },
  { name: 'rename', title: 'one rename between directories at a time' },
  { name: 'inode', title: "an inode's contents and attributes (the kernel's inode rwsem)" },
  { name: 'file-range', title: "a byte range of a file (the kernel's extent lock)" },
  { name: 'read-only-groups', title: 'setting block groups read-only, against the writing of their items by a commit' },
  { name: 'space-groups', title: 'the list of block groups of one type (the kernel space_info groups_sem)' },
  { name: 'device-list', title: 'the members of the file system and their ids' },
  { name: 'chunk', title: 'allocation and removal of chunks' },
  { name: 'commit-root', title: 'the set of commit roots: readers keep the switch of all roots away' },
  { name: 'tree', title: 'one tree: shared to search, exclusive to change' },
  { name: 'device-replace', title: 'the state of a device replace: shared to map a write, exclusive to move on' },
  {
    name: 'extent-maps',
    title: "an inode's extent maps (the kernel's extent map tree lock): nothing is taken under it",
  },
] as const;

export type LockClass = (typeof LOCK_CLASSES)[number]['name'];

/** Outermost first. */
export const LOCK_ORDER: readonly string[] = LOCK_CLASSES.map((lockClass) => lockClass.name);
