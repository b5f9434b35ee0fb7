import { resource } from '../../task/resource.ts';

/** State, membership and identity of the running and the committing transaction. */
export const TRANSACTION = resource('transaction', 0);
/** Whether the commit writes block group items already. */
export const GROUP_ITEMS = resource('transaction', 1);
/** Pending reference changes: additions commute, running them does not. */
export const DELAYED_REFERENCES = resource('delayed-refs', 0);
/** Whether the file system may be changed: by a mount option, a remount, or an abort. */
export const READ_ONLY = resource('transaction', 2);
