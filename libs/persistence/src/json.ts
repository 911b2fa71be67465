/**
 * JSON text that a `jsonb` column takes. Postgres refuses U+0000 (22P05) and lone surrogates (22P02), which a
 * caller can send inside any string: U+0000 is left out, a lone surrogate becomes U+FFFD. `undefined` gives `null`.
 */
export function jsonb(value: unknown): string {
  const json = JSON.stringify(value) ?? 'null';
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  // JSON.stringify escapes a surrogate only when it is alone; taking escapes one by one keeps a literal "\\u0000" intact.
  return json.replace(/\\(?:u(0000)|u(d[89a-f]..)|.)/g, (escape, nul?: string, surrogate?: string) =>
    nul ? '' : surrogate ? '\ufffd' : escape,
  );
}

/** Text that a `text` column takes: without U+0000 (22021 otherwise), lone surrogates as U+FFFD. */
export function cleanText(value: string): string {
  return (value.includes('\0') ? value.replaceAll('\0', '') : value).toWellFormed();
}
