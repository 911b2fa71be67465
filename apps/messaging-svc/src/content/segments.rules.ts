import { gsm7Alphabet, gsm7Extension, smartReplacements } from './gsm7.data.ts';

export type Encoding = 'GSM-7' | 'UCS-2';

const widths: ReadonlyMap<string, number> = new Map([
  ...[...gsm7Alphabet].map((character) => [character, 1] as const),
  ...[...gsm7Extension].map((character) => [character, 2] as const),
]);
const smart: ReadonlyMap<string, string> = new Map(
  smartReplacements.flatMap(([replacement, characters]) =>
    [...characters].map((character) => [character, replacement] as const),
  ),
);

/** Places in a message of one segment, and in each of several: the header that joins them takes the rest. */
const capacity: Readonly<Record<Encoding, { single: number; joined: number }>> = {
  'GSM-7': { single: 160, joined: 153 },
  'UCS-2': { single: 70, joined: 67 },
};

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Puts characters of the GSM alphabet in the place of look-alikes, as Twilio does when asked to. */
export function smartEncode(text: string): string {
  return [...text].map((character) => smart.get(character) ?? character).join('');
}

export function encodingOf(text: string): Encoding {
  for (const character of text) if (!widths.has(character)) return 'UCS-2';
  return 'GSM-7';
}

export interface Segmentation {
  readonly encoding: Encoding;
  /** The text of each part; together they are the whole. At least one, which may be empty. */
  readonly segments: readonly string[];
}

/**
 * Splits a text as it goes over the air. What is one character to the reader stays in one part: an escaped character of
 * GSM-7, a surrogate pair, an emoji of several code points unless it is longer than a part.
 * Source: 3GPP TS 23.038, 23.040; agrees with Twilio's segment calculator.
 */
export function segment(text: string): Segmentation {
  const encoding = encodingOf(text);
  const { single, joined } = capacity[encoding];
  const size = (part: string) => (encoding === 'UCS-2' ? part.length : gsm7Width(part));
  if (size(text) <= single) return { encoding, segments: [text] };

  const segments: string[] = [];
  let part = '';
  let used = 0;
  for (const character of encoding === 'UCS-2' ? unsplittable(text, joined) : text) {
    const width = size(character);
    if (used + width > joined) {
      segments.push(part);
      part = '';
      used = 0;
    }
    part += character;
    used += width;
  }
  return { encoding, segments: [...segments, part] };
}

function gsm7Width(text: string): number {
  let width = 0;
  for (const character of text) width += widths.get(character) ?? 1;
  return width;
}

function unsplittable(text: string, longest: number): string[] {
  return [...graphemes.segment(text)].flatMap(({ segment: one }) =>
    one.length > longest || one === '\r\n' ? [...one] : [one],
  );
}
