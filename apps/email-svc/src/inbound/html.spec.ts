import { describe, expect, it } from '@jest/globals';
import { maxHtmlBytes, sanitiseHtml } from './html.ts';

describe('sanitiseHtml', () => {
  it.each([
    ['markup', '<p>One <b>two</b></p>', '<p>One <b>two</b></p>'],
    ['a script', '<p>x</p><script>alert(1)</script>', '<p>x</p>'],
    ['a handler', '<p onclick="alert(1)">x</p>', '<p>x</p>'],
    ['a style', '<style>p{background:url(https://t.example)}</style><p style="color:red">x</p>', '<p>x</p>'],
    [
      'a link',
      '<a href="https://e.example">x</a>',
      '<a href="https://e.example" rel="noopener noreferrer nofollow">x</a>',
    ],
    ['a link that runs', '<a href="java&#115;cript:alert(1)">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'],
    ['a tracking pixel', '<p>x</p><img src="https://t.example/pixel">', '<p>x</p>'],
    ['a tracking pixel without a scheme', '<img src="//t.example/pixel">', ''],
    ['an attached image', '<img src="cid:logo" alt="Logo">', '<img src="cid:logo" alt="Logo" />'],
    ['a form', '<form action="https://e.example"><input name="password">x</form>', 'x'],
    ['a frame', '<iframe srcdoc="<script>1</script>"></iframe>x', 'x'],
    ['what hides in SVG', '<svg><script>alert(1)</script></svg>x', 'x'],
    ['a comment', '<!--[if mso]><script>1</script><![endif]-->x', 'x'],
    ['what is never closed', '<p>One<b>two', '<p>One<b>two</b></p>'],
  ])('%s', (_label, html, expected) => expect(sanitiseHtml(html)).toEqual({ html: expected, cut: false }));

  it('cuts what grows beyond an event', () => {
    const { html, cut } = sanitiseHtml('&'.repeat(200_000));
    expect(cut).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(html))).toBeLessThanOrEqual(maxHtmlBytes);
    expect(html.length).toBeGreaterThan(maxHtmlBytes / 4);
  });

  it('flattens what is nested to be costly', () => {
    const { html } = sanitiseHtml('<div>'.repeat(30_000));
    expect(html.match(/<div>/g)?.length).toBeLessThanOrEqual(100);
  });
});
