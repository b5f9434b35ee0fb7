import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.ts';

/**
 * Goal: the command line keeps its promises to scripts: exit codes, what goes to which stream, what it leaves behind.
 * Method: call its main function on small workloads; start a process where the process is what matters.
 */
const ROOT = resolve(import.meta.dirname, '..');
const FOLDER = mkdtempSync(join(tmpdir(), 'fsquake-cli-'));

interface Ended {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program itself, from its sources. */
function start(args: readonly string[]) {
  return execa(process.execPath, ['--import', 'tsx', join(ROOT, 'src/cli/dev.ts'), ...args], {
    reject: false,
    cwd: ROOT,
    env: { FORCE_COLOR: '', CI: '' },
  });
}

/** Its main function in this process: what starting a program costs would be most of the test. */
async function fsquake(...args: string[]): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation(((text: string, done?: unknown) => {
      written[name] += text;
      if (typeof done === 'function') done();
      return true;
    }) as never),
  );
  const color = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  try {
    return { exitCode: await main(['node', 'fsquake', ...args]), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = 0;
    if (color === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = color;
  }
}

function workload(name: string, fixes: string, verdict: string): string {
  const path = join(FOLDER, `${name}.yaml`);
  writeFileSync(
    path,
    `title: a direct read against a direct write
setup:
  - create: /f
  - write: { file: /f, offset: 0, length: 32K }
tasks:
  writer:
    - write: { file: /f, offset: 8K, length: 24K, direct: true }
  reader:
    - read: { file: /f, offset: 0, length: 4K, direct: true }
explore:
  strategy: exhaustive
  points: [extent-map-lookup, extent-map-insert, extent-map-drop, extent-map-insert-new]
  prune: false
expect:
  fixes: { off: [${fixes}] }
  verdict: ${verdict}
`,
  );
  return path;
}

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

describe('fsquake run', () => {
  let ended: Record<'asExpected' | 'violation' | 'missing' | 'json' | 'quiet' | 'switched', Ended>;

  beforeAll(async () => {
    const race = workload('race', 'reuse-covering-map', 'violation');
    const hopeful = workload('hopeful', 'reuse-covering-map', 'clean');
    const missing = workload('missing', '', 'violation');
    const own = (results: string) => ['--no-outside', '--results', join(FOLDER, results)];
    ended = {
      asExpected: await fsquake('run', race, ...own('kept')),
      violation: await fsquake('run', hopeful, ...own('r2')),
      missing: await fsquake('run', missing, ...own('r3')),
      json: await fsquake('run', race, '--json', ...own('r4')),
      quiet: await fsquake('run', race, '--quiet', ...own('r5')),
      switched: await fsquake('run', missing, '--fixes', 'all,-18e83ac75bfe', ...own('r6')),
    };
  }, 60_000);

  test('ends 0 when a violation came as expected, and tells it', () => {
    expect(ended.asExpected).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ended.asExpected.stdout).toContain('✓ violation, as expected: errors');
    expect(ended.asExpected.stdout).toContain('exhaustive 15, 2 broke');
    expect(ended.asExpected.stdout).toContain('reader#0 read /f [0, 4096) returned EEXIST');
  });

  test('uses no colour and no control characters off a terminal', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(ended.asExpected.stdout).not.toMatch(/\x1b|\r/);
  });

  test('ends 1 when a violation was not expected', () => {
    expect(ended.violation.exitCode).toBe(1);
    expect(ended.violation.stdout).toContain('unexpected violation: errors');
    expect(ended.violation.stdout).toContain('  step  writer');
  });

  test('ends 1 when an expected violation did not appear', () => {
    expect(ended.missing.exitCode).toBe(1);
    expect(ended.missing.stdout).toContain('expected a violation in exhaustive: of 15 executions none broke a law');
  });

  test('with --json, standard output is one document and nothing else', () => {
    expect(ended.json).toMatchObject({ exitCode: 0, stderr: '' });
    const document = JSON.parse(ended.json.stdout);
    expect(document).toMatchObject({ format: 'fsquake-verdict-1', exitCode: 0 });
    expect(document.settings[0]).toMatchObject({
      workload: 'race',
      ending: 'as-expected',
      switches: { label: 'all -reuse-covering-map', off: ['reuse-covering-map'] },
      stages: [{ explored: 15, violating: 2, isComplete: true, laws: { errors: 2 } }],
      failure: { folder: 'race.1', violations: [{ law: 'errors', observed: 'EEXIST' }] },
    });
  });

  test('with --quiet, nothing is printed when all is as expected', () => {
    expect(ended.quiet).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  });

  test('reports violations under switches that the workload says nothing about', () => {
    expect(ended.switched.exitCode).toBe(1);
    expect(ended.switched.stdout).toContain('all -reuse-covering-map');
    expect(ended.switched.stdout).toContain('unexpected violation: errors');
  });

  test('leaves everything that a failure needs, in whole folders only, and points latest at it', () => {
    const results = join(FOLDER, 'kept');
    const runId = readlinkSync(join(results, 'latest'));
    expect(readdirSync(results).sort()).toEqual([runId, 'latest'].sort());
    expect(readdirSync(join(results, runId)).sort()).toEqual(['race.1', 'summary.txt', 'verdict.json']);
    expect(readdirSync(join(results, 'latest/race.1')).sort()).toEqual([
      'after-0.img.gz',
      'before-0.img.gz',
      'failure.txt',
      'record.json',
      'schedule.json',
    ]);
    const summary = readFileSync(join(results, 'latest/summary.txt'), 'utf8');
    expect(summary.trimEnd()).toBe(ended.asExpected.stdout.trimEnd());
  });

  test('what it kept can be replayed and checked', async () => {
    const latest = join(FOLDER, 'kept/latest');
    const replay = await fsquake('replay', latest);
    const check = await fsquake('check', join(latest, 'race.1/after-0.img.gz'));
    const image = await fsquake('check', join(latest, 'race.1/before-0.img.gz'), '--json');
    expect(replay.exitCode).toBe(0);
    expect(replay.stdout).toContain('the same run again');
    expect(replay.stdout).toContain('returned EEXIST');
    expect(check.exitCode).toBe(0);
    expect(check.stdout).toContain('after-0.img.gz: clean');
    expect(JSON.parse(image.stdout)).toMatchObject([{ clean: true, errors: [] }]);
  });
});

describe('bad usage ends 2, on standard error only, with the nearest right thing', () => {
  const cases: readonly [what: string, args: readonly string[], said: string][] = [
    ['an unknown command', ['rnu'], '(Did you mean run?)'],
    ['an unknown option', ['run', '--sed', '7'], '(Did you mean --seed?)'],
    [
      'a workload that is not there',
      ['run', 'dio-write-splits-extent-mp'],
      'did you mean dio-write-splits-extent-map?',
    ],
    ['an unknown fix', ['run', '--fixes', 'reuse-covring-map'], 'did you mean reuse-covering-map?'],
    [
      'an impossible combination of fixes',
      ['run', '--fixes', 'reuse-encompassing-map'],
      'builds on reuse-identical-map',
    ],
    ['something that is no kernel', ['run', '--kernel', 'new'], "write it like '4.15'"],
    ['a count that is none', ['run', '--runs', '-1'], '--runs takes a whole number from 1 on'],
    [
      'a results folder that cannot be made',
      ['run', '--results', join(FOLDER, 'taken/by-a-file')],
      'name another folder with --results',
    ],
    ['several unknown options', ['run', '--sed', '7', '--fixs=all'], "'--fixs'; did you mean --fixes?"],
    ['help about nothing', ['help', 'rnu'], "unknown command 'rnu'; did you mean run?"],
    [
      'a sequence of operations that are none',
      ['diff-kernel', '--replay', '[{"do":"mkdri"}]'],
      'did you mean "mkdir"?',
    ],
    ['an image that is not there', ['check', 'nowhere.img'], 'there is no file nowhere.img'],
    ['a folder for an image', ['check', join(FOLDER, 'folder')], 'is a folder'],
    ['an empty image', ['check', join(FOLDER, 'empty.img')], 'is empty'],
    ['an image that is too small', ['check', join(FOLDER, 'taken')], 'too small for a btrfs image'],
    ['an unknown list', ['list', 'fxies'], 'did you mean fixes?'],
    ['a filter that leaves nothing', ['run', '--filter', 'zzz'], 'leaves no workload'],
    ['a schedule that is none', ['replay', join(FOLDER, 'not.json')], 'is no JSON'],
    ['nothing where something is needed', ['ls'], '(see: fsquake ls --help)'],
  ];

  beforeAll(() => {
    mkdirSync(join(FOLDER, 'folder'));
    writeFileSync(join(FOLDER, 'taken'), 'x');
    writeFileSync(join(FOLDER, 'empty.img'), '');
    writeFileSync(join(FOLDER, 'not.json'), 'tape');
  });

  test.each(cases)('%s', async (_what, args, said) => {
    const { exitCode, stdout, stderr } = await fsquake(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(said);
  });

  test('a bad workload file shows all its problems, and nothing runs', async () => {
    const path = join(FOLDER, 'bad.yaml');
    writeFileSync(path, 'tasks:\n  a:\n    - wriet: { file: /f, length: 4K }\n    - read: { file: /f, lenth: 4K }\n');
    const { exitCode, stdout, stderr } = await fsquake('run', path, '--results', join(FOLDER, 'never'));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('did you mean "write"?');
    expect(stderr).toContain('did you mean "length"?');
    expect(existsSync(join(FOLDER, 'never'))).toBe(false);
  });
});

describe('standard output', () => {
  test('what stands in the way of any document is a document too with --json', async () => {
    for (const args of [
      ['run', 'nothing-like-it'],
      ['run', '--runs', '0'],
      ['list', 'zzz'],
      ['check', 'none'],
      ['run', '--zork'],
    ]) {
      const { exitCode, stdout } = await fsquake(...args, '--json');
      expect(exitCode).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ format: 'fsquake-error-1', exitCode: 2 });
    }
  });

  test('all wrong options are named at once', async () => {
    const { stderr } = await fsquake(
      'run',
      '--runs',
      '0',
      '--threads',
      'x',
      '--kernel',
      'abc',
      '--fixes',
      'zzz',
      '--seed',
      '',
    );
    expect(stderr).toMatch(
      /'abc' is no .*\n.*"zzz".*\nfsquake: --runs takes .*\nfsquake: --threads takes .*\nfsquake: --seed takes /,
    );
  });

  test('a pattern that is none is looked for as it stands', async () => {
    const { exitCode, stderr } = await fsquake('run', '[z-a]*');
    expect([exitCode, stderr]).toEqual([2, 'fsquake: no workload matches [z-a]*; see `fsquake list workloads`\n']);
  });

  test('a schedule that names what there is not is refused with all of it', async () => {
    const [corpus] = readdirSync(join(ROOT, 'results/corpus')).filter((name) => name.endsWith('.json'));
    const schedule = JSON.parse(readFileSync(join(ROOT, 'results/corpus', corpus!), 'utf8'));
    const file = join(FOLDER, 'edited.json');
    const switches = { on: ['no-such-fix'], kernel: 'abc' };
    writeFileSync(file, JSON.stringify({ ...schedule, switches, decideAt: ['extent-map-lokup'] }));
    const { exitCode, stderr } = await fsquake('replay', file);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/no fix "no-such-fix".*no point "extent-map-lokup".*"extent-map-lookup".*'abc' is no/);
  });

  test('help leads with examples and names the exit codes', async () => {
    const { exitCode, stdout } = await fsquake('--help');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Examples:\n/);
    expect(stdout).toContain('3  a fault of fsquake itself');
  });

  test('lists are for people, and for programs with --json', async () => {
    const text = await fsquake('list', 'fixes');
    const json = await fsquake('list', 'fixes', '--json');
    expect(text.stdout).toContain('reuse-covering-map');
    expect(JSON.parse(json.stdout).fixes).toContainEqual(
      expect.objectContaining({
        name: 'reuse-covering-map',
        details: expect.objectContaining({ commit: '18e83ac75bfe', kernel: '4.16' }),
      }),
    );
  });

  test('a reader that goes away early is no error', async () => {
    const { stderr, exitCode } = await execa({
      reject: false,
      cwd: ROOT,
      shell: true,
    })`${process.execPath} --import tsx src/cli/dev.ts list | head -n 1`;
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  });
});

test('SIGINT stops the run, saves what was found and ends 130', async () => {
  const path = join(FOLDER, 'long.yaml');
  writeFileSync(
    path,
    readFileSync(workload('long', 'reuse-covering-map', 'violation'), 'utf8').replace(
      /explore:[\s\S]*expect:/,
      'explore: { strategy: random, runs: 100000000 }\nexpect:',
    ),
  );
  const running = start(['run', path, '--no-outside', '--results', join(FOLDER, 'stopped')]);
  // The folder is made just before the exploration starts; half a second later it is well under way.
  while (!existsSync(join(FOLDER, 'stopped'))) await new Promise((done) => setTimeout(done, 50));
  await new Promise((done) => setTimeout(done, 500));
  running.kill('SIGINT');
  const { exitCode, stdout, stderr } = await running;
  expect(exitCode).toBe(130);
  expect(stderr).toContain('stopping; what was found is being saved');
  expect(stdout).toContain('interrupted');
  expect(JSON.parse(readFileSync(join(FOLDER, 'stopped/latest/verdict.json'), 'utf8'))).toMatchObject({
    exitCode: 130,
  });
}, 60_000);
