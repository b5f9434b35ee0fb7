import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type Range,
  visit,
} from 'yaml';
import type { Located, LocatedEntry } from './located.ts';
import type { Problem, ProblemCode } from './problem.ts';
import type { SourceText } from './source-text.ts';

/** Larger files are refused unread. */
export const TEXT_LENGTH_MAX = 1024 * 1024;
/** A workload needs about eight levels; far more would only exhaust somebody's stack. */
const NESTING_MAX = 64;
/** Where even parsing is refused. The count is rough: brackets inside texts are counted too. */
const SCANNED_NESTING_MAX = 1000;
/** Parts that aliases may add to a file. */
const ALIAS_PARTS_MAX = 10_000;
/** So many are enough to say that a file is no YAML. */
const PROBLEMS_MAX = 200;

export interface YamlResult {
  /** Null when the text has no usable structure; `problems` then says why. */
  readonly root: Located | null;
  readonly problems: readonly Problem[];
}

/** Text to located values: all that is wrong about it as YAML 1.2, before anything is known about workloads. */
export function readYaml(source: SourceText): YamlResult {
  const early = checkText(source);
  if (early.length > 0) return { root: null, problems: early };
  try {
    return new Reader(source).read();
  } catch {
    // The YAML library recurses and has corners of its own; a text that defeats it is not a workload either.
    const problem = source.problem('syntax', 'this cannot be read as YAML', 0, 1, 'simplify the file');
    return { root: null, problems: [problem] };
  }
}

/** What must hold of the characters themselves. */
function checkText(source: SourceText): Problem[] {
  const { text } = source;
  if (text.length > TEXT_LENGTH_MAX) {
    return [
      source.problem(
        'document',
        `a workload file has at most ${TEXT_LENGTH_MAX} characters, this has ${text.length}`,
        0,
        0,
      ),
    ];
  }
  const problems: Problem[] = [];
  if (text.startsWith('\ufeff')) {
    problems.push(
      source.problem('encoding', 'the file begins with a byte order mark', 0, 1, 'save it as UTF-8 without one'),
    );
  }
  const bad = /(?![\t\n\r\u0080-\u009f])\p{Cc}|[\ufffd\ufffe\uffff\p{Cs}]|(?<!^)\ufeff/gu;
  for (const match of text.matchAll(bad)) {
    if (problems.length >= ENCODING_PROBLEMS_MAX) break;
    const code = text.charCodeAt(match.index);
    const isText = code === 0xfffd || code >= 0xd800;
    const what = isText
      ? 'this is not valid UTF-8 text'
      : `the control character U+${code.toString(16).toUpperCase().padStart(4, '0')} cannot stand in a workload`;
    problems.push(
      source.problem('encoding', what, match.index, match.index + 1, isText ? 'save the file as UTF-8' : 'remove it'),
    );
  }
  if (problems.length > 0) return problems;
  if (!/\S/.test(text.replace(/^[ \t]*#.*$/gm, ''))) {
    return [
      source.problem(
        'document',
        'the file is empty',
        text.length,
        text.length,
        'a workload is a mapping with at least "tasks"',
      ),
    ];
  }
  const deep = tooDeepAt(text);
  if (deep !== null)
    return [source.problem('syntax', `nested more than ${SCANNED_NESTING_MAX} levels deep`, deep, deep + 1)];
  return [];
}

const ENCODING_PROBLEMS_MAX = 20;

/** A rough count of open brackets and of `- - -` chains, so that the parser's recursion stays shallow. */
function tooDeepAt(text: string): number | null {
  let open = 0;
  let chain = 0;
  let columns: number[] = [];
  let isLineStart = true;
  let column = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '[' || character === '{') open++;
    else if ((character === ']' || character === '}') && open > 0) open--;
    if (character === '\n') {
      isLineStart = true;
      column = 0;
      chain = 0;
      continue;
    }
    if (
      isLineStart &&
      (character === '-' || character === '?' || character === ':') &&
      /\s/.test(text[at + 1] ?? '\n')
    ) {
      chain++;
    } else if (isLineStart && character !== ' ' && character !== '\t') {
      isLineStart = false;
      columns = columns.filter((other) => other < column);
      columns.push(column);
    }
    if (open + chain + columns.length > SCANNED_NESTING_MAX) return at;
    column++;
  }
  return null;
}

class Reader {
  private readonly source: SourceText;
  private readonly problems: Problem[] = [];
  private readonly anchors = new Map<string, ParsedNode>();
  private readonly open = new Set<ParsedNode>();
  private aliasDepth = 0;
  private aliasParts = 0;
  private isBomb = false;

  constructor(source: SourceText) {
    this.source = source;
  }

  read(): YamlResult {
    const document = parseDocument(this.source.text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      intAsBigInt: true,
      keepSourceTokens: true,
      lineCounter: new LineCounter(),
      prettyErrors: false,
      logLevel: 'error',
      uniqueKeys: false,
    });
    const isUsable = this.reportDocument(document);
    const contents = document.contents as ParsedNode | null;
    if (!isUsable) return { root: null, problems: this.problems };
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      const end = this.source.text.length;
      this.report('document', 'the file is empty', end, end, 'a workload is a mapping with at least "tasks"');
      return { root: null, problems: this.problems };
    }
    const root = this.visit(contents, []);
    if (root.kind !== 'mapping' && !root.isReported) {
      const what = root.kind === 'list' ? 'a list' : 'a single value';
      this.report(
        'document',
        `a workload is a mapping, this file holds ${what}`,
        root.start,
        Math.min(root.end, root.start + 1),
        'it begins like "tasks:"',
      );
      return { root: null, problems: this.problems };
    }
    return { root, problems: this.problems };
  }

  /** False when the parser's picture of the file cannot be trusted. */
  private reportDocument(document: Document.Parsed): boolean {
    for (const error of document.errors) {
      const isMany = error.code === 'MULTIPLE_DOCS';
      const [start, end] = this.placeOf(error.pos);
      const quote = error.code === 'MISSING_CHAR' ? openQuote(document, start) : null;
      if (quote !== null) {
        this.report('syntax', 'this quote is never closed', quote, quote + 1, 'close it where the text ends');
        continue;
      }
      const message = isMany ? 'a workload file holds one document, here a second begins' : sentence(error.message);
      this.report(isMany ? 'document' : 'syntax', message, start, end, isMany ? 'put it into a file of its own' : null);
    }
    for (const warning of document.warnings) {
      const [start, end] = warning.pos;
      const isTag = warning.code === 'TAG_RESOLVE_FAILED';
      this.report(
        isTag ? 'tag' : 'syntax',
        isTag ? `unknown tag ${this.source.text.slice(start, end)}` : sentence(warning.message),
        start,
        end,
        isTag ? 'workloads need no tags: remove it' : null,
      );
    }
    const version = document.directives?.yaml.explicit === true ? document.directives.yaml.version : '1.2';
    if (version !== '1.2')
      this.report(
        'document',
        `workloads are YAML 1.2, not ${version}`,
        0,
        this.source.text.indexOf('\n'),
        'remove the %YAML line',
      );
    return document.errors.length === 0 && version === '1.2';
  }

  /** At what is wrongly indented, not at the indentation. */
  private placeOf([start, end]: readonly [number, number]): readonly [number, number] {
    const blanks = /^ +(?=[^ \n])/.exec(this.source.text.slice(start, start + NESTING_MAX * 16));
    return blanks === null ? [start, end] : [start + blanks[0].length, Math.max(end, start + blanks[0].length + 1)];
  }

  private visit(node: ParsedNode | null, path: readonly string[], fallback = 0): Located {
    if (node === null) return leaf(null, fallback, fallback, '');
    const [start, end] = rangeOf(node, fallback);
    if (this.aliasDepth > 0 && ++this.aliasParts > ALIAS_PARTS_MAX) {
      if (!this.isBomb)
        this.report('alias', `aliases blow this file up to more than ${ALIAS_PARTS_MAX} parts`, start, end);
      this.isBomb = true;
      return reported(start, end);
    }
    if (this.open.size >= NESTING_MAX) {
      this.report('syntax', `nested more than ${NESTING_MAX} levels deep`, start, Math.min(end, start + 1));
      return reported(start, end);
    }
    if (isAlias(node)) return this.visitAlias(node, start, end, path);
    if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
    this.open.add(node);
    const located = isMap(node)
      ? this.visitMapping(node as never, start, end, path)
      : isSeq(node)
        ? this.visitList(node as never, start, end, path)
        : this.visitScalar(node as never, start, end, path);
    this.open.delete(node);
    return located;
  }

  private visitAlias(node: { readonly source: string }, start: number, end: number, path: readonly string[]): Located {
    const target = this.anchors.get(node.source);
    if (target === undefined) {
      this.report(
        'alias',
        `no anchor "&${node.source}" comes before this alias`,
        start,
        end,
        nearestAnchor([...this.anchors.keys()]),
      );
      return reported(start, end);
    }
    if (this.open.has(target)) {
      this.report('alias', `"*${node.source}" stands inside what it repeats, a cycle`, start, end);
      return reported(start, end);
    }
    this.aliasDepth++;
    const located = this.visit(target, path);
    this.aliasDepth--;
    return located;
  }

  private visitMapping(
    node: { readonly items: readonly { readonly key: ParsedNode | null; readonly value: ParsedNode | null }[] },
    start: number,
    end: number,
    path: readonly string[],
  ): Located {
    const entries = new Map<string, LocatedEntry>();
    const value: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const { key, value: child } of node.items) {
      const [keyStart, keyEnd] = rangeOf(key, start);
      if (!isScalar(key) || key.value === null) {
        this.report('syntax', 'a key is plain text', keyStart, Math.max(keyEnd, keyStart + 1));
        continue;
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
      if (key.anchor !== undefined) this.anchors.set(key.anchor, key as ParsedNode);
      const first = entries.get(name);
      const located = this.visit(child, [...path, name], keyEnd);
      if (first !== undefined) {
        const { line } = this.source.positionOf(first.keyStart);
        this.report(
          'duplicate-key',
          `the key "${name}" is already on line ${line}`,
          keyStart,
          keyEnd,
          'keep one of them',
        );
        continue;
      }
      entries.set(name, { keyStart, keyEnd, node: located });
      value[name] = located.value;
    }
    return { value, kind: 'mapping', start, end, source: '', entries, items: [], isReported: false };
  }

  private visitList(
    node: { readonly items: readonly (ParsedNode | null)[] },
    start: number,
    end: number,
    path: readonly string[],
  ): Located {
    let before = start;
    const items = node.items.map((item) => {
      const located = this.visit(item, path, before);
      before = Math.max(before, located.end);
      return located;
    });
    return {
      value: items.map((item) => item.value),
      kind: 'list',
      start,
      end,
      source: '',
      entries: new Map(),
      items,
      isReported: false,
    };
  }

  private visitScalar(
    node: { readonly value: unknown; readonly source?: string },
    start: number,
    end: number,
    path: readonly string[],
  ): Located {
    const source = node.source ?? this.source.text.slice(start, end);
    const { value } = node;
    // `kernel: 4.10` and all-digit commits are names, however much they look like numbers.
    if (typeof value !== 'string' && value !== null && isName(path)) return leaf(source, start, end, source);
    if (typeof value === 'bigint') {
      const number = Number(value);
      if (Number.isSafeInteger(number)) return leaf(number, start, end, source);
      this.report('number', `${clip(source)} is beyond 2^53, the largest whole number that is exact`, start, end);
      return reported(start, end);
    }
    if (typeof value === 'number' && (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER)) {
      this.report('number', `${clip(source)} is not a number that a workload can use`, start, end);
      return reported(start, end);
    }
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return leaf(value, start, end, source);
    }
    this.report('value', 'only text, numbers, true and false are values here', start, end);
    return reported(start, end);
  }

  private report(code: ProblemCode, message: string, start: number, end: number, hint: string | null = null): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(this.source.problem(code, message, start, end, hint));
  }
}

/** Where a quoted text begins that goes on to `end`, the place where its other quote was missed. */
function openQuote(document: Document.Parsed, end: number): number | null {
  let start: number | null = null;
  visit(document, {
    Scalar(_key, node) {
      const isQuoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
      if (isQuoted && node.range && node.range[0] < end && node.range[1] >= end) start = node.range[0];
    },
  });
  return start;
}

/** Kernel versions and names of fixes stay text. */
function isName(path: readonly string[]): boolean {
  if (path.at(-1) === 'kernel') return true;
  return path.at(-2) === 'fixes' && (path.at(-1) === 'on' || path.at(-1) === 'off');
}

function leaf(value: unknown, start: number, end: number, source: string): Located {
  return { value, kind: 'scalar', start, end, source, entries: new Map(), items: [], isReported: false };
}

function reported(start: number, end: number): Located {
  return { value: undefined, kind: 'scalar', start, end, source: '', entries: new Map(), items: [], isReported: true };
}

function rangeOf(node: { readonly range?: Range | null } | null, fallback: number): readonly [number, number] {
  const range = node?.range;
  return range === undefined || range === null ? [fallback, fallback] : [range[0], range[1]];
}

function nearestAnchor(names: readonly string[]): string | null {
  return names.length === 0 ? 'the file has no anchors' : `anchors so far: ${names.slice(0, 8).join(', ')}`;
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** The library's messages begin with a capital and may span lines. */
function sentence(message: string): string {
  const line = message.split('\n')[0]!.trim();
  return line.charAt(0).toLowerCase() + line.slice(1);
}
