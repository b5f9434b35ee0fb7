import { resource } from '../../task/resource.ts';

/** State, membership and identity of the running and the committing transaction. */
export const TRANSACTION = resource('transaction', 0);
/** Pending reference changes: additions commute, running them does not. */
export const DELAYED_REFERENCES = resource('delayed-refs', 0);
