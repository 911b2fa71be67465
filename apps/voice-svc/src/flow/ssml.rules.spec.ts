import { describe, expect, it } from '@jest/globals';
import { parseSsml, plainText } from './ssml.rules.ts';

describe('SSML', () => {
  it.each([
    ['plain text', 'Hello', 'Hello'],
    ['speak around it', '<speak>Hello <p>you</p></speak>', 'Hello you'],
    ['entities', 'A &amp; B &lt; &#67; &#x44; &quot;e&apos;', 'A & B < C D "e\''],
    ['a pause', 'one<break time="500ms"/>two', 'one two'],
    ['an alias', '<sub alias="Mister">Mr.</sub> Smith', 'Mister Smith'],
    ['nested', '<prosody rate="slow"><s>a<emphasis level="strong">b</emphasis></s></prosody>', 'ab'],
    ['a language', "<lang xml:lang='fr-FR'>Bonjour</lang>", 'Bonjour'],
    ['a placeholder in text', '<say-as interpret-as="digits">{{order}}</say-as>', '{{order}}'],
  ])('%s is read', (_label, text, spoken) => {
    const parsed = parseSsml(text);
    expect(parsed).toMatchObject({ ok: true });
    expect(parsed.ok && plainText(parsed.parts)).toBe(spoken);
  });

  it.each([
    ['an unknown tag', '<audio src="x"/>', '<audio> is not one of'],
    ['TwiML', '<Dial>+1</Dial>', '<Dial> is not one of'],
    ['a tag left open', '<p>a', '<p> is not closed'],
    ['tags crosswise', '<p><s>a</p></s>', '</p> closes nothing'],
    ['a closing tag alone', 'a</p>', '</p> closes nothing'],
    ['a bare ampersand', 'A & B', 'write &amp; for &'],
    ['an entity of HTML', 'A&nbsp;B', '&nbsp;, which is no entity of XML'],
    ['no character', '&#9999999;', '&#9999999; is no character'],
    ['a bare <', '1 < 2', 'write &lt;'],
    ['an unknown attribute', '<break length="1s"/>', '<break> has no attribute length'],
    ['a value out of form', '<break time="soon"/>', 'time of <break> cannot be "soon"'],
    ['a missing attribute', '<say-as>1</say-as>', '<say-as> needs interpret-as'],
    ['an attribute twice', '<break time="1s" time="2s"/>', '<break> has time twice'],
    ['a placeholder in an attribute', '<sub alias="{{name}}">x</sub>', 'alias of <sub> cannot hold a variable'],
    ['something in a pause', '<break time="1s">x</break>', '<break> has to be empty'],
    ['too deep', '<p>'.repeat(30) + '</p>'.repeat(30), 'nested more than 20 deep'],
    ['a comment', '<!-- x -->', 'write &lt;'],
  ])('%s is refused', (_label, text, fault) => {
    expect(parseSsml(text)).toEqual({ ok: false, fault: expect.stringContaining(fault) });
  });
});
