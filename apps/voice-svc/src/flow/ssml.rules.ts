/** SSML as Twilio takes it inside `<Say>`. Source: the `ssml…` methods and types of the SDK's VoiceResponse, 6.2.0. */

export interface SsmlElement {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly SsmlPart[];
}
export type SsmlPart = string | SsmlElement;

export type ParsedSsml =
  { readonly ok: true; readonly parts: readonly SsmlPart[] } | { readonly ok: false; readonly fault: string };

const word = (...values: string[]) => new RegExp(`^(?:${values.join('|')})$`);
const language = /^[A-Za-z]{2,4}(?:-[A-Za-z]{2,4}){0,2}$/;
const any = /^[^]{1,200}$/;

interface Rule {
  /** Attribute → what it may be; those that end in ! are needed. */
  readonly attributes: Readonly<Record<string, RegExp>>;
  readonly required?: readonly string[];
  readonly empty?: boolean;
}

const rules: Readonly<Record<string, Rule>> = {
  break: {
    attributes: {
      strength: word('none', 'x-weak', 'weak', 'medium', 'strong', 'x-strong'),
      time: /^(?:\d{1,2}(?:\.\d{1,3})?s|\d{1,5}ms)$/,
    },
    empty: true,
  },
  emphasis: { attributes: { level: word('strong', 'moderate', 'reduced') }, required: ['level'] },
  lang: { attributes: { 'xml:lang': language }, required: ['xml:lang'] },
  p: { attributes: {} },
  phoneme: {
    attributes: {
      alphabet: word(
        'ipa',
        'x-sampa',
        'x-amazon-jyutping',
        'x-amazon-pinyin',
        'x-amazon-pron-kana',
        'x-amazon-yomigana',
      ),
      ph: any,
    },
    required: ['alphabet', 'ph'],
  },
  prosody: {
    attributes: {
      volume: /^(?:default|silent|x-soft|soft|medium|loud|x-loud|[+-]\d{1,2}(?:\.\d)?dB)$/,
      rate: /^(?:x-slow|slow|medium|fast|x-fast|\d{1,3}%)$/,
      pitch: /^(?:default|x-low|low|medium|high|x-high|[+-]\d{1,2}%)$/,
    },
  },
  s: { attributes: {} },
  'say-as': {
    attributes: {
      'interpret-as': word(
        'characters',
        'spell-out',
        'cardinal',
        'number',
        'ordinal',
        'digits',
        'fraction',
        'unit',
        'date',
        'time',
        'address',
        'expletive',
        'telephone',
      ),
      format: word('mdy', 'dmy', 'ymd', 'md', 'dm', 'ym', 'my', 'd', 'm', 'y', 'yyyymmdd'),
    },
    required: ['interpret-as'],
  },
  sub: { attributes: { alias: any }, required: ['alias'] },
  w: { attributes: { role: /^[\w:-]{1,40}$/ }, required: ['role'] },
};

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const maxDepth = 20;

class Fault extends Error {}

/** Reads and checks SSML; `<speak>` around it is taken off. The fault is for its author. */
export function parseSsml(text: string): ParsedSsml {
  const body = /^\s*<speak>([^]*)<\/speak>\s*$/.exec(text)?.[1] ?? text;
  try {
    const reader = new Reader(body);
    const parts = reader.content(undefined, 0);
    return { ok: true, parts };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: error.message };
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  content(parent: string | undefined, depth: number): SsmlPart[] {
    if (depth > maxDepth) throw new Fault(`is nested more than ${maxDepth} deep`);
    const parts: SsmlPart[] = [];
    for (;;) {
      const next = this.#text.indexOf('<', this.#at);
      const end = next === -1 ? this.#text.length : next;
      if (end > this.#at) parts.push(decode(this.#text.slice(this.#at, end)));
      this.#at = end;
      if (next === -1) {
        if (parent !== undefined) throw new Fault(`<${parent}> is not closed`);
        return parts;
      }
      if (this.#text.startsWith('</', this.#at)) {
        const tag = this.#match(/<\/([\w:-]+)\s*>/y)?.[1];
        if (tag === undefined || tag !== parent) throw new Fault(`</${tag ?? ''}> closes nothing`);
        return parts;
      }
      parts.push(this.#element(depth));
    }
  }

  #element(depth: number): SsmlElement {
    const opening = this.#match(/<([A-Za-z][\w:-]*)((?:\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y);
    if (!opening) throw new Fault(`has a < that begins no tag: write &lt; (near "${this.#near()}")`);
    const [, tag = '', written = '', closed] = opening;
    const rule = Object.hasOwn(rules, tag) ? rules[tag] : undefined;
    if (!rule) throw new Fault(`<${tag}> is not one of ${Object.keys(rules).join(', ')}`);
    const attributes = attributesOf(tag, rule, written);
    const children = closed === '/' ? [] : this.content(tag, depth + 1);
    if (rule.empty && children.length > 0) throw new Fault(`<${tag}> has to be empty`);
    return { tag, attributes, children };
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #near(): string {
    return this.#text.slice(this.#at, this.#at + 20);
  }
}

function attributesOf(tag: string, rule: Rule, written: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = '', double, single] of written.matchAll(/([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    const value = decode(double ?? single ?? '');
    const form = Object.hasOwn(rule.attributes, name) ? rule.attributes[name] : undefined;
    if (!form) throw new Fault(`<${tag}> has no attribute ${name}`);
    if (Object.hasOwn(attributes, name)) throw new Fault(`<${tag}> has ${name} twice`);
    if (value.includes('{{')) throw new Fault(`${name} of <${tag}> cannot hold a variable`);
    if (!form.test(value)) throw new Fault(`${name} of <${tag}> cannot be "${value.slice(0, 40)}"`);
    attributes[name] = value;
  }
  const missing = rule.required?.filter((name) => !Object.hasOwn(attributes, name)) ?? [];
  if (missing.length > 0) throw new Fault(`<${tag}> needs ${missing.join(' and ')}`);
  return attributes;
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));|&/g, (match, decimal, hex, name) => {
    if (decimal !== undefined || hex !== undefined) {
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
      if (code > 0x10ffff) throw new Fault(`${match} is no character`);
      return String.fromCodePoint(code);
    }
    const known = name !== undefined && Object.hasOwn(entities, String(name)) ? entities[String(name)] : undefined;
    if (known === undefined) throw new Fault(`has ${match}, which is no entity of XML: write &amp; for &`);
    return known;
  });
}

/** What is said, without the markup. */
export function plainText(parts: readonly SsmlPart[]): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.tag === 'sub') return part.attributes['alias'] ?? '';
      if (part.tag === 'break') return ' ';
      return plainText(part.children);
    })
    .join('');
}
