/** The longest line's length. */
export function widthOf(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}

/** Breaks lines at blanks, and words that are longer than a line after a hyphen or, at worst, anywhere. */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => wrapLine(line, width))
    .join('\n');
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    const joined = current === '' ? word : `${current} ${word}`;
    if (joined.length <= width) {
      current = joined;
      continue;
    }
    if (current !== '') lines.push(current);
    current = word;
    while (current.length > width) {
      const hyphen = current.lastIndexOf('-', width - 1);
      const end = hyphen > 0 ? hyphen + 1 : width;
      lines.push(current.slice(0, end));
      current = current.slice(end);
    }
  }
  lines.push(current);
  return lines;
}
