import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hangup, validFlow } from '../../test/flows.ts';
import { converse } from './converse.rules.ts';
import { readFlow } from './read-flow.ts';
import { parseScript } from './script.rules.ts';

const flows = join(import.meta.dirname, '../../../../config/flows/demo');

function talk(flow: ReturnType<typeof validFlow>, script: string) {
  const parsed = parseScript(script);
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  return converse(flow, parsed.lines);
}

const flow = validFlow({
  crm: {
    type: 'http',
    url: 'https://crm.example.com/{{call.from}}',
    saveAs: { name: 'name' },
    next: 'hello',
    fallback: 'hello',
  },
  hello: { type: 'say', prompt: 'Hello {{name}}.', next: 'number' },
  number: {
    type: 'gather',
    prompt: 'Your number?',
    saveAs: 'number',
    finishOnKey: '#',
    noInput: 'nobody',
    noMatch: 'nobody',
    next: 'text',
  },
  text: { type: 'send-sms', body: 'Number {{number}}', next: 'dial' },
  dial: { type: 'dial', to: { number: '+14155550111' }, next: 'end', noAnswer: 'voicemail' },
  voicemail: { type: 'voicemail', prompt: 'After the tone.', next: 'end' },
  nobody: hangup,
  end: { type: 'hangup', prompt: 'Bye.' },
});

describe('a script', () => {
  it('runs a flow and prints the conversation', () => {
    const { lines, faults } = talk(
      flow,
      `from +14155550177
       answer crm {"name": "Ann"}
       hears Hello Ann
       press 12#
       expect variable number = 12
       expect sms Number 12
       dial busy
       hears after the tone
       record 5
       expect ended`,
    );
    expect(faults).toEqual([]);
    expect(lines).toEqual([
      '  http      GET https://crm.example.com/%2B14155550177: {"name":"Ann"}',
      '  flow      Hello Ann.',
      '  flow      Your number?',
      '  caller    presses 12#',
      '  sms       to +14155550177: Number 12',
      '  flow      calls +14155550111',
      '  caller    — the dial: busy',
      '  flow      After the tone.',
      '  flow      records',
      '  caller    speaks for 5 s',
      '  flow      Bye.',
      '  flow      hangs up',
    ]);
  });

  it.each<[string, string, string]>([
    [
      'what was not heard',
      'hears Welcome',
      'line 1: "Welcome" is not in what the caller heard last: Hello . Your number?',
    ],
    ['another node', 'expect node end', 'line 1: the call is at number, not at end'],
    ['another value', 'press 12#\nexpect variable number = 13', 'line 2: number is 12, not 13'],
    ['a text that was not sent', 'expect sms Number', 'line 1: no text with "Number" was sent'],
    ['a call that goes on', 'expect ended', 'line 1: the call goes on, at number'],
    ['consent that was not given', 'expect consent yes', 'line 1: the caller has not consented'],
    [
      'a deed that nobody waits for',
      'queue bridged',
      'line 1: the caller — the queue: bridged, but the call is at number, which does not wait for that',
    ],
  ])('finds %s', (_label, script, fault) => {
    expect(talk(flow, script).faults).toEqual([fault]);
  });

  it('names every line it does not understand', () => {
    expect(parseScript('press a\n\n# fine\nsing\nanswer crm {oops\nexpect consent maybe')).toEqual({
      ok: false,
      faults: [1, 4, 5, 6].map((line) => expect.stringContaining(`line ${line}:`)),
    });
  });

  it.each(['support', 'agent'])('the flow of the demo has no fault: %s', (name) => {
    expect(readFlow(readFileSync(join(flows, `${name}.yaml`), 'utf8'))).toMatchObject({ ok: true });
  });

  it('the script of the demo holds', () => {
    const read = readFlow(readFileSync(join(flows, 'support.yaml'), 'utf8'));
    const script = readFileSync(join(flows, 'support.script.txt'), 'utf8');
    expect(read.ok && talk(read.definition, script).faults).toEqual([]);
  });
});

describe('a flow file', () => {
  it.each([
    ['no YAML', 'a: [', /./],
    [
      'aliases that multiply',
      `a: &a [x,x]\n${Array.from({ length: 30 }, (_, i) => `k${i}: &k${i} [*${i ? `k${i - 1}` : 'a'},*${i ? `k${i - 1}` : 'a'}]`).join('\n')}`,
      /alias/,
    ],
    ['too much', 'x'.repeat(500_001), /too long/],
  ])('that is %s is refused', (_label, text, problem) => {
    expect(readFlow(text)).toMatchObject({ ok: false, faults: [{ problem: expect.stringMatching(problem) }] });
  });
});
