/** Texts with `{{name}}` in them, and what may stand in XML. */

export type Values = Readonly<Record<string, string>>;

const placeholder = /\{\{\s*([a-zA-Z][a-zA-Z0-9]*(?:\.[a-zA-Z]+)?)\s*\}\}/g;

export function hasPlaceholder(text: string): boolean {
  return text.includes('{{');
}

/** The names in a text; undefined when it has braces that name nothing. */
export function placeholdersOf(text: string): string[] | undefined {
  const names = [...text.matchAll(placeholder)].map(([, name = '']) => name);
  return /\{\{|\}\}/.test(text.replace(placeholder, '')) ? undefined : names;
}

/** A name without a value becomes nothing: better a gap in a sentence than braces read out. */
export function fill(text: string, values: Values, escape: (value: string) => string = (value) => value): string {
  if (!hasPlaceholder(text)) return text;
  return text.replace(placeholder, (_match, name: string) =>
    escape(Object.hasOwn(values, name) ? (values[name] ?? '') : ''),
  );
}

/** What XML 1.0 cannot hold, even escaped: control characters, non-characters, halves of a surrogate pair. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const illegal = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|\p{Surrogate}/gu;

export function cleanForXml(text: string): string {
  return text.replace(illegal, '');
}

/** Longer values are cut, so that what a caller says or a server answers has bounds wherever it goes. */
export const maxValueLength = 200;

export function toValue(text: string): string {
  return cleanForXml(text)
    .slice(0, maxValueLength)
    .replace(/[\uD800-\uDBFF]$/, '');
}
