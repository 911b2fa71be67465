/** Decoded parameters in the order of their first appearance; an array where a name was repeated. Has no prototype. */
export type FormParams = Readonly<Record<string, string | readonly string[]>>;

export type FormFault = 'bad_encoding' | 'too_many_parameters';
export type ParsedForm =
  { readonly ok: true; readonly params: FormParams } | { readonly ok: false; readonly why: FormFault };

/** Twilio sends a few dozen; a request with more than this is not Twilio's. */
const maxParameters = 1000;

/**
 * Parses `application/x-www-form-urlencoded` the way a signature needs it: blank values stay, nothing is trimmed,
 * `+` is a space, repeated names are kept. Never throws.
 */
export function parseForm(raw: string): ParsedForm {
  const params = Object.create(null) as Record<string, string | string[]>;
  let count = 0;
  let start = 0;
  try {
    while (start < raw.length) {
      let end = raw.indexOf('&', start);
      if (end === -1) end = raw.length;
      if (end > start) {
        if (++count > maxParameters) return { ok: false, why: 'too_many_parameters' };
        const equals = raw.indexOf('=', start);
        const nameEnd = equals === -1 || equals > end ? end : equals;
        const name = decode(raw.slice(start, nameEnd));
        const value = nameEnd === end ? '' : decode(raw.slice(nameEnd + 1, end));
        const earlier = params[name];
        if (earlier === undefined) params[name] = value;
        else if (typeof earlier === 'string') params[name] = [earlier, value];
        else earlier.push(value);
      }
      start = end + 1;
    }
  } catch {
    return { ok: false, why: 'bad_encoding' };
  }
  return { ok: true, params };
}

/** @throws URIError on a malformed escape or one that is not UTF-8 */
function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  return spaced.includes('%') ? decodeURIComponent(spaced) : spaced;
}
