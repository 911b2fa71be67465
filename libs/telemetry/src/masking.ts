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
// A JSON text inside a JSON string: its content is read escape by escape and never runs past the outer string.
const nestedSecret = new RegExp(
  String.raw`(\\"${secretKey}\\"\s*:\s*\\")(?:\\\\(?:\\.|[^\\"])|\\[^"\\]|[^"\\]+)*`,
  'gi',
);

/** Masks a line of JSON: what sits under a secret key is replaced whole, the rest as by {@link maskAll}. */
export function maskJson(line: string): string {
  return maskAll(redactFields(line).replace(nestedSecret, '$1[redacted]'));
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

const valueToken = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},]/g;

/** The index after the JSON value that begins at `start`. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  valueToken.lastIndex = start;
  for (let token = valueToken.exec(json); token; token = valueToken.exec(json)) {
    const first = token[0][0];
    if (depth === 0 && (first === ',' || first === '}' || first === ']')) return token.index;
    if (first === '{' || first === '[') depth += 1;
    if (first === '}' || first === ']') depth -= 1;
    if (depth === 0 && first !== ',') return valueToken.lastIndex;
  }
  return json.length;
}
