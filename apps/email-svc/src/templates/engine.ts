import Handlebars from 'handlebars';
import { DateTime, FixedOffsetZone } from 'luxon';

/** What SendGrid's dynamic templates have of Handlebars. Source: SendGrid, "Using Handlebars". */
export const blockHelpers = ['if', 'unless', 'each', 'equals', 'notEquals', 'and', 'or', 'greaterThan', 'lessThan'];
export const inlineHelpers = ['insert', 'formatDate', 'length'];

type Options = Handlebars.HelperOptions;

/** An engine of its own: the module's is the whole process's. */
const engine = Handlebars.create();
for (const name of ['with', 'lookup', 'log', 'blockHelperMissing']) engine.unregisterHelper(name);

const block = (name: string, holds: (a: unknown, b: unknown) => boolean) => {
  engine.registerHelper(name, function (this: unknown, a: unknown, b: unknown, options: Options) {
    return holds(a, b) ? options.fn(this) : options.inverse(this);
  });
};
// Values of different types are compared as if they were of one: 3 equals "3".
block('equals', (a, b) => text(a) === text(b));
block('notEquals', (a, b) => text(a) !== text(b));
block('and', (a, b) => isTrue(a) && isTrue(b));
block('or', (a, b) => isTrue(a) || isTrue(b));
block('greaterThan', (a, b) => Number(a) > Number(b));
block('lessThan', (a, b) => Number(a) < Number(b));
engine.registerHelper('length', (of: unknown) => (typeof of === 'string' || Array.isArray(of) ? of.length : 0));
engine.registerHelper('insert', (value: unknown, otherwise: unknown) =>
  isTrue(value) || value === 0 ? value : text(otherwise).replace(/^default=/, ''),
);
engine.registerHelper('formatDate', (time: unknown, format: unknown, offset: unknown) =>
  formatDate(time, format, offset),
);

const known = Object.fromEntries([...blockHelpers, ...inlineHelpers].map((name) => [name, true]));

export type Render = (data: object) => string;

/** @throws an Error where it is no template */
export function compile(template: string): Render {
  // Compiled at once, so that what is wrong with it is found when it is read.
  engine.precompile(template, { knownHelpers: known, knownHelpersOnly: true });
  const render = engine.compile<object>(template, { knownHelpers: known, knownHelpersOnly: true });
  return (data) => render(data);
}

export function parse(template: string): hbs.AST.Program {
  return engine.parse(template);
}

/** Tokens of dates as Luxon has them. */
const tokens: Readonly<Record<string, string>> = {
  ...{ YYYY: 'yyyy', YY: 'yy', MMMM: 'MMMM', MMM: 'MMM', MM: 'MM', M: 'M', DD: 'dd', D: 'd', dddd: 'cccc', ddd: 'ccc' },
  ...{ HH: 'HH', H: 'H', hh: 'hh', h: 'h', mm: 'mm', m: 'm', ss: 'ss', s: 's', A: 'a', ZZ: 'ZZZ', Z: 'ZZ' },
};

/**
 * @param time ISO 8601, or epoch: seconds where it is small enough, else milliseconds
 * @param offset `-0800`; UTC without one
 * @returns '' for what is no time
 */
function formatDate(time: unknown, format: unknown, offset: unknown): string {
  if (typeof format !== 'string') return '';
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(typeof offset === 'string' ? offset : '') ?? [];
  const ahead = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const zone = FixedOffsetZone.instance(ahead);
  const date =
    typeof time === 'number'
      ? DateTime.fromMillis(time < 100_000_000_000 ? time * 1000 : time, { zone })
      : DateTime.fromISO(text(time), { zone: 'utc' }).setZone(zone);
  if (!date.isValid) return '';
  return format.replaceAll(/YYYY|YY|M{1,4}|DD?|d{3,4}|HH?|hh?|mm?|ss?|A|ZZ?/g, (token) =>
    date.toFormat(tokens[token] ?? '', { locale: 'en' }),
  );
}

function isTrue(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
