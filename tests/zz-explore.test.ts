import { expect, test } from 'vitest';
import { FsError } from '../src/fs/errors.ts';
import { allFixes } from '../src/fs/fixes.ts';
import * as sys from '../src/fs/syscalls.ts';
import { ScratchFilesystem } from './support/scratch-filesystem.ts';
import { complaintsAbout } from './support/scratch-image.ts';
const MIB = 1 << 20;
const K = 4096;
function state(s: ScratchFilesystem) {
  return s.fs.info.space.spaces().map((i) => `${i.type}: total ${i.total / K} used ${i.used / K} res ${i.reserved / K} pin ${i.pinned / K} free ${i.free / K} pm ${i.promisedMetadata} pd ${i.promisedData}`).join(' | ') + ` aborted ${s.fs.info.aborted} ${s.fs.info.abortedWhere}`;
}
type Op = (s: ScratchFilesystem, i: number) => void;
const ops: Record<string, Op> = {
  create: (s, i) => s.run(sys.create(s.fs, `d${i % 5}/file-with-a-rather-long-name-${i}`)),
  mkdir: (s, i) => s.run(sys.mkdir(s.fs, `d${i % 5}/dir-${i}`)),
  write: (s, i) => { const p = `d${i % 5}/w${i}`; s.run(sys.create(s.fs, p)); const n = s.run(sys.write(s.fs, p, 0, new Uint8Array(10 * K + 5).fill(i))); if (n < 10 * K + 5) throw new FsError('ENOSPC', 'short'); },
  direct: (s, i) => { const p = `d${i % 5}/w${i}`; s.run(sys.create(s.fs, p)); const n = s.run(sys.write(s.fs, p, 0, new Uint8Array(9 * K).fill(i), { direct: true })); if (n < 9 * K) throw new FsError('ENOSPC', 'short'); },
  sparse: (s, i) => { if (i === 0) s.run(sys.create(s.fs, 'sp')); s.run(sys.write(s.fs, 'sp', i * 2 * K, new Uint8Array(K).fill(i))); },
  overwrite: (s, i) => { if (i === 0) { s.run(sys.create(s.fs, 'ov')); } s.run(sys.write(s.fs, 'ov', (i % 50) * K, new Uint8Array(K).fill(i))); if (i > 400) throw new FsError('ENOSPC', 'enough'); },
  truncate: (s, i) => { const p = `t${i}`; s.run(sys.create(s.fs, p)); s.run(sys.truncate(s.fs, p, i * 100)); },
  fallocate: (s, i) => { const p = `f${i}`; s.run(sys.create(s.fs, p)); s.run(sys.fallocate(s.fs, p, 0, 7 * K)); },
  reflink: (s, i) => { if (i === 0) { s.run(sys.create(s.fs, 'r')); s.run(sys.write(s.fs, 'r', 0, new Uint8Array(64 * K).fill(3))); s.run(sys.create(s.fs, 'rt')); } s.run(sys.reflink(s.fs, 'r', 'rt', { sourceOffset: (i % 30) * K, length: K, targetOffset: i * 2 * K })); },
  rename: (s, i) => { if (i === 0) s.run(sys.create(s.fs, 'x0')); s.run(sys.link(s.fs, `x0`, `d1/name-${i}-${'n'.repeat(150)}`)); },
};
test.each(Object.keys(ops).flatMap((k) => [4096, 16384].map((n) => [k, n] as const)))('%s %i', (name, nodeSize) => {
  const s = new ScratchFilesystem({ devices: [16 * MIB], nodeSize, systemBytes: MIB, metadataBytes: 2 * MIB, dataBytes: 2 * MIB }, { fixes: allFixes(), chunkSizes: { system: MIB, metadata: 2 * MIB, data: 2 * MIB } });
  for (let round = 0; round < 3; round++) {
    for (let d = 0; d < 5; d++) s.run(sys.mkdir(s.fs, `d${d}`));
    let i = 0;
    let why = '';
    const made0 = s.run(sys.readdir(s.fs, '/')).length;
    for (; i < 30000; i++) {
      try { ops[name]!(s, i); } catch (e) { if (!(e instanceof FsError)) throw e; why = e.message; break; }
    }
    console.log(name, nodeSize, 'round', round, 'ops', i, why, made0, '\n', state(s));
    expect(s.fs.info.aborted).toBe(null);
    console.log('sync', s.outcome(sys.sync(s.fs)), state(s));
    expect(complaintsAbout(s)).toEqual([]);
    let removed = 0; let bad: string[] = [];
    const wipe = (dir: string) => {
      for (const e of s.run(sys.readdir(s.fs, dir || '/'))) {
        const p = `${dir}/${new TextDecoder().decode(e)}`;
        let r = s.outcome(sys.unlink(s.fs, p));
        if (r === 'EISDIR') { wipe(p); r = s.outcome(sys.rmdir(s.fs, p)); }
        removed++;
        if (r !== 'ok') bad.push(`${p} ${r}`);
      }
    };
    wipe('');
    console.log('removed', removed, 'bad', bad.length, bad.slice(0, 3), 'sync', s.outcome(sys.sync(s.fs)), state(s));
    expect(bad).toEqual([]);
    expect(s.fs.info.aborted).toBe(null);
    expect(complaintsAbout(s)).toEqual([]);
  }
}, 120000);
