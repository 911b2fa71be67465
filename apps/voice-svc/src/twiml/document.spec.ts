import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { elementsOf } from '../../test/flows.ts';
import type { Verb } from '../flow/verbs.ts';
import { DocumentCache, DocumentTemplate, renderVerbs } from './document.ts';

const links = {
  next: 'https://a.example/next?at=x#rc=2&rp=5xx',
  wait: 'https://a.example/wait',
  announce: 'https://a.example/announce',
  status: 'https://b.example/status?callId=1#rc=5',
  recording: 'https://b.example/recording?callId=1&traceparent=00',
  transcription: 'https://b.example/transcription',
};

const verbs: readonly Verb[] = [
  {
    verb: 'say',
    parts: ['Hi ', { tag: 'break', attributes: { time: '1s' }, children: [] }, ' there'],
    voice: 'Polly.Amy',
  },
  {
    verb: 'gather',
    input: ['dtmf', 'speech'],
    timeout: 5,
    finishOnKey: '',
    hints: ['one', 'two & "three"'],
    bargeIn: false,
    numDigits: 1,
    prompts: [{ verb: 'play', url: 'https://m.example/a.mp3?a=1&b=<2>', loop: 2 }],
  },
  { verb: 'continue' },
  { verb: 'enqueue', queue: 'support', maxSize: 5 },
  { verb: 'dial', targets: [{ queue: 'support' }], timeout: 9, record: true, announces: true },
  {
    verb: 'dial',
    targets: [{ number: '+14155550111' }, { sip: 'sip:a@b.example' }, { client: 'ann' }],
    timeout: 9,
    timeLimit: 60,
    callerId: '+14155550100',
    record: false,
  },
  {
    verb: 'conference',
    room: 'a <b>',
    moderator: false,
    muted: true,
    beep: true,
    maxParticipants: 9,
    record: true,
    music: 'https://m.example/w.mp3',
  },
  { verb: 'record', maxLength: 60, timeout: 5, finishOnKey: '#', beep: true, transcribe: true },
  { verb: 'transfer', number: '+14155550112' },
  { verb: 'leave' },
  { verb: 'hangup' },
];

describe('a document', () => {
  it('is the same by template as rendered for itself', () => {
    expect(new DocumentTemplate(verbs).with(links)).toBe(renderVerbs(verbs, links));
  });

  it('says what Twilio is to do', () => {
    const elements = elementsOf(renderVerbs(verbs, links));
    const all = (name: string) =>
      elements.filter((element) => element.name === name).map(({ attributes }) => attributes);
    expect(elements.map(({ name }) => name).join(' ')).toBe(
      'Response Say break Gather Play Redirect Enqueue Dial Queue Dial Number Sip Client Dial Conference Record Dial Leave Hangup',
    );
    expect(all('Gather')).toEqual([
      {
        action: links.next,
        input: 'dtmf speech',
        timeout: '5',
        actionOnEmptyResult: 'true',
        finishOnKey: '',
        bargeIn: 'false',
        numDigits: '1',
        speechTimeout: 'auto',
        hints: 'one,two & "three"',
      },
    ]);
    expect(all('Enqueue')).toEqual([{ action: links.next, waitUrl: links.wait, maxQueueSize: '5' }]);
    expect(all('Queue')).toEqual([{ url: links.announce }]);
    expect(all('Dial')).toEqual([
      { action: links.next, timeout: '9', record: 'record-from-answer-dual', recordingStatusCallback: links.recording },
      { action: links.next, timeout: '9', answerOnBridge: 'true', timeLimit: '60', callerId: '+14155550100' },
      { action: links.next },
      {},
    ]);
    expect(all('Conference')).toMatchObject([
      {
        startConferenceOnEnter: 'false',
        endConferenceOnExit: 'false',
        muted: 'true',
        statusCallback: links.status,
        statusCallbackEvent: 'start end join leave',
        record: 'record-from-start',
      },
    ]);
    expect(all('Record')).toMatchObject([
      {
        action: links.next,
        recordingStatusCallback: links.recording,
        transcribe: 'true',
        transcribeCallback: links.transcription,
      },
    ]);
  });

  it('is well-formed, whatever the texts are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(text, text, text, (said, room, hint) => {
        const xml = renderVerbs(
          [
            { verb: 'say', parts: [said, { tag: 'p', attributes: {}, children: [said] }] },
            {
              verb: 'gather',
              input: ['speech'],
              timeout: 1,
              finishOnKey: '',
              hints: [hint],
              bargeIn: true,
              prompts: [],
            },
            { verb: 'conference', room, moderator: true, muted: false, beep: false, maxParticipants: 2, record: false },
          ],
          links,
        );
        expect(elementsOf(xml).map(({ name }) => name)).toEqual([
          'Response',
          'Say',
          'p',
          'Gather',
          'Dial',
          'Conference',
        ]);
      }),
    );
  });

  it.each(['\u0000', '\u001b[0m', '\ud800', '\udc00x', '\uffff'])(
    'has nothing in it that XML cannot hold: %j',
    (text) => {
      expect(renderVerbs([{ verb: 'say', parts: [`a${text}b`] }], links)).toContain(
        `>a${text.replace(/[^ -~]/g, '')}b<`,
      );
    },
  );

  it('keeps what is none of that: emoji, other scripts', () => {
    expect(elementsOf(renderVerbs([{ verb: 'say', parts: ['👋🏽 Grüße 你好'] }], links))[1]?.text).toBe('👋🏽 Grüße 你好');
  });
});

describe('the cache', () => {
  it('makes a document once per key, and forgets the oldest', () => {
    const cache = new DocumentCache(2);
    const say = (text: string): Verb[] => [{ verb: 'say', parts: [text] }];
    const first = cache.template('a', say('a'));
    expect(cache.template('a', say('other'))).toBe(first);
    expect(cache.template(undefined, say('x'))).not.toBe(cache.template(undefined, say('x')));
    cache.template('b', say('b'));
    cache.template('c', say('c'));
    expect(cache.template('a', say('a'))).not.toBe(first);
  });
});
