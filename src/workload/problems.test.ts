import { expect, test } from 'vitest';
import { fileWith, problemsOf } from './testing/parsing.ts';

/** Problems of a file whose task does these operations; they begin on line 6. */
function ofOperations(...operations: string[]): string[] {
  return problemsOf(fileWith({ operations }));
}

/** Problems of lines added to a right file; they begin on line 7. */
function ofLines(...lines: string[]): string[] {
  return problemsOf(fileWith({ lines }));
}

test('the example that the others change is right', () => {
  expect(problemsOf(fileWith({}))).toEqual([]);
});

test('all problems of a file come at once, in order of position', () => {
  const text = `
titel: x
filesystem: { devices: [16M], node-size: 5000 }
tasks:
  t:
    - write: { file: /f, ofset: 8K, length: 100, direct: true }
    - fsnc: /f
expect: { verdict: dirty }
`;
  expect(problemsOf(text)).toEqual([
    '2 "titel" unknown-key: a workload has no key "titel"; did you mean "title"?',
    '3 "5000" size: the node size 5000 is not a power of two from 4K to 64K; did you mean 4K?',
    '6 "ofset" unknown-key: "write" has no key "ofset"; did you mean "offset"?',
    '6 "100" unaligned: a direct write has whole sectors of 4K, its length is 100; did you mean 4K? (or expect: EINVAL)',
    '7 "fsnc" unknown-key: an operation has no key "fsnc"; did you mean "fsync"?',
    '8 "dirty" value: "verdict": cannot be "dirty"; one of: clean, violation',
  ]);
});

test('a duplicate key and an unknown one are found together', () => {
  expect(problemsOf('tasks:\n  t: [ sync ]\n  t: [ sync ]\nfoo: 1\n')).toEqual([
    '3 "t" duplicate-key: the key "t" is already on line 2; keep one of them',
    expect.stringMatching(/^4 ".*" unknown-key: a workload has no key "foo"/),
  ]);
});

test.each([
  ['x: 1\n', /^1 ".*" missing-key: a workload needs the key "tasks"/],
  ['tasks: 3\n', /^1 ".*" value: "tasks" is a mapping from names to lists, found 3/],
  ['tasks:\n', /^1 ".*" value: "tasks" is a mapping from names to lists, found nothing/],
  ['tasks: {}\n', /^1 ".*" value: "tasks" is empty/],
  ['tasks: { t: [] }\n', /^1 ".*" value: task "t" is empty/],
  ['tasks: { t: }\n', /^1 ".*" value: task "t" is empty/],
  ['tasks: { t: sync }\n', /^1 ".*" value: task "t" is a list of operations, found "sync"/],
  ['tasks: { "a b": [ sync ] }\n', /^1 ".*" value: "a b" is no name for a task/],
  ['tasks: { t: { repeat: 2 } }\n', /^1 ".*" missing-key: task "t" needs the key "do"/],
  ['tasks: { t: { repeat: 0, do: [ sync ] } }\n', /^1 ".*" value: "repeat": at least 1, found 0/],
  ['tasks: { t: { repeat: 1000000, do: [ sync ] } }\n', /^1 ".*" value: "repeat": at most 10000/],
  [
    'tasks: { t: { repeat: 10000, do: [ sync, sync, sync, sync, sync, sync, sync, sync, sync, sync, sync ] } }\n',
    /^1 ".*" number: one execution would do 110000 operations/,
  ],
  [
    'tasks: { t: [ sync ] }\nsetup: { create: /f }\n',
    /^2 ".*" value: "setup" is a list of operations, found a mapping/,
  ],
])('the file %j is refused', (text, problem) => {
  expect(problemsOf(text)).toContainEqual(expect.stringMatching(problem));
});

test.each([
  ['- wriet: { file: /f }', '6 "wriet" unknown-key: an operation has no key "wriet"; did you mean "write"?'],
  [
    '- flush',
    '6 "flush" unknown-name: there is no operation "flush"; one of: mkdir, create, open, close, unlink, rename, truncate, write, read, fallocate, rmdir, link, symlink, mknod, tmpfile, readdir … (47 in all)',
  ],
  ['- fsyn', '6 "fsyn" unknown-name: there is no operation "fsyn"; did you mean "fsync"?'],
  ['- write', '6 "write" missing-key: write needs arguments; write it as "write: …"'],
  ['- 7', '6 "7" value: expected an operation, found 7; such as "write: { … }"'],
  ['-', '6 "" value: expected an operation, found nothing; such as "write: { … }"'],
  [
    '- { sync: , fsync: /f }',
    '6 "fsync" contradiction: one item is one operation, here are sync and fsync; begin a new item with "- "',
  ],
  ['- { expect: EIO }', '6 "{" missing-key: no operation is named here; such as "write:" or "fsync:"'],
  ['- sync: 5', '6 "5" value: "sync": expected no argument, found 5'],
  [
    '- remount',
    '6 "remount" rule: remount stands in setup only: other tasks are at work here; use drop-caches for cold caches',
  ],
  ['- write: { file: /f }', '6 "write" missing-key: "write" needs the key "length"'],
  ['- write: { file: /f, lenght: 4K }', '6 "lenght" unknown-key: "write" has no key "lenght"; did you mean "length"?'],
  ['- write: { file: /f, length: 0 }', '6 "0" size: a write of no bytes does nothing; at least 1'],
  ['- read: { file: /f, length: 0 }', '6 "0" size: a read of no bytes does nothing; at least 1'],
  [
    '- write: { file: /f, length: 17M }',
    '6 "17M" size: the write ends at 17M, past all that the devices can hold (16M); enlarge filesystem.devices, or expect: ENOSPC',
  ],
  [
    '- write: { file: /f, offset: 16M, length: 1 }',
    '6 "16M" size: the write ends at 16777217, past all that the devices can hold (16M); enlarge filesystem.devices, or expect: ENOSPC',
  ],
  ['- read: { file: /f, length: 1T }', '6 "1T" size: one read moves at most 256M, found 1T; use several'],
  ['- write: { file: /f, length: -5 }', '6 "-5" size: "length": a size is never negative, found -5'],
  [
    '- write: { file: /f, offset: 1.5, length: 1 }',
    '6 "1.5" size: "offset": a size is a whole number of bytes, found 1.5',
  ],
  [
    '- write: { file: /f, length: 4096, direct: yes }',
    '6 "yes" value: "direct": expected true or false, found "yes"; did you mean "true"?',
  ],
  [
    '- write: { file: /f, offset: 512, length: 4K, direct: true }',
    '6 "512" unaligned: a direct write has whole sectors of 4K, its offset is 512; did you mean 4K? (or expect: EINVAL)',
  ],
  [
    '- read: { file: /f, offset: 4K, length: 5000, direct: true }',
    '6 "5000" unaligned: a direct read has whole sectors of 4K, its length is 5000; did you mean 4K or 8K? (or expect: EINVAL)',
  ],
  [
    '- write: { file: /f, length: 4K, direct: true, append: true }',
    '6 "true" contradiction: direct and append exclude each other: the end of a file need not be at a whole sector; remove one of them',
  ],
  [
    '- write: { file: /f, offset: 4K, length: 4K, append: true }',
    '6 "offset" contradiction: an append has no offset: it goes to the end of the file; remove one of "offset" and "append"',
  ],
  [
    '- open: { file: /f, as: h, direct: true, append: true }',
    '6 "true" contradiction: direct and append exclude each other: the end of a file need not be at a whole sector; remove one of them',
  ],
  ['- read: { file: f, length: 1 }', '6 "f" value: "file": a path begins with "/", found "f"; did you mean "/f"?'],
  [
    '- fsync: $h',
    '6 "$h" handle: $h is used before it is opened in this list; open it first: open: { file: /f, as: h }',
  ],
  ['- close: h', '6 "h" value: "close": expected a handle such as $log, found "h"; did you mean "$h"?'],
  [
    '- { fsync: /f, expect: EEIO }',
    '6 "EEIO" value: "expect": "EEIO" is no outcome of an operation; did you mean "EIO"?',
  ],
  ['- { fsync: /f, expect: [EIO, EIO] }', '6 "EIO" contradiction: EIO is already in this list; remove it'],
  [
    '- sleep: 10',
    '6 "10" value: "sleep": expected a duration such as 10ms or 2s, found 10 without a unit; did you mean "10ms"?',
  ],
  [
    '- drop-caches: { file: /f, offset: 1, length: 0 }',
    '6 "1" size: extent maps cover whole sectors of 4K, this offset is 1; did you mean 4K?',
  ],
])('the operation %s is refused', (operation, problem) => {
  expect(ofOperations(operation)).toContain(problem);
});

test('a handle is used between its opening and its closing, and opened once', () => {
  expect(ofOperations('- open: { file: /f, as: log }', '- fsync: $lgo', '- close: $log')).toEqual([
    '7 "$lgo" handle: $lgo is used before it is opened in this list; did you mean "$log"?',
  ]);
  expect(ofOperations('- open: { file: /f, as: a }', '- close: $a', '- fsync: $a')).toEqual([
    '8 "$a" handle: $a is used after it was closed',
  ]);
  expect(ofOperations('- open: { file: /f, as: a }', '- open: { file: /f, as: a }')).toEqual([
    '7 "a" handle: $a is already open; close it first, or choose another name',
  ]);
});

test('a handle that is open at the end of a repeated list would be opened twice', () => {
  const text = 'setup: [ create: /f ]\ntasks: { t: { repeat: 2, do: [ open: { file: /f, as: a } ] } }\n';
  expect(problemsOf(text)).toEqual([
    '2 "a" handle: $a is still open at the end of the list, which is repeated; add "close: $a"',
  ]);
});

test('a handle decides how it is written, and no operation may say otherwise', () => {
  expect(
    ofOperations(
      '- open: { file: /f, as: a, direct: true }',
      '- write: { file: $a, length: 100 }',
      '- read: { file: $a, length: 4K, direct: false }',
    ),
  ).toEqual([
    '7 "100" unaligned: a direct write has whole sectors of 4K, its length is 100; did you mean 4K? (or expect: EINVAL)',
    '8 "false" contradiction: $a was opened with direct; say "direct" where it is opened',
  ]);
});

test('after an item that may have opened a handle, unknown handles are not held against the file', () => {
  expect(ofOperations('- opne: { file: /f, as: a }', '- fsync: $a')).toEqual([
    '6 "opne" unknown-key: an operation has no key "opne"; did you mean "open"?',
  ]);
});

test.each([
  [
    ['- write: { file: /g, length: 1 }'],
    '2 "/g" file-state: nothing makes /g (ENOENT); create: /g first, or say expect: ENOENT',
  ],
  [
    ['- create: /file', '- write: { file: /flie, length: 1 }'],
    '3 "/flie" file-state: nothing makes /flie (ENOENT); did you mean "/file"?',
  ],
  [['- create: /d/f'], '2 "/d/f" file-state: nothing makes the directory /d (ENOENT); mkdir: /d first'],
  [['- create: /a', '- create: /a'], '3 "/a" file-state: /a already exists (EEXIST)'],
  [['- create: /a', '- create: /a/b'], '3 "/a/b" file-state: /a is a file, not a directory (ENOTDIR)'],
  [['- mkdir: /a', '- write: { file: /a, length: 1 }'], '3 "/a" file-state: /a is a directory (EISDIR)'],
  [['- mkdir: /a', '- rename: { from: /a, to: /a/b }'], '3 "/a/b" file-state: /a cannot move into itself (EINVAL)'],
  [
    ['- create: /a', '- rename: { from: /a, to: /b }', '- unlink: /a'],
    '4 "/a" file-state: nothing makes /a (ENOENT); did you mean "/b"?',
  ],
])('setup cannot do %j', (setup, problem) => {
  const lines = setup.map((line) => `  ${line}`).join('\n');
  expect(problemsOf(`setup:\n${lines}\ntasks: { t: [ sync ] }\n`)).toEqual([problem]);
});

test('setup follows directories through renames', () => {
  const text =
    'setup:\n  - mkdir: /a\n  - create: /a/f\n  - rename: { from: /a, to: /b }\n  - unlink: /b/f\ntasks: { t: [ create: /b/g ] }\n';
  expect(problemsOf(text)).toEqual([]);
});

test('tasks may rely on names that some task makes, at whatever time', () => {
  expect(
    problemsOf('tasks:\n  a: [ create: /f, mkdir: /d ]\n  b: [ read: { file: /f, length: 1 }, create: /d/g ]\n'),
  ).toEqual([]);
  expect(problemsOf('tasks:\n  a: [ create: /f ]\n  b: [ rename: { from: /f, to: /g }, fsync: /g ]\n')).toEqual([]);
});

test('a task that names what nobody makes is refused', () => {
  expect(ofOperations('- fsync: /ff')).toEqual(['6 "/ff" file-state: nothing makes /ff (ENOENT); did you mean "/f"?']);
  expect(ofOperations('- create: /f')).toEqual([
    '6 "/f" file-state: /f already exists and nobody removes it (EEXIST); or say expect: EEXIST',
  ]);
});

test.each([
  ['filesystem: { devices: [1M] }', '7 "1M" size: the device is too small: 1M; at least 8M'],
  ['filesystem: { devices: [16M, 4095] }', '7 "4095" size: the device is too small: 4095; at least 8M'],
  [
    'filesystem: { devices: [16777217] }',
    '7 "16777217" size: a device has whole sectors of 4K, found 16777217 bytes; did you mean 16777216?',
  ],
  ['filesystem: { devices: [] }', '7 "[" value: "devices": the list is empty'],
  ['filesystem: { devices: 16M }', '7 "16M" value: "devices": expected a list, found "16M"'],
  ['filesystem: { devices: [2T] }', '7 "2T" size: the device is too large: 2T; at most 1T'],
  ['filesystem: { node-size: 2K }', '7 "2K" size: the node size 2K is out of range from 4K to 64K; did you mean 4K?'],
  [
    'filesystem: { node-size: 24K }',
    '7 "24K" size: the node size 24K is not a power of two from 4K to 64K; did you mean 32K?',
  ],
  ['filesystem: { metadata: raid5 }', '7 "raid5" value: "metadata": cannot be "raid5"; did you mean "raid0"?'],
  [
    'filesystem: { data: mirror }',
    '7 "mirror" value: "data": cannot be "mirror"; one of: single, dup, raid0, raid1, raid1c3, raid1c4',
  ],
  [
    'filesystem: { block-groups: { metadata: 8M }, metadata: dup }',
    '7 "{" size: one block group of each kind needs 16M, metadata and system twice; the devices have 15M for them',
  ],
  [
    'filesystem: { block-groups: { data: 1000 } }',
    '7 "1000" size: a block group is a multiple of 64K, found 1000; did you mean 64K?',
  ],
  ['filesystem: 16M', '7 "16M" value: "filesystem": expected a mapping, found "16M"'],
])('the line %j is refused', (line, problem) => {
  expect(ofLines(line)).toContain(problem);
});

test.each([
  [
    '{ on: [reuse-coverin-map] }',
    '7 "reuse-coverin-map" fix: there is no fix "reuse-coverin-map"; did you mean "reuse-covering-map"?',
  ],
  ['{ off: [18e8] }', '7 "18e8" fix: there is no fix "18e8"; a commit needs at least 7 digits'],
  ['{ off: [18e83ac75bff] }', '7 "18e83ac75bff" fix: there is no fix "18e83ac75bff"; did you mean "18e83ac75bfe"?'],
  [
    '{ on: [reuse-covering-map], off: [18e83ac75bfe] }',
    '7 "18e83ac75bfe" contradiction: reuse-covering-map is both on and off; keep one of them',
  ],
  [
    '{ off: [reuse-identical-map] }',
    '7 "reuse-identical-map" fix: reuse-encompassing-map is on, but it builds on reuse-identical-map, which is off; switch reuse-encompassing-map off too',
  ],
  [
    '{ kernel: 4.8, on: [reuse-encompassing-map] }',
    '7 "reuse-encompassing-map" fix: reuse-encompassing-map is on, but it builds on reuse-identical-map, which is off; switch reuse-identical-map on too',
  ],
  ['{ kernel: 4.21 }', '7 "4.21" value: "kernel": there was no kernel 4.21; the last of its line is 4.20'],
  ['{ kernel: new }', '7 "new" value: "kernel": "new" is no kernel version; write it as "4.15"'],
  [
    '{ on: [18e83ac75bfe, reuse-covering-map] }',
    '7 "reuse-covering-map" fix: reuse-covering-map is already in this list; remove it',
  ],
])('the switches %s are refused', (fixes, problem) => {
  expect(ofLines(`fixes: ${fixes}`)).toEqual([problem]);
});

function ofRule(when: string, then: string): string[] {
  return ofLines('inject:', `  - when: ${when}`, `    then: ${then}`);
}

test.each([
  ['{ operation: wirte }', '{ fail: EIO }', '8 "wirte" value: "operation": cannot be "wirte"; did you mean "write"?'],
  [
    '{ task: writer, operation: read }',
    '{ fail: EIO }',
    '8 "writer" unknown-name: there is no task "writer"; one of: t, ordered-extent, writeback, device-replace',
  ],
  ['{ lock: inod }', '{ delay: 1ms }', '8 "inod" unknown-name: there is no lock class "inod"; did you mean "inode"?'],
  [
    '{ point: extent-map-lookp }',
    '{ delay: 1ms }',
    '8 "extent-map-lookp" unknown-name: there is no point "extent-map-lookp"; did you mean "extent-map-lookup"?',
  ],
  [
    '{ site: reserve-data }',
    '{ fail: ENOSPC }',
    '8 "reserve-data" unknown-name: there is no failure site "reserve-data"; did you mean "reserve-data-space"?',
  ],
  [
    '{ site: reserve-data-space }',
    '{ fail: EIO }',
    '9 "EIO" errno: EIO makes no sense for the site reserve-data-space; possible: ENOSPC',
  ],
  [
    '{ operation: read }',
    '{ fail: ENOSPC }',
    '9 "ENOSPC" errno: ENOSPC makes no sense for a read; possible: EIO, ENODATA, ENODEV, ENOMEM, ETIMEDOUT',
  ],
  [
    '{ operation: [read, write] }',
    '{ fail: ENOSPC }',
    '9 "ENOSPC" errno: ENOSPC makes no sense for a read or write; possible: EIO, ENODEV, ENOMEM, ETIMEDOUT',
  ],
  [
    '{ purpose: data }',
    '{ fail: EEXIST }',
    expect.stringMatching(/^9 ".*" errno: EEXIST makes no sense for device I\/O; /),
  ],
  ['{ operation: read }', '{ fail: EOI }', '9 "EOI" value: "fail": "EOI" is no errno; did you mean "EIO"?'],
  ['{ lock: inode }', '{ fail: EIO }', '9 "fail" rule: fail makes no sense for a lock; possible: delay'],
  [
    '{ point: commit-start }',
    '{ reorder: shuffle }',
    '9 "reorder" rule: reorder makes no sense for a point; possible: delay',
  ],
  [
    '{ site: allocate-page }',
    '{ delay: 1ms }',
    '9 "delay" rule: delay makes no sense for a failure site; possible: fail',
  ],
  [
    '{ lock: inode, point: commit-start }',
    '{ delay: 1ms }',
    '8 "point" contradiction: nothing is "lock" and "point" at once: this never matches; make it two rules',
  ],
  [
    '{ probability: 1/2 }',
    '{ fail: EIO }',
    '8 "when" rule: the rule does not say what it is about; add operation, purpose, lock, point or site',
  ],
  [
    '{ operation: read }',
    '{ fail: EIO, delay: 1ms }',
    '9 "fail" contradiction: a rule does one thing, this does delay and fail; make it two rules',
  ],
  ['{ operation: read }', '{}', '9 "then" missing-key: the rule does nothing; one of: delay, fail, reorder'],
  ['{ operation: read, occurrence: 0 }', '{ fail: EIO }', '8 "0" value: "occurrence": at least 1, found 0'],
  [
    '{ operation: read, occurrence: { from: 5, to: 2 } }',
    '{ fail: EIO }',
    '8 "5" range: occurrences from 5 to 2 are none; did you swap "from" and "to"?',
  ],
  [
    '{ operation: read, occurrence: { evry: 2 } }',
    '{ fail: EIO }',
    expect.stringMatching(/^8 ".*" unknown-key: "occurrence" has no key "evry"/),
  ],
  [
    '{ operation: read, probability: 9/8 }',
    '{ fail: EIO }',
    '8 "9/8" value: "probability": a probability lies between 0 and 1, found 9/8',
  ],
  [
    '{ operation: read, probability: -0.5 }',
    '{ fail: EIO }',
    '8 "-0.5" value: "probability": a probability lies between 0 and 1, found -0.5',
  ],
  ['{ operation: read, device: 1 }', '{ fail: EIO }', '8 "1" range: there is no device 1; the only device is 0'],
  [
    '{ physical: [2M, 1M] }',
    '{ fail: EIO }',
    '8 "[" range: the range from 2M to before 1M is empty; did you swap its ends?',
  ],
  [
    '{ physical: [17M, 18M] }',
    '{ fail: EIO }',
    '8 "17M" range: the range begins at 17M, past the end of the device (16M)',
  ],
  [
    '{ physical: [1M] }',
    '{ fail: EIO }',
    '8 "[" value: "physical": expected [from, to], with "to" not included, found a list',
  ],
  [
    '{ purpose: superblock, tree: fs }',
    '{ fail: EIO }',
    '8 "fs" contradiction: superblock I/O has no tree: this never matches; remove one of "tree" and "purpose"',
  ],
  ['{ tree: ext }', '{ fail: EIO }', '8 "ext" value: "tree": "ext" is no tree; did you mean "extent"?'],
  [
    '{ operation: flush, physical: [0, 1M] }',
    '{ fail: EIO }',
    '8 "[" contradiction: a flush has no range: this never matches; remove "physical"',
  ],
  [
    '{ operation: write }',
    '{ delay: 10 }',
    '9 "10" value: "delay": expected a duration such as 10ms or 2s, found 10 without a unit; did you mean "10ms"?',
  ],
  [
    '{ operation: write }',
    '{ delay: { until: { task: u, passes: commit-start } } }',
    '9 "u" unknown-name: there is no task "u"; one of: t, ordered-extent, writeback, device-replace',
  ],
  [
    '{ operation: write, task: t }',
    '{ delay: { until: { task: t, passes: commit-start } } }',
    '9 "t" rule: t would wait for itself for ever; name another task',
  ],
  ['{ operation: write }', '{ reorder: { hold: 0 } }', '9 "0" value: "hold": at least 1, found 0'],
  [
    '{ operation: write }',
    '{ reorder: shufle }',
    '9 "shufle" value: "reorder": cannot be "shufle"; did you mean "shuffle"?',
  ],
])('the rule when %s then %s is refused', (when, then, problem) => {
  expect(ofRule(when, then)).toContainEqual(problem);
});

test('two rules cannot have one name', () => {
  const rule = '{ name: x, when: { operation: read }, then: { fail: EIO } }';
  expect(ofLines('inject:', `  - ${rule}`, `  - ${rule}`)).toEqual([
    '9 "x" contradiction: a rule named "x" is already on line 8; give it another name',
  ]);
});

test.each([
  ['{ strategy: script }', '7 "script" schedule: the strategy script needs a schedule; add "schedule:" to the file'],
  [
    '{ strategy: exhaustiv }',
    '7 "exhaustiv" unknown-name: there is no strategy "exhaustiv"; did you mean "exhaustive"?',
  ],
  ['{ stratgy: random }', '7 "stratgy" unknown-key: a stage has no key "stratgy"; did you mean "strategy"?'],
  [
    '{ runs: 5 }',
    '7 "{" missing-key: a stage needs the key "strategy"; one of: script, exhaustive, random, priorities',
  ],
  ['random', '7 "random" value: "explore" is a stage or a list of them; such as { strategy: random, runs: 100 }'],
  ['[ random ]', '7 "random" value: a stage is a mapping with a "strategy"; write { strategy: random }'],
  ['[]', '7 "[" value: "explore" is a stage or a list of them; such as { strategy: random, runs: 100 }'],
  ['{ strategy: random, runs: 0 }', '7 "0" value: "runs": at least 1, found 0'],
  ['{ strategy: random, runs: 1e12 }', '7 "1e12" value: "runs": at most 1000000000, found 1000000000000'],
  [
    '{ strategy: random, bound: 5 }',
    '7 "bound" unknown-key: a stage of strategy random has no key "bound"; one of: strategy, name, points, runs, seed',
  ],
  [
    '{ strategy: exhaustive, points: [commit-strat] }',
    '7 "commit-strat" unknown-name: there is no point "commit-strat"; did you mean "commit-start"?',
  ],
  [
    '[ { strategy: random }, { strategy: random, seed: 2 } ]',
    '7 "random" contradiction: two stages are called random; add a "name" of its own',
  ],
])('the stage %s is refused', (stage, problem) => {
  expect(ofLines(`explore: ${stage}`)).toContain(problem);
});

test('a schedule names tasks and points that there are, and is used', () => {
  expect(ofLines('explore: { strategy: random }', 'schedule: [ t: commit-start ]')).toEqual([
    '8 "schedule" schedule: the schedule is never used; add { strategy: script } to "explore"',
  ]);
  expect(
    ofLines('schedule: [ u: commit-start, t: commit-strat, { t: commit-start, ordered-extent: commit-start } ]'),
  ).toEqual([
    '7 "u" unknown-name: there is no task "u"; one of: t, ordered-extent, writeback, device-replace',
    '7 "commit-strat" unknown-name: there is no point "commit-strat"; did you mean "commit-start"?',
    '7 "ordered-extent" schedule: a step is one task and one point, here are t and ordered-extent; begin a new item with "- "',
  ]);
  expect(ofLines('schedule: []')).toEqual(['7 "[" schedule: the schedule is empty; remove it, or add steps']);
  expect(ofLines('schedule: { t: commit-start }')).toEqual([
    '7 "{" value: "schedule" is a list of "task: point" steps, found a mapping; begin each item with "- "',
  ]);
});

test('a mark is passed only by the task that makes it', () => {
  const text = 'tasks:\n  a: [ mark: here ]\n  b: [ sync ]\nschedule:\n  - a: here\n  - b: here\n';
  expect(problemsOf(text)).toEqual(['6 "here" schedule: b never passes the mark "here"; a does']);
});

test.each([
  [
    '{ verdict: clean, law: errors }',
    '7 "law" contradiction: a clean verdict has no law; remove it, or say verdict: violation',
  ],
  ['{ verdict: violation, law: erors }', '7 "erors" unknown-name: there is no law "erors"; did you mean "errors"?'],
  ['{ law: errors }', '7 "{" missing-key: an expectation needs the key "verdict"'],
  [
    '{ verdict: violation, errno: EEXISTS }',
    '7 "EEXISTS" value: "errno": "EEXISTS" is no errno; did you mean "EEXIST"?',
  ],
  ['{ verdict: violation, stages: [scrip] }', '7 "scrip" unknown-name: there is no stage "scrip"; one of: random'],
  [
    '{ verdict: violation, counts: { explored: 5 } }',
    '7 "counts" expectation: only exhaustive stages are counted, "random" is random; name the exhaustive ones in "stages"',
  ],
  [
    '{ verdict: clean, counts: { violating: 5 } }',
    '7 "5" contradiction: a clean verdict has no violating executions; say 0, or verdict: violation',
  ],
  ['{ verdict: violation, fixes: { off: [foo] } }', expect.stringMatching(/^7 ".*" fix: there is no fix "foo"/)],
  [
    '[ { verdict: clean }, { verdict: violation } ]',
    '7 "violation" contradiction: line 7 expects clean of the same switches in stage "random"; change "fixes" or "stages" of one',
  ],
  ['[]', '7 "[]" value: the list is empty; remove "expect", or say a verdict'],
])('the expectation %s is refused', (expectation, problem) => {
  expect(ofLines(`expect: ${expectation}`)).toContainEqual(problem);
});

test('counts cannot contradict themselves or the bound of their stage', () => {
  const lines = (counts: string) => [
    'explore: { strategy: exhaustive, bound: 10 }',
    `expect: { verdict: violation, counts: ${counts} }`,
  ];
  expect(ofLines(...lines('{ explored: 5, violating: 6 }'))).toEqual([
    '8 "6" expectation: 6 of 5 executions cannot break a law',
  ]);
  expect(ofLines(...lines('{ explored: 15 }'))).toEqual([
    '8 "15" expectation: "exhaustive" stops after 10 executions; raise its "bound"',
  ]);
  expect(ofLines(...lines('{ violating: 0 }'))).toEqual([
    '8 "0" contradiction: a violation needs at least one violating execution; say verdict: clean',
  ]);
});

test('tasks and marks do not take the names of others', () => {
  expect(problemsOf('tasks:\n  setup: [ sync ]\n  writeback: [ mark: commit-start ]\n')).toEqual([
    '2 "setup" contradiction: tasks of the bench itself are called setup; choose another name',
    '3 "writeback" contradiction: tasks of the bench itself are called writeback; choose another name',
    '3 "commit-start" contradiction: a point of the engine is called commit-start; choose another name',
  ]);
});

test('line ends of any kind leave positions as they are', () => {
  const text = 'tasks:\n  t:\n    - write: { file: /f, ofset: 8K, length: 4K }\nsetup: [ create: /f ]\n';
  expect(problemsOf(text.replaceAll('\n', '\r\n'))).toEqual(problemsOf(text));
});

test('a hopeless file is refused quickly', () => {
  const text = `tasks: { t: [ ${Array(4000).fill('{ wriet: { file: /f } }').join(', ')} ] }`;
  expect(problemsOf(text)).toHaveLength(200);
});
