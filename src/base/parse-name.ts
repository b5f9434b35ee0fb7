const HEX_ESCAPE = /^x[0-9a-fA-F]{2}/;

/**
 * The bytes of a name or path that was typed as `showName` shows it: `\xNN` is a byte, `\\` a backslash, all else UTF-8.
 * Null where a backslash begins neither.
 */
export function parseShownName(text: string): Uint8Array | null {
  const [first, ...parts] = text.split('\\');
  const bytes: Buffer[] = [Buffer.from(first!, 'utf8')];
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    if (HEX_ESCAPE.test(part)) {
      bytes.push(Buffer.from([Number.parseInt(part.slice(1, 3), 16)]), Buffer.from(part.slice(3), 'utf8'));
      continue;
    }
    // Two in a row: what follows the second is plain.
    const isDoubled = part === '' && index + 1 < parts.length;
    if (!isDoubled) return null;
    index++;
    bytes.push(Buffer.from(`\\${parts[index]}`, 'utf8'));
  }
  return new Uint8Array(Buffer.concat(bytes));
}
