import { FIXES, type Fix } from '../fs/fixes.ts';
import { LOCK_CLASSES } from '../fs/lock-order.ts';
import { MUTATIONS } from '../fs/mutations.ts';
import { FAILURE_SITES, POINTS } from '../fs/points.ts';
import { LAWS } from '../oracle/laws.ts';
import { OPERATION_MAPPING, OPERATION_NAMES } from '../workload/schema.ts';
import type { Vocabulary } from '../workload/vocabulary.ts';

/** Everything that a workload file may name, from those who own the names. */
export const VOCABULARY: Vocabulary = {
  points: POINTS.map((point) => point.name),
  fixes: FIXES,
  laws: LAWS.map((law) => law.name),
  locks: LOCK_CLASSES.map((lockClass) => lockClass.name),
  sites: FAILURE_SITES.map((site) => ({ name: site.name, errnos: [site.errno] })),
  engineTasks: ['ordered-extent', 'writeback', 'device-replace'],
};

/** One line of `fsquake list`: a name, what it means, and what else is known of it. */
export interface ListEntry {
  readonly name: string;
  readonly title: string;
  readonly details: Readonly<Record<string, string | number | readonly string[]>>;
}

/** What `fsquake list` can list besides workloads, by the plural that the user types. */
export const REGISTRIES: Readonly<Record<string, () => ListEntry[]>> = {
  fixes: () =>
    (FIXES as readonly Fix[]).map(({ id, title, commit, kernel, year, class: kind, law, requires, supersedes }) => ({
      name: id,
      title,
      details: {
        kernel,
        year,
        ...(commit === '' ? {} : { commit }),
        class: kind,
        law,
        ...(requires.length === 0 ? {} : { requires }),
        ...(supersedes.length === 0 ? {} : { supersedes }),
      },
    })),
  laws: () => LAWS.map(({ name, title }) => ({ name, title, details: {} })),
  points: () => POINTS.map(({ name, title }) => ({ name, title, details: {} })),
  sites: () => FAILURE_SITES.map(({ name, title, errno }) => ({ name, title, details: { errno } })),
  operations: () =>
    OPERATION_NAMES.map((name) => ({
      name,
      title: OPERATION_MAPPING.shape[name].description ?? '',
      details: {},
    })),
  locks: () => LOCK_CLASSES.map(({ name, title }) => ({ name, title, details: {} })),
  mutations: () => MUTATIONS.map(({ id, title, law }) => ({ name: id, title, details: { law } })),
};
