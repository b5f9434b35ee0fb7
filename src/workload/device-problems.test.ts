import { describe, expect, test } from 'vitest';
import { problemsOf, workloadOf } from './testing/parsing.ts';

/** Problems of a file on two mirrored devices and a spare; the operations of its task begin on line 7. */
function ofOperations(...operations: string[]): string[] {
  return problemsOf(fileWith(operations));
}

const MIRRORED = '{ devices: [16M, 16M], spare: [16M], data: raid1, metadata: raid1, mount: { degraded: true } }';

function fileWith(operations: readonly string[], filesystem = MIRRORED, setup: readonly string[] = []): string {
  return [
    `filesystem: ${filesystem}`,
    'setup:',
    '  - create: { file: /f, as: f, nodatacow: true }',
    '  - fallocate: { file: $f, length: 32K }',
    ...setup.map((line) => `  ${line}`),
    'tasks:',
    '  t:',
    ...operations.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

test('operations on devices come with numbers resolved and defaults filled in', () => {
  const operations = [
    '- fallocate: { file: /f, offset: 32K, length: 4K, keep-size: true }',
    '- corrupt: { file: /f, length: 8K, mirror: 2 }',
    '- corrupt: { file: /f, length: 4K }',
    '- replace: { devid: 2, target: 2, background: true }',
    '- replace-cancel',
    '- { device-add: 2, expect: [ok, EEXIST] }',
    '- device-remove: 2',
    '- device-remove: missing',
    '- device-resize: { devid: 1, size: max }',
    '- device-resize: { devid: 1, size: 12M }',
    '- scrub',
    '- scrub: { devid: 1, start: 1M, end: 2M, read-only: true }',
    '- scrub: { resume: true }',
    '- scrub-cancel',
    '- clean',
    '- trim',
    '- trim: { offset: 1M, length: 1M, minimum: 64K }',
    '- reconfigure: { read-only: true }',
  ];
  const [task] = workloadOf(fileWith(operations)).tasks;
  expect(task!.operations.map(({ at: _at, expect: _expect, ...rest }) => rest)).toEqual([
    { kind: 'fallocate', file: { kind: 'path', path: '/f' }, offset: 32768, length: 4096, keepSize: true },
    { kind: 'corrupt', file: { kind: 'path', path: '/f' }, offset: 0, length: 8192, mirror: 2 },
    { kind: 'corrupt', file: { kind: 'path', path: '/f' }, offset: 0, length: 4096, mirror: 1 },
    { kind: 'replace', devid: 2, target: 2, background: true, avoidSource: false },
    { kind: 'replace-cancel' },
    { kind: 'device-add', device: 2 },
    { kind: 'device-remove', devid: 2 },
    { kind: 'device-remove', devid: 'missing' },
    { kind: 'device-resize', devid: 1, size: 'max' },
    { kind: 'device-resize', devid: 1, size: 12582912 },
    { kind: 'scrub', devid: null, start: 0, end: null, readOnly: false, resume: false },
    { kind: 'scrub', devid: 1, start: 1048576, end: 2097152, readOnly: true, resume: false },
    { kind: 'scrub', devid: null, start: 0, end: null, readOnly: false, resume: true },
    { kind: 'scrub-cancel' },
    { kind: 'clean' },
    { kind: 'trim', offset: 0, length: null, minimum: 0 },
    { kind: 'trim', offset: 1048576, length: 1048576, minimum: 65536 },
    { kind: 'reconfigure', readOnly: true, discard: null },
  ]);
});

test('profiles, spares and mount options are settings of the file system', () => {
  const filesystem =
    '{ devices: [16M, 16M, 16M], spare: [32M], metadata: raid1c3, data: raid0, mount: { discard: true } }';
  const { filesystem: settings } = workloadOf(fileWith(['- replace: { devid: 1, target: 3 }'], filesystem));
  expect(settings).toMatchObject({
    spares: [33554432],
    metadata: 'raid1c3',
    data: 'raid0',
    mount: { degraded: false, discard: true, readOnly: false },
  });
});

describe('of devices that there are not', () => {
  test.each([
    [
      '- device-add: 3',
      '7 "3" range: there is no device 3; devices are 0 to 2; blank ones are made by filesystem.spare',
    ],
    [
      '- replace: { devid: 1, target: 7 }',
      '7 "7" range: there is no device 7; devices are 0 to 2; blank ones are made by filesystem.spare',
    ],
    [
      '- { device-add: { device: 9 }, expect: EEXIST }',
      '7 "9" range: there is no device 9; devices are 0 to 2; blank ones are made by filesystem.spare',
    ],
    [
      '- scrub: { devid: 4 }',
      '7 "4" range: no device can have the id 4; ids are 1 to 2; they count from 1, indices from 0 (or say what it is expected to return)',
    ],
    [
      '- device-remove: 3',
      '7 "3" range: no device can have the id 3; ids are 1 to 2; they count from 1, indices from 0 (or say what it is expected to return)',
    ],
    [
      '- device-resize: { devid: 5, size: max }',
      '7 "5" range: no device can have the id 5; ids are 1 to 2; they count from 1, indices from 0 (or say what it is expected to return)',
    ],
    ['- scrub: { devid: 0 }', '7 "0" value: "devid": at least 1, found 0'],
    [
      '- corrupt: { file: /f, length: 4K, mirror: 3 }',
      '7 "3" range: there is no mirror 3: data of profile raid1 has 2 copies',
    ],
    ['- corrupt: { file: /f, length: 4K, mirror: 0 }', '7 "0" value: "mirror": at least 1, found 0'],
  ])('%s is refused', (operation, problem) => {
    expect(ofOperations(operation, '- replace: { devid: 1, target: 2 }').slice(0, 1)).toEqual([problem]);
  });

  test.each([
    ['- replace: { devid: 2, target: 1 }', 1],
    ['- device-add: 0', 0],
  ])('%s is refused, because that device is a member', (operation, device) => {
    expect(ofOperations(operation, '- device-add: 2')).toEqual([
      `7 "${device}" contradiction: device ${device} belongs to the file system (EEXIST); name a device of filesystem.spare, or say expect: EEXIST`,
    ]);
  });

  test.each([
    ['- { scrub: { devid: 4 }, expect: ENODEV }'],
    ['- { replace: { devid: 9, target: 2 }, expect: ENOENT }'],
    ['- { device-add: 0, expect: EEXIST }'],
    ['- { device-remove: 7, expect: ENODEV }'],
  ])('%s is what a workload may try', (operation) => {
    expect(ofOperations(operation, '- replace: { devid: 1, target: 2 }')).toEqual([]);
  });

  test('a device that was added has an id', () => {
    expect(ofOperations('- device-add: 2', '- scrub: { devid: 3 }')).toEqual([]);
  });

  test('a device that may have left may come back', () => {
    expect(ofOperations('- device-remove: 2', '- device-add: 1', '- device-add: 2')).toEqual([]);
  });

  test('a spare that nothing takes is refused', () => {
    expect(ofOperations('- sync')).toEqual([
      '1 "16M" contradiction: nothing takes device 2: no device-add, and no replace has it as its target; remove it',
    ]);
  });

  test('without operations that can be read, nothing is said of spares', () => {
    expect(ofOperations('- replcae: { devid: 1, target: 2 }')).toEqual([
      '7 "replcae" unknown-key: an operation has no key "replcae"; did you mean "replace"?',
    ]);
  });
});

describe('of wiped devices', () => {
  const plain = '{ devices: [16M, 16M], data: raid1, metadata: raid1 }';
  const degraded = '{ devices: [16M, 16M], data: raid1, metadata: raid1, mount: { degraded: true } }';

  test('a wiped device leaves a degraded file system', () => {
    expect(problemsOf(fileWith(['- sync'], degraded, ['- wipe: 1', '- scrub: { devid: 1 }']))).toEqual([]);
    expect(problemsOf(fileWith(['- sync'], plain, ['- wipe: 1']))).toEqual([
      '5 "1" contradiction: without device 1 the file system cannot be mounted; add "mount: { degraded: true }" to filesystem',
    ]);
    expect(problemsOf(fileWith(['- sync'], degraded, ['- wipe: 1', '- wipe: { device: 0 }']))).toEqual([
      '6 "0" contradiction: no device is left to mount',
    ]);
  });

  test('a spare is blank without that, and tasks cannot wipe', () => {
    const operations = ['- wipe: 1', '- device-add: 2'];
    expect(problemsOf(fileWith(operations, MIRRORED, ['- wipe: 2']))).toEqual([
      '5 "2" contradiction: device 2 is a spare: it is blank',
      '8 "wipe" rule: wipe stands in setup only: other tasks are at work here; fail its I/O by a rule',
    ]);
  });
});

test.each([
  ['- scrub: { start: 2M, end: 1M }', '7 "1M" range: the range from 2M to before 1M is empty; did you swap its ends?'],
  ['- scrub: { start: 1M, end: 1M }', '7 "1M" range: the range from 1M to before 1M is empty; its end is not included'],
  ['- scrub: { end: 1000 }', '7 "1000" unaligned: a scrub has whole sectors of 4K, found 1000; did you mean 4K?'],
  [
    '- scrub: { resume: true, start: 1M }',
    '7 "1M" contradiction: a scrub that goes on has its start from the one that was cancelled; remove one of "start" and "resume"',
  ],
  [
    '- device-resize: { devid: 1, size: 10000000 }',
    '7 "10000000" unaligned: a device has whole sectors of 4K, found 10000000; did you mean 9764K?',
  ],
  ['- device-resize: { devid: 1, size: maximum }', /^7 "maximum" (value|size): .*expected a size, or max/],
  ['- device-remove: 0', /^7 "0" value: .*expected the id of a device, or missing/],
  ['- trim: { length: 0 }', '7 "0" size: a trim of no bytes does nothing; at least 4K, or remove it'],
  ['- reconfigure: {}', '7 "reconfigure" missing-key: reconfigure changes nothing; say "read-only", "discard" or both'],
  [
    '- fallocate: { file: /f, offset: 100, length: 4K }',
    '7 "100" size: space is allocated in whole sectors of 4K, this offset is 100; did you mean 4K?',
  ],
  [
    '- fallocate: { file: /f, length: 64M }',
    '7 "64M" size: the fallocate ends at 64M, past all that the devices can hold (48M); enlarge filesystem.devices, or expect: ENOSPC',
  ],
  [
    '- corrupt: { file: /f, length: 512 }',
    '7 "512" size: damage covers whole sectors of 4K, this length is 512; did you mean 4K?',
  ],
  ['- corrupt: { file: /g, length: 4K }', '7 "/g" file-state: nothing makes /g (ENOENT); did you mean "/f"?'],
  ['- scrub: { device: 1 }', '7 "device" unknown-key: "scrub" has no key "device"; did you mean "devid"?'],
  ['- replace: { devid: 1 }', '7 "replace" missing-key: "replace" needs the key "target"'],
  [
    '- scrub-cancle',
    '7 "scrub-cancle" unknown-name: there is no operation "scrub-cancle"; did you mean "scrub-cancel"?',
  ],
  ['- device-add', '7 "device-add" missing-key: device-add needs arguments; write it as "device-add: …"'],
])('the operation %s is refused', (operation, problem) => {
  const problems = ofOperations(operation, '- replace: { devid: 1, target: 2 }');
  expect(problems).toEqual([typeof problem === 'string' ? problem : expect.stringMatching(problem)]);
});

test.each([
  [
    '{ devices: [16M], data: raid1 }',
    '1 "raid1" contradiction: raid1 needs at least 2 devices, there is one; add sizes to filesystem.devices',
  ],
  [
    '{ devices: [16M, 16M], spare: [16M], metadata: raid1c3 }',
    '1 "raid1c3" contradiction: raid1c3 needs at least 3 devices, there are 2; spares do not count; add sizes to filesystem.devices',
  ],
  ['{ devices: [16M], spare: [4M] }', '1 "4M" size: the device is too small: 4M; at least 8M'],
  [
    '{ devices: [16M], spares: [16M] }',
    '1 "spares" unknown-key: "filesystem" has no key "spares"; did you mean "spare"?',
  ],
  ['{ devices: [16M], spare: [] }', '1 "[" value: "spare": the list is empty'],
  [
    '{ devices: [16M], mount: { degradde: true } }',
    '1 "degradde" unknown-key: "mount" has no key "degradde"; did you mean "degraded"?',
  ],
  [
    '{ devices: [16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M, 16M], spare: [16M, 16M] }',
    '1 "[" size: with the spares, there are at most 16 devices, found 17',
  ],
  [
    '{ devices: [8M, 8M], data: raid1, block-groups: { data: 8M } }',
    '1 "{" size: one block group of each kind needs 16M, data twice; the devices have 14M for them',
  ],
])('the file system %s is refused', (filesystem, problem) => {
  expect(problemsOf(fileWith(['- sync'], filesystem))).toEqual([problem]);
});

test('all is told at once', () => {
  expect(
    problemsOf(
      fileWith(
        [
          '- scrub: { devid: 7 }',
          '- replace: { devid: 1, target: 1 }',
          '- corrupt: { file: /f, length: 4K, mirror: 2 }',
        ],
        '{ devices: [16M, 16M], spare: [16M] }',
      ),
    ),
  ).toEqual([
    expect.stringMatching(/^1 "16M" contradiction: nothing takes device 2/),
    expect.stringMatching(/^7 "7" range: no device can have the id 7/),
    expect.stringMatching(/^8 "1" contradiction: device 1 belongs to the file system/),
    expect.stringMatching(/^9 "2" range: there is no mirror 2: data of profile single has one copy/),
  ]);
});

test('rules select scrub I/O, and spares by their index', () => {
  const rules = [
    'inject:',
    '  - { when: { purpose: scrub, device: 2, operation: write }, then: { fail: EIO } }',
    '  - { when: { device: 3 }, then: { delay: 1ms } }',
  ].join('\n');
  const text = fileWith(['- replace: { devid: 1, target: 2 }']) + rules;
  expect(problemsOf(text)).toEqual([expect.stringMatching(/^10 "3" range: there is no device 3; devices are 0 to 2/)]);
  const { inject } = workloadOf(text.slice(0, text.lastIndexOf('\n')));
  expect(inject[0]!.when).toMatchObject({ purpose: 'scrub', device: 2, operations: ['write'] });
});
