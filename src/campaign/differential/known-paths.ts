import type { Operation, PathText } from './operation.ts';

type Kind = 'file' | 'directory' | 'symlink' | 'special';

/**
 * What the generator believes to be there: only a bias. Symlinks and `..` are not resolved, so it may err, and what it
 * draws then fails on both sides alike.
 */
export class KnownPaths {
  private readonly kinds = new Map<PathText, Kind>();

  pick(kinds: readonly Kind[], below: (bound: number) => number): PathText | null {
    const paths = [...this.kinds].filter(([, kind]) => kinds.includes(kind)).map(([path]) => path);
    return paths.length === 0 ? null : paths[below(paths.length)]!;
  }

  get count(): number {
    return this.kinds.size;
  }

  /** After an operation that went well. */
  note(operation: Operation): void {
    switch (operation.do) {
      case 'mkdir':
        this.kinds.set(operation.path, 'directory');
        return;
      case 'create':
        this.kinds.set(operation.path, 'file');
        return;
      case 'open':
        if (operation.flags.includes('create') && !this.kinds.has(operation.path))
          this.kinds.set(operation.path, 'file');
        return;
      case 'symlink':
        this.kinds.set(operation.path, 'symlink');
        return;
      case 'mknod':
        this.kinds.set(operation.path, operation.kind === 'file' ? 'file' : 'special');
        return;
      case 'unlink':
      case 'rmdir':
        this.kinds.delete(operation.path);
        return;
      case 'link':
        this.kinds.set(operation.to, typeof operation.from === 'number' ? 'file' : this.kindOf(operation.from));
        return;
      case 'rename':
        this.rename(operation.from, operation.to, operation.exchange === true);
        return;
    }
  }

  private kindOf(path: PathText): Kind {
    return this.kinds.get(path) ?? 'file';
  }

  private rename(from: PathText, to: PathText, isExchange: boolean): void {
    const moved = this.take(from);
    const replaced = this.take(to);
    for (const [rest, kind] of moved) this.kinds.set(to + rest, kind);
    if (isExchange) for (const [rest, kind] of replaced) this.kinds.set(from + rest, kind);
  }

  private take(path: PathText): [string, Kind][] {
    const taken: [string, Kind][] = [];
    for (const [known, kind] of this.kinds) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      taken.push([known.slice(path.length), kind]);
    }
    for (const [rest] of taken) this.kinds.delete(path + rest);
    return taken;
  }
}
