import { describe, expect, it } from '@jest/globals';
import { answeredIds, first, readHeaders } from './headers.rules.ts';

describe('readHeaders', () => {
  it('unfolds, keeps the order, and ends at the body', () => {
    const headers = readHeaders(
      'Received: one\r\nreceived: two\r\nReferences: <a@x>\r\n\t<b@x>\r\nno header\r\n\r\nIn-Reply-To: <c@x>\r\n',
    );
    expect(headers.get('received')).toEqual(['one', 'two']);
    expect(first(headers, 'references')).toBe('<a@x>\t<b@x>');
    expect([...headers.keys()]).toEqual(['received', 'references']);
  });

  it('takes bare line feeds, and names that are special elsewhere', () => {
    const headers = readHeaders('constructor: x\n__proto__: y\n: none\n');
    expect([...headers]).toEqual([
      ['constructor', ['x']],
      ['__proto__', ['y']],
    ]);
  });
});

describe('answeredIds', () => {
  it.each([
    ['what is answered, then the thread from its end', 'In-Reply-To: <b@x>\nReferences: <a@x> <b@x>', ['b@x', 'a@x']],
    ['a thread alone', 'References: <a@x> <b@x>', ['b@x', 'a@x']],
    ['words around an id', 'In-Reply-To: Your message of Monday <a@x> "quoted"', ['a@x']],
    ['nothing', 'Subject: <a@x>', []],
    ['what is no id', 'In-Reply-To: a@x', []],
  ])('%s', (_label, source, ids) => expect(answeredIds(readHeaders(source))).toEqual(ids));

  it('does not look at all of an endless thread', () => {
    const thread = Array.from({ length: 500 }, (_, index) => `<${index}@x>`).join(' ');
    const ids = answeredIds(readHeaders(`References: ${thread}`));
    expect(ids).toHaveLength(20);
    expect(ids[0]).toBe('499@x');
  });
});
