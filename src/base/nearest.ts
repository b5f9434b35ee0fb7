import { distance } from 'fastest-levenshtein';

/** The candidate closest to `word` by Levenshtein distance, ignoring case; null when none is close enough to be meant. */
export function nearestWord(word: string, candidates: readonly string[]): string | null {
  const asked = word.toLowerCase().slice(0, WORD_LENGTH_MAX);
  let nearest: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const changes = distance(asked, candidate.toLowerCase());
    if (changes < least) {
      least = changes;
      nearest = candidate;
    }
  }
  if (nearest === null) return null;
  // A third of the letters may be wrong; of short words, one more than that.
  const tolerated = Math.max(2, Math.ceil(Math.max(asked.length, nearest.length) / 3));
  if (least <= tolerated && least < Math.max(asked.length, nearest.length)) return nearest;
  const containing = asked.length >= 3 ? candidates.filter((candidate) => candidate.toLowerCase().includes(asked)) : [];
  return containing.length === 1 ? containing[0]! : null;
}

/** `did you mean "offset"?`, or the valid words when there are few of them, or null. */
export function suggest(word: string, candidates: readonly string[]): string | null {
  const nearest = nearestWord(word, candidates);
  if (nearest !== null) return `did you mean "${nearest}"?`;
  return candidates.length === 0 ? null : `one of: ${listWords(candidates)}`;
}

/** `a, b, c`, cut after a dozen. */
export function listWords(words: readonly string[]): string {
  const shown = words.slice(0, WORDS_SHOWN_MAX).join(', ');
  return words.length > WORDS_SHOWN_MAX ? `${shown} … (${words.length} in all)` : shown;
}

const WORD_LENGTH_MAX = 100;
const WORDS_SHOWN_MAX = 16;
