export type ParsedJson =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: 'not_json' | 'too_deep' };

/** What Twilio sends has a handful of levels. What is nested much deeper overflows the stack of whatever walks over it. */
const maxDepth = 32;

/** Parses JSON that somebody else wrote. Never throws. */
export function parseJson(text: string): ParsedJson {
  if (isDeeper(text, maxDepth)) return { ok: false, why: 'too_deep' };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, why: 'not_json' };
  }
}

/** Before it is parsed: `JSON.parse` itself takes any depth. */
function isDeeper(text: string, levels: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (quoted) {
      if (char === 92) at++;
      else if (char === 34) quoted = false;
    } else if (char === 34) quoted = true;
    else if (char === 91 || char === 123) {
      if (++depth > levels) return true;
    } else if (char === 93 || char === 125) depth--;
  }
  return false;
}
