import { describe, expect, it } from '@jest/globals';
import type { FlowInput } from '@signalbox/contracts';
import fc from 'fast-check';
import {
  answerCall,
  anyParams,
  anyValidFlow,
  beginCall,
  elementsOf,
  finish,
  from,
  hangup,
  noon,
  validFlow,
} from '../../test/flows.ts';
import { renderVerbs } from '../twiml/document.ts';
import { advance, begin, FlowError, type Outcome, type Params, repeat, waitIn } from './interpret.rules.ts';

type Node = FlowInput['nodes'][string];
const end = hangup;
const goOn = { noInput: 'silent', noMatch: 'wrong' } as const;
const ends = { silent: end, wrong: end, end };
const gather: Node = { type: 'gather', prompt: 'Number?', saveAs: 'number', numDigits: 4, next: 'end', ...goOn };
const menu: Node = {
  type: 'menu',
  prompt: 'Choose',
  choices: { '1': 'one', '#': { next: 'two', phrases: ['second one', 'zwei'] } },
  ...goOn,
};
const links = {
  next: 'https://a.example/next#rc=2&rp=5xx',
  wait: 'https://a.example/wait',
  announce: 'https://a.example/announce',
  status: 'https://b.example/status',
  recording: 'https://b.example/recording',
  transcription: 'https://b.example/transcription',
};

const where = ({ state, verbs }: Outcome) => [state.node, ...verbs.map(({ verb }) => verb)];

describe('an answer', () => {
  const menuFlow = validFlow({ menu: { ...menu, attempts: 1 }, one: end, two: end, silent: end, wrong: end });
  it.each<[string, Params, string]>([
    ['a key', { Digits: '1' }, 'one'],
    ['the key #', { Digits: '#' }, 'two'],
    ['a phrase within a sentence', { SpeechResult: 'The SECOND one, please!' }, 'two'],
    ['a phrase that is a part of a word', { SpeechResult: 'zweifel' }, 'wrong'],
    ['another key', { Digits: '7' }, 'wrong'],
    ['two keys', { Digits: '11' }, 'wrong'],
    ['nothing', {}, 'silent'],
    ['an empty text', { Digits: '' }, 'silent'],
    ['digits that are XML', { Digits: '<Dial>+1</Dial>' }, 'wrong'],
    ['a name of every object', { Digits: 'constructor' }, 'wrong'],
    ['only emoji', { SpeechResult: '👋👋' }, 'wrong'],
  ])('of a menu: %s', (_label, params, node) => {
    const begun = beginCall(menuFlow);
    expect(answerCall(menuFlow, begun.state, params).state).toMatchObject({ node, step: 2 });
  });

  const gatherFlow = validFlow({ gather: { ...gather, attempts: 1, minDigits: 2 }, ...ends });
  it.each<[string, Params, string, string | undefined]>([
    ['enough digits', { Digits: '12' }, 'end', '12'],
    ['too few', { Digits: '1' }, 'wrong', undefined],
    ['too many', { Digits: '12345' }, 'wrong', undefined],
    ['the end key alone', { Digits: '', FinishedOnKey: '#' }, 'wrong', undefined],
    ['speech, which was not asked for', { SpeechResult: 'twelve' }, 'wrong', undefined],
    ['letters', { Digits: '1&2' }, 'wrong', undefined],
  ])('of a gather: %s', (_label, params, node, number) => {
    const { state } = answerCall(gatherFlow, beginCall(gatherFlow).state, params);
    expect(state).toMatchObject({ node, ended: true });
    expect(state.variables['number']).toBe(number);
  });

  it('that is wrong gets another try, and then its branch', () => {
    const flow = validFlow({ gather: { ...gather, attempts: 2, retryPrompt: 'Again:' }, ...ends });
    const first = beginCall(flow);
    const second = answerCall(flow, first.state, {});
    expect([second.state.node, second.state.attempts]).toEqual(['gather', 1]);
    expect(JSON.stringify(second.verbs)).toContain('Again:');
    expect(JSON.stringify(first.verbs)).not.toContain('Again:');
    expect(answerCall(flow, second.state, {}).state).toMatchObject({ node: 'silent', attempts: 0 });
    expect(answerCall(flow, second.state, { Digits: '12' }).state).toMatchObject({ node: 'end', attempts: 0 });
  });

  it.each<[Params, string]>([
    [{ DialCallStatus: 'completed' }, 'end'],
    [{ DialCallStatus: 'busy' }, 'busy'],
    [{ DialCallStatus: 'no-answer' }, 'nobody'],
    [{ DialCallStatus: 'failed' }, 'nobody'],
    [{ DialCallStatus: 'status of tomorrow' }, 'nobody'],
    [{}, 'nobody'],
  ])('of a dial: %j', (params, node) => {
    const dial: Node = { type: 'dial', to: { number: '+14155550111' }, next: 'end', noAnswer: 'nobody', busy: 'busy' };
    const flow = validFlow({ dial, end, nobody: end, busy: end });
    expect(answerCall(flow, beginCall(flow).state, params).state.node).toBe(node);
  });

  it.each<[Params, string]>([
    [{ QueueResult: 'bridged' }, 'end'],
    [{ QueueResult: 'queue-full' }, 'full'],
    [{ QueueResult: 'leave' }, 'late'],
    [{ QueueResult: 'system-error' }, 'full'],
  ])('of a queue: %j', (params, node) => {
    const queue: Node = { type: 'queue', queue: 'q', next: 'end', full: 'full', timeout: 'late', maxWaitSeconds: 60 };
    const flow = validFlow({ queue, end, full: end, late: end });
    const begun = beginCall(flow);
    const left = answerCall(flow, begun.state, { ...params, QueueTime: '30' });
    expect(left.state.node).toBe(node);
    expect([...begun.marks, ...left.marks].map(({ kind }) => kind)).toEqual(['started', 'queued', 'dequeued', 'ended']);
    expect(left.marks[0]?.detail).toMatchObject({ seconds: 30 });
  });

  it('after the caller has hung up ends the call where it is, and tells what happened', () => {
    const flow = validFlow({ v: { type: 'voicemail', prompt: 'Speak', next: 'end' }, end });
    const left = answerCall(flow, beginCall(flow).state, {
      CallStatus: 'completed',
      RecordingSid: 'RE1',
      RecordingDuration: '7',
    });
    expect([left.state, left.verbs]).toMatchObject([{ node: 'v', ended: true }, []]);
    expect(left.marks.map(({ kind, detail }) => [kind, detail])).toEqual([
      ['recorded', { recordingSid: 'RE1', seconds: 7, kind: 'voicemail' }],
      ['ended', { by: 'caller' }],
    ]);
  });

  it('to a flow that has ended is a fault', () => {
    const flow = validFlow({ end });
    const { state } = beginCall(flow);
    expect(() => advance(flow, state, { params: {}, now: noon })).toThrow(FlowError);
  });
});

describe('consent', () => {
  const dial: Node = { type: 'dial', to: { number: '+14155550111' }, record: true, next: 'end', noAnswer: 'end' };
  const flow = validFlow({
    ask: {
      type: 'consent',
      prompt: 'May we?',
      yesPhrases: ['yes'],
      noPhrases: ['no'],
      attempts: 1,
      granted: 'dial',
      denied: 'dial',
    },
    dial,
    end,
  });
  it.each<[Params, boolean]>([
    [{ Digits: '1' }, true],
    [{ Digits: '2' }, false],
    [{ SpeechResult: 'Yes please' }, true],
    [{ SpeechResult: 'yes… no!' }, false],
    [{ SpeechResult: 'yesterday' }, false],
    [{}, false],
    [{ Digits: '9' }, false],
  ])('%j: recorded %s', (params, recorded) => {
    const { state, verbs } = answerCall(flow, beginCall(flow).state, params);
    expect([state.consented, verbs.at(-1)]).toMatchObject([recorded, { verb: 'dial', record: recorded }]);
    expect(renderVerbs(verbs, links).includes('record-from-answer-dual')).toBe(recorded);
  });
});

describe('what needs no answer', () => {
  it('is walked through at once: hours, variables, branches, texts', () => {
    const flow = validFlow({
      hours: {
        type: 'hours',
        timeZone: 'Europe/Berlin',
        weekly: { fri: [{ from: '12:00', to: '13:01' }] },
        open: 'set',
        closed: 'end',
      },
      set: { type: 'set', values: { who: 'caller {{call.from}}' }, next: 'branch' },
      branch: { type: 'branch', on: '{{who}}', cases: { [`caller ${from}`]: 'sms' }, otherwise: 'end' },
      sms: { type: 'send-sms', body: 'Hello {{who}}', next: 'say' },
      say: { type: 'say', prompt: 'Hi {{who}}', next: 'end' },
      end,
    });
    const { trail, messages, verbs } = beginCall(flow);
    expect(trail).toEqual(['hours', 'set', 'branch', 'sms', 'say', 'end']);
    expect(messages).toEqual([
      {
        node: 'sms',
        to: from,
        from: undefined,
        messagingService: undefined,
        body: `Hello caller ${from}`,
        lane: 'transactional',
      },
    ]);
    expect(verbs).toEqual([{ verb: 'say', parts: [`Hi caller ${from}`], language: undefined }, { verb: 'hangup' }]);
  });

  it('sends no text where there is no number, and goes on', () => {
    const flow = validFlow({ sms: { type: 'send-sms', body: 'Hello', next: 'end' }, end });
    const outcome = beginCall(flow, { From: 'anonymous' });
    expect([outcome.messages, outcome.state.node]).toEqual([[], 'end']);
    expect(outcome.marks.map(({ kind }) => kind)).toEqual(['started', 'sms-impossible', 'ended']);
  });

  it('counts how often it was passed, in the whole call', () => {
    const flow = validFlow({
      count: { type: 'count', limit: 2, next: 'menu', exceeded: 'end' },
      menu: { type: 'menu', prompt: 'x', choices: { '1': 'count' }, attempts: 1, noInput: 'end', noMatch: 'end' },
      end,
    });
    const first = beginCall(flow);
    const second = answerCall(flow, first.state, { Digits: '1' });
    const third = answerCall(flow, second.state, { Digits: '1' });
    expect([first, second, third].map(({ state }) => state.node)).toEqual(['menu', 'menu', 'end']);
  });
});

describe('an http node', () => {
  const flow = validFlow({
    ask: { type: 'gather', prompt: 'Who?', input: ['speech'], saveAs: 'who', next: 'http', ...goOn },
    http: {
      type: 'http',
      method: 'POST',
      url: 'https://crm.example.com/people/{{who}}?from={{call.from}}',
      body: { name: '{{who}}' },
      saveAs: { name: 'person.name', vip: 'person.vip', age: 'person.age' },
      next: 'greet',
      fallback: 'sorry',
    },
    greet: { type: 'say', prompt: 'Hello {{name}}, {{age}}, {{vip}}', next: 'end' },
    sorry: { type: 'hangup', prompt: 'Sorry' },
    ...ends,
  });
  const said = { SpeechResult: 'Bob/../admin?x=<1>' };
  const state = beginCall(flow).state;

  it('asks with everything escaped', () => {
    const question = advance(flow, state, { params: { ...said, From: from }, now: noon }).next().value;
    expect(question).toMatchObject({
      url: 'https://crm.example.com/people/Bob%2F..%2Fadmin%3Fx%3D%3C1%3E?from=%2B14155550199',
      body: { name: 'Bob/../admin?x=<1>' },
    });
  });

  it('says what is in the answer, escaped', () => {
    const outcome = answerCall(flow, state, said, () => ({
      ok: true,
      json: { person: { name: '<Dial>+1900</Dial> & Söhne\u0000 👋', vip: true, age: 7 } },
    }));
    const xml = renderVerbs(outcome.verbs, links);
    expect(elementsOf(xml).map(({ name }) => name)).toEqual(['Response', 'Say', 'Hangup']);
    expect(elementsOf(xml)[1]?.text).toBe('Hello <Dial>+1900</Dial> & Söhne 👋, 7, true');
  });

  it.each([
    ['no answer', { ok: false }],
    ['a field that is not there', { ok: true, json: { person: { name: 'x', vip: true } } }],
    ['a field that cannot be said', { ok: true, json: { person: { name: {}, vip: true, age: 1 } } }],
    ['no object', { ok: true, json: null }],
    ['fields of every object only', { ok: true, json: { person: 'text' } }],
  ] as const)('falls back on %s', (_label, answer) => {
    expect(answerCall(flow, state, said, () => answer).state.node).toBe('sorry');
  });
});

describe('waiting in a queue', () => {
  const queue: Node = {
    type: 'queue',
    queue: 'q',
    music: ['https://m.example/1.mp3', 'https://m.example/2.mp3'],
    announcement: 'You are number {{queue.position}} of {{queue.size}}, about {{queue.minutes}} minutes.',
    maxWaitSeconds: 60,
    next: 'end',
    full: 'end',
    timeout: 'end',
  };
  const flow = validFlow({ queue, end });
  const { state } = beginCall(flow);
  const wait = (params: Params) => waitIn(flow, state, { params, now: noon });

  it('tells the position, and plays by turns', () => {
    expect(wait({ QueuePosition: '3', CurrentQueueSize: '5', AvgQueueTime: '170', QueueTime: '13' })).toEqual([
      { verb: 'say', parts: ['You are number 3 of 5, about 3 minutes.'], language: undefined },
      { verb: 'play', url: 'https://m.example/2.mp3', loop: 1 },
    ]);
  });

  it('ends when it took too long', () => {
    expect(wait({ QueueTime: '60' })).toEqual([{ verb: 'leave' }]);
  });

  it('takes nothing that is no number', () => {
    expect(JSON.stringify(wait({ QueuePosition: '<Dial/>', QueueTime: '-1' }))).toContain('number 0 of 0');
  });
});

describe('a document', () => {
  const flow = validFlow({
    say: { type: 'say', prompt: 'Hello', next: 'menu' },
    menu,
    one: end,
    two: { type: 'hangup', prompt: '{{call.from}}' },
    silent: end,
    wrong: end,
  });

  it('has a cache key exactly when nothing of the call is in it', () => {
    const begun = beginCall(flow);
    expect(begun.cacheKey).toBe('say>menu|false|false');
    expect(answerCall(flow, begun.state, { Digits: '5' }).cacheKey).toBe('menu|true|false');
    expect(answerCall(flow, begun.state, { Digits: '#' }).cacheKey).toBeUndefined();
  });

  it('has one with variables in it, as long as they are what the flow begins with', () => {
    const named = validFlow(
      {
        ask: {
          type: 'gather',
          attempts: 1,
          prompt: 'Welcome to {{company}}',
          saveAs: 'company',
          next: 'said',
          noInput: 'said',
          noMatch: 'said',
        },
        said: { type: 'hangup', prompt: 'Bye from {{company}}' },
      },
      { variables: { company: 'Acme' } },
    );
    const begun = beginCall(named);
    expect(begun.cacheKey).toBe('ask|false|false');
    expect(JSON.stringify(begun.verbs)).toContain('Welcome to Acme');
    expect(answerCall(named, begun.state, {}).cacheKey).toBe('said|false|false');
    const changed = answerCall(named, begun.state, { Digits: '42' });
    expect(JSON.stringify(changed.verbs)).toContain('Bye from 42');
    expect(changed.cacheKey).toBeUndefined();
  });

  it('can be repeated, and is the same', () => {
    const begun = beginCall(flow);
    const retried = answerCall(flow, begun.state, { Digits: '5' });
    const again = finish(repeat(flow, retried.state, { params: {}, now: noon }));
    expect(again.verbs).toEqual(retried.verbs);
    expect(where(begun)).toEqual(['menu', 'say', 'gather', 'continue']);
  });
});

describe('any valid flow', () => {
  it('gives valid TwiML on every way, and ends for whoever does nothing more', () => {
    const visited = new Set<string>();
    const oneOfThem = (params: readonly Params[], step: number) => params[step] ?? {};
    fc.assert(
      fc.property(
        anyValidFlow,
        fc.array(anyParams, { maxLength: 20 }),
        fc.boolean(),
        fc.string({ unit: 'binary', maxLength: 50 }),
        (flow, inputs, answers, name) => {
          const answer = () => (answers ? { ok: true as const, json: { a: { b: name } } } : { ok: false as const });
          let outcome = finish(begin(flow, { params: { From: name, To: '+1' }, now: noon }), answer);
          let marked = 0;
          for (let step = 0; !outcome.state.ended; step++) {
            check(outcome);
            expect(step).toBeLessThan(400);
            outcome = answerCall(flow, outcome.state, oneOfThem(inputs, step), answer);
          }
          check(outcome);

          function check({ verbs, state, marks, trail }: Outcome): void {
            for (const id of trail) visited.add(flow.nodes[id]?.type ?? '');
            const elements = elementsOf(renderVerbs(verbs, links));
            expect(elements[0]?.name).toBe('Response');
            const goesOn = elements.some(({ attributes }) => attributes['action'] === links.next);
            expect(goesOn).toBe(!state.ended);
            marked += marks.length;
            expect(state.marked).toBe(marked);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect([...visited].sort()).toEqual([
      'agent',
      'branch',
      'conference',
      'consent',
      'count',
      'dial',
      'gather',
      'hangup',
      'hours',
      'http',
      'menu',
      'queue',
      'record',
      'say',
      'send-sms',
      'set',
      'voicemail',
    ]);
  });
});
