import { describe, expect, it } from '@jest/globals';
import { readTemplate, type Template, testTemplate } from './template.rules.ts';

const file = {
  version: 1,
  subject: 'Order {{{orderId}}}',
  text: 'Hello {{{user.name}}}',
  html: '<p>Hello {{user.name}}</p>{{#each items}}<i>{{this.title}}</i>{{/each}}',
  variables: {
    type: 'object',
    required: ['orderId', 'user'],
    properties: {
      orderId: { type: 'string' },
      user: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
      items: { type: 'array', items: { type: 'object', properties: { title: { type: 'string' } } } },
      note: { type: 'string' },
    },
  },
};

const faults = (changes: object) => {
  const read = readTemplate('demo', { ...file, ...changes });
  return 'faults' in read ? read.faults : [];
};

function template(changes: object = {}): Template {
  const read = readTemplate('demo', { ...file, ...changes });
  if ('faults' in read) throw new Error(read.faults.join('\n'));
  return read.template;
}

describe('readTemplate', () => {
  it.each([
    ['all of what SendGrid has', {}, []],
    ['a variable that is not declared', { html: '{{other}}' }, ['html: {{other}} is not declared in variables']],
    ['a part that is not declared', { html: '{{user.age}}' }, ['html: {{user.age}} is not declared in variables']],
    ['a part of a text', { html: '{{orderId.x}}' }, ['html: {{orderId.x}} is not declared in variables']],
    [
      'a part of an item',
      { html: '{{#each items}}{{this.price}}{{/each}}' },
      ['html: {{this.price}} is not declared in variables'],
    ],
    [
      'a root variable within a loop',
      { html: '{{#each items}}{{orderId}}{{/each}}' },
      ['html: {{orderId}} is not declared in variables'],
    ],
    ['the root within a loop', { html: '{{#each items}}{{@root.orderId}}{{@index}}{{../orderId}}{{/each}}' }, []],
    [
      'an undeclared root',
      { html: '{{#if items}}{{@root.other}}{{/if}}' },
      ['html: {{@root.other}} is not declared in variables'],
    ],
    [
      'what a helper is given',
      { html: '{{#greaterThan (length things) 1}}x{{/greaterThan}}' },
      ['html: {{things}} is not declared in variables'],
    ],
    [
      'the other branch',
      { html: '{{#if items}}x{{else}}{{other}}{{/if}}' },
      ['html: {{other}} is not declared in variables'],
    ],
    ['an unknown block', { html: '{{#with user}}x{{/with}}' }, ['html: with is no helper that SendGrid has there']],
    [
      'an unknown helper',
      { html: '{{upper orderId}}' },
      ['html: You specified knownHelpersOnly, but used the unknown helper upper - 1:0'],
    ],
    ['a partial', { html: '{{> footer}}' }, ['html: PartialStatement is nothing that SendGrid has']],
    [
      'what is escaped in a subject',
      { subject: '{{orderId}}' },
      ['subject: {{orderId}} would be escaped as HTML: write {{{orderId}}}'],
    ],
    ['fields of its own', { extra: 1 }, ['file: Unrecognized key: "extra"']],
  ])('%s', (_label, changes, expected) => expect(faults(changes)).toEqual(expected));

  it('says what does not parse', () => {
    expect(faults({ text: '{{#if note}}x' })).toEqual([expect.stringMatching(/^text: Parse error on line 1/)]);
    expect(faults({ variables: { type: 'object', properties: { a: { type: 'nope' } } } })).toContainEqual(
      expect.stringMatching(/^variables: /),
    );
  });
});

describe('missing', () => {
  it('names each variable that does not fit', () => {
    expect(
      template()
        .missing({ user: {}, items: [{ title: 1 }] })
        .map(({ path }) => path.join('.')),
    ).toEqual(['orderId', 'user.name', 'items.0.title']);
  });

  it('leaves alone what is optional, and what is not declared', () => {
    expect(template().missing({ orderId: '1', user: { name: 'Ada' }, more: 1 })).toEqual([]);
  });
});

describe('render', () => {
  const rendered = (html: string, data: object) => template({ html }).render(data).html;
  const any = (html: string, data: object) =>
    template({ html, text: 'x', subject: 'x', variables: { type: 'object' } }).render(data).html;

  it('escapes in HTML, and not where three braces are', () => {
    const data = { orderId: '4 & 2', user: { name: '<b>' } };
    expect(template().render(data)).toEqual({
      subject: 'Order 4 & 2',
      text: 'Hello <b>',
      html: '<p>Hello &lt;b&gt;</p>',
    });
  });

  it('reaches no prototype', () => {
    expect(any('{{constructor.name}}{{__proto__.x}}{{user.constructor}}', { user: {} })).toBe('');
  });

  // Source: the examples of SendGrid, "Using Handlebars".
  it.each([
    ['{{insert a "default=Customer"}}', {}, 'Customer'],
    ['{{insert a "your business"}}', { a: '' }, 'your business'],
    ['{{insert a "default=x"}}', { a: 'Ben' }, 'Ben'],
    ['{{insert a "default=x"}}', { a: 0 }, '0'],
    ['{{#greaterThan a b}}high{{else}}low{{/greaterThan}}', { a: 100, b: 78 }, 'high'],
    ['{{#greaterThan a b}}high{{else}}low{{/greaterThan}}', { a: 55, b: 78 }, 'low'],
    ['{{#lessThan a b}}low{{/lessThan}}', { a: 55, b: 78 }, 'low'],
    ['{{#equals a b}}yes{{else}}no{{/equals}}', { a: 3, b: '3' }, 'yes'],
    ['{{#notEquals a b}}yes{{else}}no{{/notEquals}}', { a: 1, b: 2 }, 'yes'],
    ['{{#and a b}}yes{{else}}no{{/and}}', { a: 'Pasta', b: '' }, 'no'],
    ['{{#or a b}}yes{{else}}no{{/or}}', { a: false, b: true }, 'yes'],
    ['{{#greaterThan (length a) 2}}many{{/greaterThan}}', { a: [1, 2, 3] }, 'many'],
    ['{{#if a}}1{{else if b}}2{{else}}3{{/if}}', { b: 1 }, '2'],
    ['{{#unless a}}x{{@root.b}}{{/unless}}', { b: 1 }, 'x1'],
    ['{{#each a}}{{this}},{{/each}}', { a: [1, 2] }, '1,2,'],
    ['{{formatDate a "MMMM DD, YYYY h:mm:ss A"}}', { a: '2020-01-01T23:00:00.000Z' }, 'January 01, 2020 11:00:00 PM'],
    [
      '{{formatDate a b c}}',
      { a: '2020-01-01T23:00:00Z', b: 'MMMM DD, YYYY h:mm:ss A', c: '-0800' },
      'January 01, 2020 3:00:00 PM',
    ],
    ['{{formatDate a "ddd D.M.YY Z ZZ"}}', { a: 1577919600 }, 'Wed 1.1.20 +00:00 +0000'],
    ['{{formatDate a "YYYY"}}', { a: 'no date' }, ''],
  ])('%s', (html, data, expected) => expect(any(html, data)).toBe(expected));

  it('is empty where something is missing deep down, as at SendGrid', () => {
    expect(rendered('<p>{{user.name}}</p>', {})).toBe('<p></p>');
  });
});

it('testTemplate tells what its fixtures find', () => {
  const data = { orderId: '42', user: { name: 'Ada' } };
  const fixtures = [
    { name: 'good', data, subject: 'Order 42', contains: ['Ada'] },
    { name: 'wrong', data, subject: 'Order 43', contains: ['Bob'] },
    { name: 'empty', data: {} },
  ];
  expect(testTemplate(template({ fixtures }))).toEqual([
    'wrong: the subject is "Order 42"',
    'wrong: the text has no "Bob"',
    'wrong: the HTML has no "Bob"',
    expect.stringMatching(/^empty: orderId: /),
    expect.stringMatching(/^empty: user: /),
  ]);
});
