import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { nearestWord } from '../../base/nearest.ts';
import { PACKAGE_ROOT } from './package-root.ts';

/** A workload file that was found; its text is not parsed yet. */
export interface WorkloadFile {
  /** The file's name without folder and extension. */
  readonly name: string;
  /** As messages show it: relative to the working directory where that is shorter. */
  readonly path: string;
  readonly text: string;
}

/** Nothing answers to a name, path or pattern of the command line. */
export class WorkloadNotFound extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkloadNotFound';
  }
}

/** Of UTF-8: more than the most characters that a workload may have. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

const EXTENSION = /\.ya?ml$/;

/** The folder of shipped workloads. */
export const SHIPPED_FOLDER = join(PACKAGE_ROOT, 'workloads');

/**
 * What the words name, in their order and each file once: a shipped workload's name, a file, a folder (all workloads
 * in it), or a glob over shipped names or over paths. No words: everything shipped. Throws `WorkloadNotFound`, which
 * lists every word that names nothing, with the nearest name.
 */
export function findWorkloads(words: readonly string[]): WorkloadFile[] {
  if (words.length === 0) return shippedPaths().map(load);
  const problems: string[] = [];
  const found = new Map<string, WorkloadFile>();
  for (const word of words) {
    const paths = pathsOf(word);
    if (paths.length === 0) problems.push(missing(word));
    for (const path of paths) if (!found.has(resolve(path))) found.set(resolve(path), load(path));
  }
  if (problems.length > 0) throw new WorkloadNotFound(problems.join('\n'));
  return [...found.values()];
}

export function shippedNames(): string[] {
  return shippedPaths().map(nameOf);
}

function shippedPaths(): string[] {
  return existsSync(SHIPPED_FOLDER) ? filesUnder(SHIPPED_FOLDER).filter((path) => EXTENSION.test(path)) : [];
}

function pathsOf(word: string): string[] {
  const shipped = shippedPaths();
  const named = shipped.filter((path) => nameOf(path) === word);
  if (named.length > 0) return named;
  if (existsSync(word)) {
    return statSync(word).isDirectory() ? filesUnder(word).filter((path) => EXTENSION.test(path)) : [word];
  }
  if (!/[*?[{]/.test(word)) return [];
  const pattern = globToRegExp(word);
  const byName = shipped.filter((path) => pattern.test(nameOf(path)));
  return byName.length > 0 ? byName : filesMatching(word).filter((path) => EXTENSION.test(path));
}

function filesMatching(glob: string): string[] {
  const pattern = globToRegExp(resolve(glob).split(sep).join('/'));
  let folder = dirname(glob);
  while (/[*?[{]/.test(folder)) folder = dirname(folder);
  if (!existsSync(folder)) return [];
  return filesUnder(folder).filter((path) => pattern.test(resolve(path).split(sep).join('/')));
}

/** All files below a folder, sorted; hidden folders and `node_modules` are left out. */
function filesUnder(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort();
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new WorkloadNotFound(`${folder} cannot be read: ${(error as Error).message}`);
  }
}

/** `*` within a name, `**` across folders, `?`, `[ab]`, `{a,b}`. */
export function globToRegExp(glob: string): RegExp {
  let source = '';
  let braces = 0;
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at]!;
    if (glob.startsWith('**/', at)) {
      source += '(?:.*/)?';
      at += 2;
    } else if (glob.startsWith('**', at)) {
      source += '.*';
      at += 1;
    } else if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[' && glob.includes(']', at + 2)) {
      const end = glob.indexOf(']', at + 2);
      source += `[${glob
        .slice(at + 1, end)
        .replace(/^!/, '^')
        .replace(/[\\[]/g, '\\$&')}]`;
      at = end;
    } else if (character === '{' && glob.includes('}', at)) {
      source += '(?:';
      braces += 1;
    } else if (character === '}' && braces > 0) {
      source += ')';
      braces -= 1;
    } else if (character === ',' && braces > 0) source += '|';
    else source += character.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // A set such as [z-a], or a brace that stays open: not a pattern, so it means these characters.
    return new RegExp(`^${glob.replace(/[\\^$.|*?+()[\]{}]/g, '\\$&')}$`);
  }
}

function load(path: string): WorkloadFile {
  const near = relative(process.cwd(), path);
  let text: string;
  try {
    const status = statSync(path);
    if (status.isCharacterDevice() || status.isBlockDevice()) throw new Error('it is a device, no file');
    if (status.size > FILE_BYTES_MAX) throw new Error(`it has ${status.size} bytes, far more than any workload`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WorkloadNotFound(`${path} cannot be read: ${(error as Error).message}`);
  }
  return { name: nameOf(path), path: near === '' || near.startsWith('..') ? path : near, text };
}

function nameOf(path: string): string {
  return basename(path).replace(EXTENSION, '');
}

function missing(word: string): string {
  if (EXTENSION.test(word) || word.includes('/')) {
    if (/[*?[{]/.test(word)) return `no workload file matches ${word}`;
    if (existsSync(word)) return `there is no workload in ${word}: its files should end in .yaml`;
    return `there is no file ${word}${hintFor(word.replace(EXTENSION, '').split('/').at(-1)!)}`;
  }
  if (/[*?[{]/.test(word)) return `no workload matches ${word}; see \`fsquake list workloads\``;
  return `no shipped workload is called ${word === '' ? '""' : word}${hintFor(word)}`;
}

function hintFor(name: string): string {
  const nearest = nearestWord(name, shippedNames());
  return nearest === null ? '; see `fsquake list workloads`' : `; did you mean ${nearest}?`;
}
