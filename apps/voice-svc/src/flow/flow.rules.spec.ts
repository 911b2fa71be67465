import { describe, expect, it } from '@jest/globals';
import { type FlowInput, gatherLanguages, pollyVoices, sayLanguages } from '@signalbox/contracts';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { anyFlow, faultsOf, finish, flowOf, hangup, noon, parseFlow, validFlow } from '../../test/flows.ts';
import { checkFlow } from './flow.rules.ts';
import { advance, begin } from './interpret.rules.ts';
import { drawFlow } from './mermaid.rules.ts';

type Nodes = FlowInput['nodes'];
const end = hangup;
const menu = { type: 'menu', prompt: 'Press 1', choices: { '1': 'end' }, noInput: 'end', noMatch: 'end' } as const;
const say = (next: string) => ({ type: 'say', prompt: 'Hello', next }) as const;
const consent = { type: 'consent', prompt: 'May we?', granted: 'record', denied: 'end' } as const;
const record = { type: 'record', next: 'end' } as const;

describe('the check of a flow', () => {
  it.each<[string, object, { path: string; problem: RegExp; remedy?: RegExp }]>([
    ['an unknown target', { a: say('nowhere'), end }, { path: 'nodes.a.next', problem: /"nowhere".*no such node/ }],
    [
      'an unknown choice',
      { m: { ...menu, choices: { '2': 'gone' } }, end },
      { path: 'nodes.m.choices.2', problem: /"gone"/, remedy: /m, end/ },
    ],
    ['a node out of reach', { a: say('end'), end, lost: say('end') }, { path: 'nodes.lost', problem: /from nowhere/ }],
    ['a dead end', { a: { type: 'say', prompt: 'x' } }, { path: 'nodes.a.next', problem: /missing/, remedy: /hangup/ }],
    ['no end at all', { a: say('b'), b: say('a') }, { path: 'nodes.a', problem: /no way leads from here to an end/ }],
    [
      'a menu that only leads back to itself',
      { m: { ...menu, choices: { '1': 'm' }, noInput: 'm', noMatch: 'm' } },
      { path: 'nodes.m', problem: /no way leads/ },
    ],
    [
      'a circle for callers who do nothing',
      { m: { ...menu, noInput: 'sorry' }, sorry: say('m'), end },
      { path: 'nodes.m', problem: /circle.*m → sorry → m/, remedy: /count/ },
    ],
    [
      'redialling for ever',
      { d: { type: 'dial', to: { number: '+14155550111' }, next: 'end', noAnswer: 'd' }, end },
      { path: 'nodes.d', problem: /circle/ },
    ],
    [
      'no branch for no input',
      { m: { ...menu, noInput: undefined }, end },
      { path: 'nodes.m.noInput', problem: /missing/, remedy: /press and say nothing/ },
    ],
    [
      'no branch for no match',
      { m: { ...menu, noMatch: undefined }, end },
      { path: 'nodes.m.noMatch', problem: /missing/, remedy: /none of those expected/ },
    ],
    [
      'no fallback of a request',
      { h: { type: 'http', url: 'https://example.com', next: 'end' }, end },
      { path: 'nodes.h.fallback', problem: /missing/, remedy: /request fails/ },
    ],
    ['a recording nobody was asked about', { r: record, end }, { path: 'nodes.r', problem: /not asked: r/ }],
    [
      'a recording that one of two ways leads to unasked',
      { m: { ...menu, choices: { '1': 'consent', '2': 'record' } }, consent, record, end },
      { path: 'nodes.record', problem: /m → record/ },
    ],
    [
      'a recording after a refusal',
      { consent: { ...consent, denied: 'record' }, record, end },
      { path: 'nodes.record', problem: /consent → record/ },
    ],
    [
      'a dial that never records',
      { d: { type: 'dial', to: { number: '+14155550111' }, record: true, next: 'end', noAnswer: 'end' }, end },
      { path: 'nodes.d.record', problem: /never records/ },
    ],
    [
      'an invalid voice',
      { a: { ...say('end'), prompt: { say: 'x', voice: 'Polly.Nobody' } }, end },
      { path: 'nodes.a.prompt.voice', problem: /Invalid/ },
    ],
    [
      'an invalid language',
      { a: { ...say('end'), prompt: { say: 'x', language: 'xx' } }, end },
      { path: 'nodes.a.prompt.language', problem: /Invalid/ },
    ],
    [
      'a voice of another language',
      { a: { ...say('end'), prompt: { say: 'x', voice: 'Polly.Vicki', language: 'fr-FR' } }, end },
      { path: 'nodes.a.prompt.voice', problem: /speaks de-DE, not fr-FR/ },
    ],
    [
      'SSML with a fault',
      { a: { ...say('end'), prompt: ['Hi', { ssml: '<brek/>' }] }, end },
      { path: 'nodes.a.prompt.1.ssml', problem: /<brek> is not one of/ },
    ],
    [
      'an unknown variable',
      { a: { ...say('end'), prompt: 'Hi {{name}}' }, end },
      { path: 'nodes.a.prompt', problem: /\{\{name\}\}, which nothing sets/ },
    ],
    [
      'broken braces',
      { a: { ...say('end'), prompt: 'Hi {{ name' }, end },
      { path: 'nodes.a.prompt', problem: /no name/ },
    ],
    [
      'the position outside of a queue',
      { a: { ...say('end'), prompt: '{{queue.position}}' }, end },
      { path: 'nodes.a.prompt', problem: /nothing sets/ },
    ],
    [
      'waiting without an end',
      { q: { type: 'queue', queue: 'q', maxWaitSeconds: 9, next: 'end', full: 'end' }, end },
      { path: 'nodes.q.timeout', problem: /missing/ },
    ],
    [
      'more digits than there can be',
      {
        g: {
          type: 'gather',
          prompt: 'x',
          saveAs: 'x',
          numDigits: 2,
          minDigits: 3,
          next: 'end',
          noInput: 'end',
          noMatch: 'end',
        },
        end,
      },
      { path: 'nodes.g.minDigits', problem: /above numDigits/ },
    ],
    [
      'one phrase for two choices',
      {
        m: { ...menu, choices: { '1': { next: 'end', phrases: ['Sales'] }, '2': { next: 'end', phrases: ['sales'] } } },
        end,
      },
      { path: 'nodes.m.choices.2.phrases', problem: /also said for 1/ },
    ],
    ['an unknown field', { a: { ...say('end'), nxt: 'end' }, end }, { path: 'nodes.a', problem: /nxt/ }],
    [
      'an unknown kind of node',
      { a: { type: 'sing', next: 'end' }, end },
      { path: 'nodes.a.type', problem: /Invalid/ },
    ],
    [
      'an unknown time zone',
      { h: { type: 'hours', timeZone: 'Mars', weekly: {}, open: 'end', closed: 'end' }, end },
      { path: 'nodes.h.timeZone', problem: /IANA/ },
    ],
    [
      'a host made of variables',
      { h: { type: 'http', url: 'https://{{x}}/', next: 'end', fallback: 'end' }, end },
      { path: 'nodes.h.url', problem: /behind the host/ },
    ],
  ])('finds %s', (_label, nodes, { path, problem, remedy = /./ }) => {
    const faults = faultsOf(nodes as Nodes);
    expect(faults).toContainEqual({
      path,
      problem: expect.stringMatching(problem),
      remedy: expect.stringMatching(remedy),
    });
  });

  it('finds every fault, not only the first', () => {
    const faults = faultsOf({
      a: { ...say('gone'), prompt: '{{x}}' },
      b: { ...say('a'), prompt: { ssml: '<x/>' } },
    });
    expect(faults.map(({ path }) => path).sort()).toEqual([
      'nodes.a.next',
      'nodes.a.prompt',
      'nodes.b',
      'nodes.b.prompt.ssml',
    ]);
  });

  it.each<[string, Nodes]>([
    ['a menu that may be heard again', { m: { ...menu, choices: { '1': 'end', '*': 'm' } }, end }],
    [
      'redialling with a limit',
      {
        d: { type: 'dial', to: { number: '+14155550111' }, next: 'end', noAnswer: 'c' },
        c: { type: 'count', limit: 3, next: 'd', exceeded: 'end' },
        end,
      },
    ],
    ['a recording behind a consent', { consent, record, end }],
    [
      'a recording behind either of two consents',
      { m: { ...menu, choices: { '1': 'consent', '2': 'consent2' } }, consent, consent2: consent, record, end },
    ],
    [
      'voicemail, which says itself what it does',
      { v: { type: 'voicemail', prompt: 'After the tone', next: 'end' }, end },
    ],
  ])('takes %s', (_label, nodes) => {
    expect(faultsOf(nodes)).toEqual([]);
  });

  it('agrees with the interpreter: a caller who does nothing comes to an end, or the check says where they go in a circle', () => {
    let circles = 0;
    fc.assert(
      fc.property(anyFlow, (flow) => {
        const checked = checkFlow(flow);
        const definition = parseFlow(flow);
        if (checked.ok) {
          expect(isEndless(definition)).toBe(false);
          return;
        }
        for (const { path, problem } of checked.faults) {
          if (!problem.includes('circle')) continue;
          circles++;
          expect(isEndless({ ...definition, start: path.replace('nodes.', '') })).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
    expect(circles).toBeGreaterThan(50);
  });

  function isEndless(flow: ReturnType<typeof parseFlow>): boolean {
    const moment = { params: {}, now: noon };
    try {
      let { state } = finish(begin(flow, moment));
      for (let step = 0; step < 60 && !state.ended; step++) ({ state } = finish(advance(flow, state, moment)));
      return !state.ended;
    } catch {
      // More nodes than a document may go through.
      return true;
    }
  }

  it('never throws, whatever is written', () => {
    fc.assert(fc.property(fc.jsonValue(), (written) => expect(checkFlow(written)).toHaveProperty('ok')));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.jsonValue()), (nodes) =>
        expect(checkFlow(flowOf(nodes as Nodes))).toHaveProperty('ok'),
      ),
    );
  });
});

describe('the picture of a flow', () => {
  it('has every node and every branch, and nothing that Mermaid would take for its own', () => {
    const picture = drawFlow(
      validFlow({ m: { ...menu, prompt: 'Say "yes" [now] <b>|</b>', choices: { '1': 'end', '*': 'm' } }, end }),
    );
    expect(picture.split('\n')).toEqual([
      'flowchart TD',
      '  call((call)) --> n0',
      '  n0("<b>m</b><br/>menu: Say #34;yes#34; #91;now#93; #60;b#62;#124;#60;/b#62;")',
      '  n1(("<b>end</b><br/>hangup"))',
      '  n0 -->|"1"| n1',
      '  n0 -->|"*"| n0',
      '  n0 -->|"noInput"| n1',
      '  n0 -->|"noMatch"| n1',
      '',
    ]);
  });
});

describe('voices and languages', () => {
  const types = readFileSync(createRequire(import.meta.url).resolve('twilio/lib/twiml/VoiceResponse.d.ts'), 'utf8');
  const listed = (type: string) =>
    [...(new RegExp(`type ${type} = (.*?);`).exec(types)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(([, name]) => name);

  it('are those of the SDK', () => {
    const polly = Object.values(pollyVoices).flatMap((names) => names.map((name) => `Polly.${name}`));
    expect(polly.sort()).toEqual(
      listed('SayVoice')
        .filter((name) => name?.startsWith('Polly.'))
        .sort(),
    );
    expect([...sayLanguages]).toEqual(listed('SayLanguage'));
    expect([...gatherLanguages]).toEqual(listed('GatherLanguage'));
  });
});
