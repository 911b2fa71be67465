/**
 * Masking of personal data in text that leaves the process. It works on plain text and on JSON text alike, so a log line
 * is masked once, as a whole, and no field or error can get around it.
 */

/** `+` (also URL-encoded, once or more often) and at least seven digits, as people write them. */
const phoneNumber = /(\+|%(?:25)*2[bB])([1-9](?:[ ().-]{0,2}\d){6,})/g;

// Escapes are matched first and left alone, or masking a letter of `\u001b` would break the JSON around it. Every word
// is matched, with or without a domain, because retrying at each letter of a long word would take quadratic time.
const emailOrWord = /\\(?:u[\da-fA-F]{4}|.)|([\p{L}\p{N}_.+-]+)((?:@|%40)[\w-]+(?:\.[\w-]+)+)?/gu;

/** Bearer tokens and secret query parameters. */
const credential = /(\bBearer\s+)[\w.~+/-]+=*|([?&](?:body|text|code|[\w-]*(?:token|secret|password))=)[^&#\s"\\]+/gi;

/**
 * `+14155550199` → `+1415•••199`: the prefix tells country and area, the end tells two numbers apart. At most seven
 * digits show and at least four are hidden. Text that is no number is masked whole.
 */
export function maskNumber(number: string): string {
  const masked = number.replace(phoneNumber, maskMatch);
  return masked !== number || number === '' ? masked : '•••';
}

function maskMatch(_match: string, plus: string, rest: string): string {
  const digits = rest.replace(/\D/g, '');
  const head = Math.min(4, digits.length - 4);
  const tail = Math.min(3, Math.max(0, digits.length - 8));
  return `${plus}${digits.slice(0, head)}•••${digits.slice(digits.length - tail)}`;
}

/** Masks every phone number, email address and bearer token in a text. */
export function maskAll(text: string): string {
  let masked = text;
  if (masked.includes('+') || masked.includes('%')) masked = masked.replace(phoneNumber, maskMatch);
  if (masked.includes('@') || masked.includes('%40')) {
    masked = masked.replace(emailOrWord, (match, name?: string, domain?: string) =>
      name !== undefined && domain !== undefined ? `${name.slice(0, 1)}•••${domain}` : match,
    );
  }
  if (masked.includes('=') || /bearer/i.test(masked)) {
    masked = masked.replace(credential, (_match, bearer?: string, query?: string) => `${bearer ?? query}[redacted]`);
  }
  return masked;
}

const secretKey = String.raw`(?:text|html|code|cookie|set-cookie|[\w-]*(?:body|token|secret|password|authorization))`;
const secretField = new RegExp(`"${secretKey}":`, 'gi');
const nestedSecret = new RegExp(String.raw`\\"${secretKey}\\"\s*:\s*\\"`, 'gi');

/** Masks a line of JSON: what sits under a secret key is replaced whole, the rest as by {@link maskAll}. */
export function maskJson(line: string): string {
  return maskAll(redactNested(redactFields(line)));
}

function redactFields(json: string): string {
  let out = '';
  let copied = 0;
  secretField.lastIndex = 0;
  while (secretField.exec(json)) {
    const start = secretField.lastIndex;
    const end = endOfValue(json, start);
    out += `${json.slice(copied, start)}${json.startsWith('null', start) ? 'null' : '"[redacted]"'}`;
    copied = end;
    secretField.lastIndex = end;
  }
  return copied === 0 ? json : out + json.slice(copied);
}

/** The same for JSON text inside the strings of a line, where quotes are escaped once more. */
function redactNested(json: string): string {
  let out = '';
  let copied = 0;
  nestedSecret.lastIndex = 0;
  while (nestedSecret.exec(json)) {
    const start = nestedSecret.lastIndex;
    const end = endOfNestedString(json, start);
    out += `${json.slice(copied, start)}[redacted]`;
    copied = end;
    nestedSecret.lastIndex = end;
  }
  return copied === 0 ? json : out + json.slice(copied);
}

// Strings are walked by hand: a regular expression keeps a state for each escape, and a long text overflows its stack.

/** The index after the JSON value that begins at `start`. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const char = json[at];
    if (char === '"') {
      at = endOfString(json, at + 1);
      if (depth === 0) return at + 1;
    } else if (char === '{' || char === '[') {
      depth += 1;
    } else if (char === '}' || char === ']') {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (char === ',' && depth === 0) {
      return at;
    }
  }
  return json.length;
}

/** The index of the quote that ends a string; the end of the text when it is cut off. */
function endOfString(json: string, start: number): number {
  for (let at = start; at < json.length; at++) {
    if (json[at] === '\\') at++;
    else if (json[at] === '"') return at;
  }
  return json.length;
}

/** Where a string inside a string ends: at its escaped quote, at the latest where the outer string does. */
function endOfNestedString(json: string, start: number): number {
  let at = start;
  while (at < json.length && json[at] !== '"') {
    if (json[at] !== '\\') at += 1;
    else if (json[at + 1] === '"') return at;
    else if (json[at + 1] !== '\\') at += 2;
    // An escaped backslash begins an escape of the inner text: `\\\\n`, or `\\\\\\"` for a quote in it.
    else if (json[at + 2] === '"') return at;
    else at += json[at + 2] === '\\' ? 4 : 3;
  }
  return Math.min(at, json.length);
}
