import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BlockTable } from '../../record/block-table.ts';
import { NoImage, openImageFile } from './image-file.ts';
import { ResultsStore, ResultsUnavailable } from './results-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fsquake-results-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const NOW = new Date('2026-11-21T10:15:00Z');

test('nothing of a run is seen before it is whole', async () => {
  const store = new ResultsStore(folder);
  const run = await store.begin(store.newRunId(NOW, '3fa94c1e00000000'));
  await run.writeJson('verdict.json', { exitCode: 0 });
  expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual([]);
  await run.commit();
  expect(readdirSync(folder).sort()).toEqual(['20261121-101500-3fa94c1e', 'latest']);
  expect(JSON.parse(readFileSync(join(folder, 'latest/verdict.json'), 'utf8'))).toEqual({ exitCode: 0 });
});

test('latest follows the newest run, and runs of one second do not collide', async () => {
  const store = new ResultsStore(folder);
  for (const place of ['20261121-101500-3fa94c1e', '20261121-101500-3fa94c1e.2']) {
    const run = await store.begin(store.newRunId(NOW, '3fa94c1e00000000'));
    await run.writeText('summary.txt', place);
    await run.commit();
    expect(readlinkSync(join(folder, 'latest'))).toBe(place);
  }
});

test('runs that begin at the same time get places of their own', async () => {
  const store = new ResultsStore(folder);
  const id = store.newRunId(NOW, '3fa94c1e00000000');
  const runs = [await store.begin(id), await store.begin(id)];
  for (const run of runs) await run.writeText('summary.txt', '');
  for (const run of runs) await run.commit();
  expect(readdirSync(folder).sort()).toEqual([id, `${id}.2`, 'latest']);
});

test('a run that is given up leaves nothing', async () => {
  const store = new ResultsStore(folder);
  const run = await store.begin(store.newRunId(NOW, 'ff'));
  await run.writeText('a/b.txt', 'text');
  await run.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test('images are raw disks, and read back as they were', async () => {
  const disk = new BlockTable(1024 * 1024);
  disk.write(70_000, Uint8Array.of(1, 2, 3));
  const store = new ResultsStore(folder);
  const run = await store.begin('run');
  await run.writeImage('x/after-0.img.gz', disk);
  await run.commit();
  const path = join(folder, 'run/x/after-0.img.gz');
  expect(gunzipSync(readFileSync(path)).length).toBe(1024 * 1024);
  const image = openImageFile(path);
  expect(image.size).toBe(1024 * 1024);
  expect([...image.read(69_999, 5)]).toEqual([0, 1, 2, 3, 0]);
});

test('bytes in JSON are their length and their first 64 in hex', async () => {
  const store = new ResultsStore(folder);
  const run = await store.begin('run');
  await run.writeJson('record.json', { short: Uint8Array.of(1, 255), long: new Uint8Array(100) });
  await run.commit();
  expect(JSON.parse(readFileSync(join(folder, 'run/record.json'), 'utf8'))).toEqual({
    short: { bytes: 2, hex: '01ff' },
    long: { bytes: 100, hex: `${'00'.repeat(64)}...` },
  });
});

test('a folder that cannot be written is refused before anything runs', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => new ResultsStore(join(folder, 'file/results'))).toThrow(ResultsUnavailable);
  expect(() => new ResultsStore(join(folder, 'file/results'))).toThrow(/ENOTDIR.*--results DIR/);
  expect(existsSync(join(folder, 'results'))).toBe(false);
});

test('a file that is no image is refused with the reason', () => {
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'bad.gz'), 'no gzip');
  expect(() => openImageFile(folder)).toThrow(NoImage);
  expect(() => openImageFile(join(folder, 'empty'))).toThrow(/is empty/);
  expect(() => openImageFile(join(folder, 'bad.gz'))).toThrow(/no gzip file/);
  expect(() => openImageFile(join(folder, 'none'))).toThrow(/there is no file/);
});
