export type JsonArrayElements =
  | { readonly ok: true; readonly elements: readonly string[] }
  | { readonly ok: false; readonly why: 'not_json' | 'too_many_events' };

const notJson = { ok: false, why: 'not_json' } as const;

/**
 * The source of each element of a JSON array, told apart by brackets and quotes alone, so that an element that is not JSON
 * does not hide its neighbours. Where brackets or quotes do not match, nothing can be told apart.
 */
export function jsonArrayElements(text: string, maxElements: number): JsonArrayElements {
  const body = text.trim();
  if (!body.startsWith('[') || !body.endsWith(']')) return notJson;
  const elements: string[] = [];
  let depth = 0;
  let start = 1;
  for (let at = 0; at < body.length; at++) {
    switch (body.charAt(at)) {
      case '"':
        at = endOfString(body, at);
        break;
      case '[':
      case '{':
        depth++;
        break;
      case ']':
      case '}':
        if (--depth === 0 && at < body.length - 1) return notJson;
        break;
      case ',':
        if (depth > 1) break;
        if (elements.length === maxElements) return { ok: false, why: 'too_many_events' };
        elements.push(body.slice(start, at).trim());
        start = at + 1;
        break;
    }
  }
  if (depth !== 0) return notJson;
  const last = body.slice(start, -1).trim();
  if (last !== '' || elements.length > 0) elements.push(last);
  return { ok: true, elements };
}

/** Index of the closing quote; past the end where there is none. */
function endOfString(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
