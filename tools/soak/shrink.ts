import type { OperationForm, WorkloadForm } from './generate.ts';

/**
 * Leaves out what can be left out: rules, tasks, operations, repetitions, one after the other, as long as `stillFails`.
 * Not minimal, but small enough to read.
 */
export function shrink(form: WorkloadForm, stillFails: (form: WorkloadForm) => boolean): WorkloadForm {
  let best = form;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (let index = 0; ; index++) {
      // The list changes with each success: what comes at this index then is another idea.
      const smaller = [...smallerThan(best)][index];
      if (smaller === undefined) break;
      if (!stillFails(smaller)) continue;
      best = smaller;
      isSmaller = true;
      index--;
    }
  }
  return best;
}

function* smallerThan(form: WorkloadForm): Generator<WorkloadForm> {
  const names = Object.keys(form.tasks);
  for (let index = 0; index < form.inject.length; index++) yield { ...form, inject: without(form.inject, index) };
  if (names.length > 1) {
    for (const name of names) {
      const { [name]: _, ...tasks } = form.tasks;
      yield { ...form, tasks };
    }
  }
  for (const name of names) {
    const task = form.tasks[name]!;
    if (task.repeat > 1) yield { ...form, tasks: { ...form.tasks, [name]: { ...task, repeat: 1 } } };
    for (let index = 0; index < task.do.length; index++) {
      if (task.do.length > 1)
        yield { ...form, tasks: { ...form.tasks, [name]: { ...task, do: without(task.do, index) } } };
      const operation = task.do[index]!;
      if (typeof operation === 'string' || !('expect' in operation)) continue;
      const { expect: _, ...bare } = operation;
      yield { ...form, tasks: { ...form.tasks, [name]: { ...task, do: task.do.with(index, bare) } } };
    }
  }
  if (form.setup.length > 12) {
    const half = Math.floor(form.setup.length / 2);
    yield { ...form, setup: form.setup.slice(0, half) };
    yield { ...form, setup: form.setup.slice(half) };
  }
  for (let index = 0; index < form.setup.length; index++) yield { ...form, setup: without(form.setup, index) };
  yield* withLessFilesystem(form);
  yield* withPlainerOperations(form);
}

function* withLessFilesystem(form: WorkloadForm): Generator<WorkloadForm> {
  for (const [key, value] of Object.entries(form.filesystem)) {
    const { [key]: _, ...filesystem } = form.filesystem;
    yield { ...form, filesystem };
    if ((key === 'devices' || key === 'spare') && Array.isArray(value) && value.length > 1) {
      yield { ...form, filesystem: { ...form.filesystem, [key]: value.slice(0, -1) } };
    }
    if ((key === 'metadata' || key === 'data') && value !== 'single') {
      for (const plainer of ['single', 'raid1']) {
        if (value !== plainer) yield { ...form, filesystem: { ...form.filesystem, [key]: plainer } };
        if (value === 'raid1') break;
      }
    }
  }
}

/** Arguments that are not needed say too much: `direct`, `avoid-source`, a range. */
function* withPlainerOperations(form: WorkloadForm): Generator<WorkloadForm> {
  for (const [name, task] of Object.entries(form.tasks)) {
    for (const [index, operation] of task.do.entries()) {
      for (const plainer of plainerThan(operation)) {
        yield { ...form, tasks: { ...form.tasks, [name]: { ...task, do: task.do.with(index, plainer) } } };
      }
    }
  }
  for (const [index, operation] of form.setup.entries()) {
    for (const plainer of plainerThan(operation)) yield { ...form, setup: form.setup.with(index, plainer) };
  }
}

const PLAIN_KEYS = ['direct', 'avoid-source', 'background', 'read-only', 'resume', 'nodatacow', 'keep-size', 'append'];

function* plainerThan(operation: OperationForm): Generator<OperationForm> {
  if (typeof operation === 'string') return;
  for (const [kind, given] of Object.entries(operation)) {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) continue;
    const keys = Object.keys(given).filter((key) => PLAIN_KEYS.includes(key));
    for (const key of keys) {
      const { [key]: _, ...rest } = given as Record<string, unknown>;
      if (Object.keys(rest).length > 0) yield { ...operation, [kind]: rest };
    }
  }
}

function without<T>(items: readonly T[], index: number): T[] {
  return items.filter((_, at) => at !== index);
}
