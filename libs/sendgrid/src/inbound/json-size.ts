/** UTF-8 bytes a value has as JSON. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** The longest beginning of a text, in whole characters, that has at most so many bytes as JSON. */
export function cutToJsonBytes(text: string, maxBytes: number): string {
  if (jsonBytes(text) <= maxBytes) return text;
  let fits = 0;
  let tooLong = Math.min(text.length, Math.max(maxBytes, 0));
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >>> 1;
    if (jsonBytes(beginning(text, middle)) <= maxBytes) fits = middle;
    else tooLong = middle;
  }
  return beginning(text, fits);
}

/** Not cut between the halves of a surrogate pair. */
function beginning(text: string, length: number): string {
  const cut = text.slice(0, length);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}
