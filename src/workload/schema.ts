import { z } from 'zod';
import { COMPRESSION_NAMES, PROFILE_NAMES } from './model.ts';
import { NODE_KINDS } from './model-files.ts';
import * as s from './scalars.ts';

/**
 * The YAML form of a workload: the one source of what a file may hold. The checker reads with it, part by part, and
 * `json-schema.ts` makes the editors' schema from it. References and everything that needs two places at once are
 * checked afterwards (`check-*.ts`).
 */

/** What every list of valid keys in a zod message begins with. */
export const KEYS_MARK = 'keys: ';

/** A mapping that has exactly these keys; the message for an unknown one lists them. */
function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? KEYS_MARK + Object.keys(shape).join(' ') : undefined),
  });
}

/** Either of several forms; `expected` says which. */
function either<const Options extends readonly [z.ZodType, ...z.ZodType[]]>(expected: string, options: Options) {
  return z.union(options, { error: `expected ${expected}` });
}

/** One of a kind, or a list of them. */
function oneOrMore<Item extends z.ZodType>(expected: string, item: Item) {
  return either(`${expected}, or a list of them`, [item, z.array(item).min(1)]);
}

const DEVICE_COUNT_MAX = 64;
/** Of the format: ids that are never used can still be asked for. */
const DEVID_MAX = 2 ** 32;
const MIRROR_MAX = 4;
const REPEAT_MAX = 10_000;
const EXECUTIONS_MAX = 1_000_000_000;
const EVENTS_MAX = 1_000_000;

export const FILESYSTEM = mapping({
  devices: z
    .array(s.size('size of the device'))
    .min(1)
    .max(DEVICE_COUNT_MAX)
    .default([16 * 1024 * 1024])
    .describe('sizes of the devices, [16M] unless given'),
  'node-size': s.size('size of a tree block, a power of two from 4K to 64K').default(4096),
  spare: z
    .array(s.size('size of the device'))
    .min(1)
    .max(DEVICE_COUNT_MAX)
    .optional()
    .describe('sizes of blank devices, which device-add and replace may take; their indices follow those of "devices"'),
  metadata: s.word('profile of the metadata', PROFILE_NAMES).default('single'),
  data: s.word('profile of the data', PROFILE_NAMES).default('single'),
  mount: mapping({
    degraded: s.flag('mount although devices are missing').default(false),
    discard: s.flag('discard what commits free').default(false),
    'read-only': s.flag('change nothing').default(false),
    compress: s.word('how new data is compressed', COMPRESSION_NAMES).optional(),
    'compress-force': s.flag('compress also where the first try does not save space').default(false),
    'max-inline': s.size('files up to so many bytes lie in the tree; none unless given').default(0),
    nodatacow: s.flag('new files are overwritten in place and have no checksums').default(false),
    nodatasum: s.flag('new files have no checksums').default(false),
  })
    .optional()
    .describe('options of every mount'),
  label: s.text('label of the file system', { oneLine: true, bytesMax: 255 }).default(''),
  'block-groups': mapping({
    system: s.size('system block groups').optional(),
    metadata: s.size('metadata block groups').optional(),
    data: s.size('data block groups').optional(),
  })
    .optional()
    .describe('sizes of block groups, those made later too; what is left out is up to mkfs and btrfs'),
}).describe('what mkfs makes before setup, and how it is mounted');

const FIX_LIST = z.array(s.foreignName('name of a fix, or its upstream commit', 'fixes'));

export const FIXES = mapping({
  kernel: s.kernelVersion('all switches as this mainline kernel had them').optional(),
  on: FIX_LIST.optional().describe('fixes switched on'),
  off: FIX_LIST.optional().describe('fixes switched off'),
}).meta({ id: 'fixes', description: 'fix switches; all are on unless something is said' });

const FILE = s.fileReference('the file');
const OFFSET = s.size('offset in the file').optional();
const DIRECT = s.flag('bypass the page cache (O_DIRECT): offset and length are whole sectors of 4K').optional();

const OWNER = s.whole('a numeric id', { min: 0, max: 2 ** 32 - 2 });
const XATTR_NAME = s.text('its name, with namespace: user.note', { oneLine: true, bytesMax: 255 });
const SHARE = mapping({
  source: s.fileReference('the file that has the bytes'),
  'source-offset': OFFSET,
  file: FILE,
  offset: OFFSET,
  length: s.size('how many bytes'),
});

const FILE_ONLY = either('a file', [FILE, mapping({ file: FILE })]);
const NO_ARGUMENTS = z.null();

const DEVICE_INDEX = s.whole('index of a device, from 0, spares after the others', { min: 0, max: DEVICE_COUNT_MAX });
const DEVID = s.whole('id of a device, from 1', { min: 1, max: DEVID_MAX });
const DEVID_OR_MISSING = either('the id of a device, or missing', [s.word('a missing device', ['missing']), DEVID]);

const OPERATION_SHAPE = {
  mkdir: s.path('the new directory').optional().describe('make a directory'),
  create: either('a path', [
    s.path('the new file'),
    mapping({
      file: s.path('the new file'),
      as: s.ownName('keep it open under this handle').optional(),
      nodatacow: s.flag('writes go in place and have no checksums (chattr +C)').optional(),
      compress: s.word('how its data is compressed, whatever the mount says', COMPRESSION_NAMES).optional(),
    }),
  ])
    .optional()
    .describe('make a new, empty file; EEXIST when there is one'),
  open: mapping({
    file: s.path('the file'),
    as: s.ownName('the handle; later operations name it as $handle'),
    direct: DIRECT,
    append: s.flag('every write goes to the end of the file (O_APPEND)').optional(),
  })
    .optional()
    .describe('open a file that exists'),
  close: s.handleReference('the handle').optional().describe('close a handle'),
  unlink: s.path('the name').optional().describe('remove a name; the file goes with its last one'),
  rename: mapping({
    from: s.path('old name'),
    to: s.path('new name; what is there is replaced'),
    exchange: s.flag('both names stay and change places (RENAME_EXCHANGE)').optional(),
    'no-replace': s.flag('EEXIST where the new name is taken (RENAME_NOREPLACE)').optional(),
  })
    .optional()
    .describe('give a file another name'),
  truncate: mapping({ file: FILE, size: s.size('the new size, smaller or larger') })
    .optional()
    .describe('cut a file off or extend it with a hole'),
  write: mapping({
    file: FILE,
    offset: OFFSET,
    length: s.size('how many bytes; their contents are stamps that say who wrote them'),
    direct: DIRECT,
    append: s.flag('at the end of the file, wherever that is then').optional(),
    mapped: s.flag('through a shared mapping (mmap): within the size of the file').optional(),
  })
    .optional()
    .describe('write to a file'),
  read: mapping({ file: FILE, offset: OFFSET, length: s.size('how many bytes'), direct: DIRECT })
    .optional()
    .describe('read from a file; what comes back is judged'),
  fallocate: mapping({
    file: FILE,
    offset: OFFSET,
    length: s.size('how many bytes, whole sectors of 4K'),
    'keep-size': s.flag('leave the size of the file as it is').optional(),
  })
    .optional()
    .describe('allocate space that reads as zeros'),
  rmdir: s.path('the directory').optional().describe('remove an empty directory'),
  link: mapping({ file: FILE, to: s.path('the new name') })
    .optional()
    .describe('give a file one more name; a temporary file, by its handle, its first'),
  symlink: mapping({ target: s.text('what it says', { oneLine: true, bytesMax: 4095 }), path: s.path('the symlink') })
    .optional()
    .describe('make a symbolic link'),
  mknod: mapping({ path: s.path('the new name'), kind: s.word('kind of the special file', NODE_KINDS) })
    .optional()
    .describe('make a special file'),
  tmpfile: mapping({ directory: s.directory('a directory'), as: s.ownName('the handle of the file') })
    .optional()
    .describe('open a new file that has no name (O_TMPFILE)'),
  readdir: s.directory('the directory').optional().describe('list the names of a directory'),
  chmod: mapping({ file: FILE, mode: s.text('permissions, octal: "640"', { oneLine: true, bytesMax: 5 }) })
    .optional()
    .describe('change the permissions of a file'),
  chown: mapping({ file: FILE, uid: OWNER.optional(), gid: OWNER.optional() })
    .optional()
    .describe('change the owners of a file'),
  'set-xattr': mapping({
    file: FILE,
    name: XATTR_NAME,
    value: s.text('its value', { oneLine: true, bytesMax: 4096 }),
    when: s.word('whether there may be one', ['missing', 'present']).optional(),
  })
    .optional()
    .describe('set an extended attribute'),
  'remove-xattr': mapping({ file: FILE, name: XATTR_NAME }).optional().describe('remove an extended attribute'),
  punch: mapping({ file: FILE, offset: OFFSET, length: s.size('how many bytes') })
    .optional()
    .describe('make a range a hole (FALLOC_FL_PUNCH_HOLE)'),
  zero: mapping({
    file: FILE,
    offset: OFFSET,
    length: s.size('how many bytes'),
    'keep-size': s.flag('leave the size of the file as it is').optional(),
  })
    .optional()
    .describe('make a range read as zeros, with space for it (FALLOC_FL_ZERO_RANGE)'),
  reflink: SHARE.optional().describe('let a range of a file share the extents of a range of another, or of itself'),
  copy: SHARE.optional().describe('copy a range from file to file (copy_file_range)'),
  dedupe: SHARE.optional().describe('let two ranges share extents if they hold the same bytes'),
  msync: mapping({ file: FILE, offset: OFFSET, length: s.size('how many bytes') })
    .optional()
    .describe('make durable what was written through a mapping'),
  seek: mapping({ file: FILE, offset: OFFSET, what: s.word('what to look for', ['data', 'hole']) })
    .optional()
    .describe('where the next data or hole begins'),
  fsync: FILE_ONLY.optional().describe('make a file durable'),
  fdatasync: FILE_ONLY.optional().describe("make a file's data durable"),
  fiemap: FILE_ONLY.optional().describe('list the extents of a file'),
  sync: NO_ARGUMENTS.optional().describe('commit the running transaction'),
  'drop-caches': either('nothing, or a range', [
    NO_ARGUMENTS,
    mapping({ file: FILE, offset: OFFSET, length: s.size('how many bytes') }),
  ])
    .optional()
    .describe(
      'forget clean pages, extent maps and unused inodes; of a range, only its extent maps that are not pinned, as relocation does',
    ),
  corrupt: mapping({
    file: FILE,
    offset: OFFSET,
    length: s.size('how many bytes, whole sectors of 4K'),
    mirror: s.whole('which copy, from 1', { min: 1, max: MIRROR_MAX }).default(1),
  })
    .optional()
    .describe("damage one copy of a file's data on its device, behind the file system's back"),
  wipe: either('the index of a device', [DEVICE_INDEX, mapping({ device: DEVICE_INDEX })])
    .optional()
    .describe('unmount, take the superblocks off a device so that it is missing, and mount again; in setup only'),
  'device-add': either('the index of a device', [DEVICE_INDEX, mapping({ device: DEVICE_INDEX })])
    .optional()
    .describe('add a blank device to the file system'),
  'device-remove': either('the id of a device, or missing', [DEVID_OR_MISSING, mapping({ devid: DEVID_OR_MISSING })])
    .optional()
    .describe('take a device out of the file system'),
  'device-resize': mapping({
    devid: DEVID,
    size: either('a size, or max', [s.word('all of the device', ['max']), s.size('the new size')]),
  })
    .optional()
    .describe('let the file system use less or more of a device'),
  clean: NO_ARGUMENTS.optional().describe('one run of the cleaner: delete unused block groups'),
  scrub: either('nothing, or the settings of a scrub', [
    NO_ARGUMENTS,
    mapping({
      devid: DEVID.optional().describe('one device; all, one after the other, unless given'),
      start: s.size('from this byte of the device on').optional(),
      end: s.size('to before this byte of the device').optional(),
      'read-only': s.flag('find errors, but do not repair them').optional(),
      resume: s.flag('go on where the last scrub of the device was cancelled').optional(),
    }),
  ])
    .optional()
    .describe('read and verify all copies of everything, and repair what is bad'),
  'scrub-cancel': NO_ARGUMENTS.optional().describe('cancel all running scrubs; ENOTCONN when there is none'),
  replace: mapping({
    devid: DEVID,
    target: s.whole('index of the blank device that takes its place', { min: 0, max: DEVICE_COUNT_MAX }),
    background: s.flag('end when the copy has begun; the task device-replace goes on').optional(),
    'avoid-source': s.flag('read from the source only where no other copy is good').optional(),
  })
    .optional()
    .describe('replace a device by another while the file system is in use'),
  'replace-cancel': NO_ARGUMENTS.optional().describe('cancel the running replace; ENOTCONN when there is none'),
  trim: either('nothing, or a range', [
    NO_ARGUMENTS,
    mapping({
      offset: s.size('logical address from which on').optional(),
      length: s.size('how many bytes of logical addresses; all unless given').optional(),
      minimum: s.size('leave shorter free ranges alone').optional(),
    }),
  ])
    .optional()
    .describe('discard what is free'),
  reconfigure: mapping({
    'read-only': s.flag('mount -o remount,ro or remount,rw').optional(),
    discard: s.flag('discard what commits free, or no longer').optional(),
  })
    .optional()
    .describe('change the options of the running mount'),
  remount: NO_ARGUMENTS.optional().describe('unmount and mount again; in setup only'),
  sleep: s.duration('how long').optional().describe('let virtual time pass for this task'),
  mark: s.ownName('its name').optional().describe('pass a point of your own, for schedules and delays'),
};

export const BARE_OPERATIONS = [
  'sync',
  'drop-caches',
  'remount',
  'clean',
  'scrub',
  'scrub-cancel',
  'replace-cancel',
  'trim',
] as const;
export const OPERATION_NAMES = Object.keys(OPERATION_SHAPE) as (keyof typeof OPERATION_SHAPE)[];

export const OPERATION_MAPPING = mapping({
  ...OPERATION_SHAPE,
  expect: oneOrMore('"ok" or an errno', s.outcome('how the operation ends: ok, or an errno'))
    .optional()
    .describe('the endings that are right, say ENOENT or [ok, EIO]; unless given, the law "errors" decides'),
});

export const OPERATION = either('an operation', [
  s.word('an operation without arguments', BARE_OPERATIONS),
  OPERATION_MAPPING,
]).meta({ id: 'operation', description: 'one operation, and what it is expected to return' });

const OPERATIONS = z.array(OPERATION);
export const SETUP = OPERATIONS.describe(
  'run undisturbed, then unmounted: the image from which every execution starts',
);

export const REPEATED_TASK = mapping({
  repeat: s.whole('how often the list is run', { min: 1, max: REPEAT_MAX }).default(1),
  do: OPERATIONS.min(1).describe('the operations, in order'),
});
export const TASKS = z
  .record(
    z.string().regex(s.NAME_PATTERN),
    either('a list of operations, or "repeat" and "do"', [OPERATIONS.min(1), REPEATED_TASK]),
  )
  .describe('what runs at the same time: a list of operations for each task');

const IO_OPERATION = s.word('kind of device I/O', ['read', 'write', 'flush', 'discard']);
const HALF_OPEN_RANGE = (description: string) =>
  z
    .tuple([s.size('from here'), s.size('to before here')], { error: 'expected [from, to], with "to" not included' })
    .describe(description);

export const WHEN = mapping({
  task: s.foreignName('who does it: a task, or the first word of an engine task').optional(),
  operation: oneOrMore('a kind of I/O', IO_OPERATION).optional().describe('kinds of device I/O'),
  device: s.whole('index of the device, from 0', { min: 0, max: DEVICE_COUNT_MAX }).optional(),
  physical: HALF_OPEN_RANGE('bytes of the device that the I/O touches').optional(),
  logical: HALF_OPEN_RANGE('logical addresses that the I/O touches').optional(),
  purpose: s.word('what the I/O is for', ['superblock', 'tree-block', 'data', 'log', 'scrub']).optional(),
  tree: s.tree('whose tree blocks: a name, or an object id').optional(),
  lock: s.foreignName('a lock of this class is asked for', 'locks').optional(),
  point: s.foreignName('a task stands at this point', 'points').optional(),
  site: s.foreignName('a step that can fail without I/O', 'sites').optional(),
  occurrence: either('a number, { every: n } or { from: a, to: b }', [
    s.whole('the n-th time only, from 1', { min: 1, max: EVENTS_MAX }),
    mapping({ every: s.whole('each n-th time', { min: 1, max: EVENTS_MAX }) }),
    mapping({
      from: s.whole('from this time on', { min: 1, max: EVENTS_MAX }),
      to: s.whole('up to and with this time', { min: 1, max: EVENTS_MAX }).optional(),
    }),
  ])
    .optional()
    .describe('which of the matching events'),
  probability: s.probability('how often, as a ratio: 1/8').optional(),
}).describe('all that is said must hold');

export const THEN = mapping({
  delay: either('a duration, { until: … } or { events: n }', [
    s.duration('virtual time'),
    mapping({
      until: mapping({
        task: s.foreignName('this task'),
        passes: s.foreignName('passes this point', 'points'),
      }),
    }),
    mapping({ events: s.whole('until so many other events have happened', { min: 1, max: EVENTS_MAX }) }),
  ])
    .optional()
    .describe('hold it up'),
  fail: s.errno('fail it with this errno').optional(),
  reorder: either('last-first, shuffle or { hold: n }', [
    s.word('order of the completions between two flushes', ['last-first', 'shuffle']),
    mapping({ hold: s.whole('until so many later completions are through', { min: 1, max: EVENTS_MAX }) }),
  ])
    .optional()
    .describe('let completions overtake each other'),
}).describe('one of delay, fail, reorder');

export const RULE = mapping({
  name: s.text('for reports', { oneLine: true, bytesMax: 100 }).optional(),
  when: WHEN,
  then: THEN,
});

const STAGE_NAME = s.ownName('for "stages" of expect; the name of the strategy unless given').optional();
const STAGE_POINTS = oneOrMore('a point', s.foreignName('a point', 'points'))
  .optional()
  .describe('switch tasks only at these points; at every effect unless given');

const RANDOMISED = {
  name: STAGE_NAME,
  points: STAGE_POINTS,
  runs: s.whole('how many executions', { min: 1, max: EXECUTIONS_MAX }).default(1000),
  seed: s.seed('of the random choices').default('1'),
};

export const STAGE_SHAPES = {
  script: mapping({ strategy: s.word('the schedule of this file', ['script']), name: STAGE_NAME }),
  exhaustive: mapping({
    strategy: s.word('every interleaving', ['exhaustive']),
    name: STAGE_NAME,
    points: STAGE_POINTS,
    prune: s.flag('leave out interleavings that cannot differ from one already seen').default(true),
    bound: s.whole('stop, incomplete, after so many executions', { min: 1, max: EXECUTIONS_MAX }).default(100_000),
  }),
  random: mapping({
    strategy: s.word('random interleavings: whoever can go on goes on with equal chances', ['random']),
    ...RANDOMISED,
  }),
  priorities: mapping({
    strategy: s.word('random interleavings in which a task may stand still for long (PCT)', ['priorities']),
    ...RANDOMISED,
  }),
};
const STAGE = either('a stage with a "strategy"', [
  STAGE_SHAPES.script,
  STAGE_SHAPES.exhaustive,
  STAGE_SHAPES.random,
  STAGE_SHAPES.priorities,
]);

export const STEP = z
  .record(z.string(), s.foreignName('the point', 'points'))
  .describe('task: point — the task passes the point now');

export const EXPECTATION = mapping({
  fixes: FIXES.optional().describe('changes to the fixes of the file'),
  verdict: s.word('what comes out', ['clean', 'violation']),
  law: oneOrMore('a law', s.foreignName('a law', 'laws'))
    .optional()
    .describe('which law breaks; one of them, if a list'),
  errno: s.errno('what an operation returned').optional(),
  message: s.text('part of the message of the violation', { oneLine: true }).optional(),
  stages: oneOrMore('the name of a stage', s.foreignName('a stage of explore'))
    .optional()
    .describe('stages this speaks about; all unless given'),
  counts: mapping({
    explored: s.whole('executions', { min: 1, max: EXECUTIONS_MAX }).optional(),
    violating: s.whole('executions that broke a law', { min: 0, max: EXECUTIONS_MAX }).optional(),
  })
    .optional()
    .describe('exact counts, for exhaustive stages'),
});

export const TOP = {
  name: s.ownName('the name of the workload; that of the file unless given'),
  title: s.text('what it shows, in one sentence', { oneLine: true }),
  description: s.text('where it comes from, and the interleaving'),
};

export const WORKLOAD = mapping({
  name: TOP.name.optional(),
  title: TOP.title.optional(),
  description: TOP.description.optional(),
  filesystem: FILESYSTEM.optional(),
  fixes: FIXES.optional(),
  setup: SETUP.optional(),
  tasks: TASKS,
  inject: z.array(RULE).optional().describe('faults: when something happens, then do that to it'),
  explore: oneOrMore('a stage', STAGE).optional().describe('how interleavings are chosen, stage after stage'),
  schedule: z.array(STEP).min(1).optional().describe('an exact interleaving, for the strategy script'),
  expect: oneOrMore('an expectation', EXPECTATION).optional().describe('the verdict for each setting of the switches'),
});

export const WORKLOAD_KEYS = Object.keys(WORKLOAD.shape);
