import { expect, it } from '@jest/globals';
import type { EventProducer } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { tenant } from '../../test/builders.ts';
import { validFlow } from '../../test/flows.ts';
import type { FlowBook } from '../flow/flow-book.ts';
import { makeFlow } from '../flow/flow.ts';
import type { FlowState } from '../flow/session.state.ts';
import { StateSeal } from '../twiml/sealed-state.ts';
import { type CallRequest, Conversation } from './conversation.ts';
import type { Questions } from './questions.ts';
import type { Step } from './step.ts';
import type { StepStore } from './step-store.ts';

it('takes a late request of a flow that the call has left for no answer to the one it is in', async () => {
  const definition = validFlow({
    ask: { type: 'gather', prompt: 'Your number', saveAs: 'said', next: 'end', noInput: 'end', noMatch: 'end' },
    end: { type: 'hangup' },
  });
  const state: FlowState = {
    node: 'ask',
    step: 1,
    attempts: 0,
    variables: {},
    consented: false,
    counts: {},
    ended: false,
    marked: 1,
  };
  const taken: Step[] = [];
  const store = {
    place: () => Promise.resolve({ flow: 'other', version: 1, state, callId: null, document: 'told last' }),
    take: (step: Step) => Promise.resolve({ outcome: 'taken', document: step.document, at: taken.push(step) }),
  };
  const flows = {
    version: (of: string, name: string, version: number) =>
      Promise.resolve(makeFlow({ tenant: of, name, version, definition })),
  };
  const conversation = new Conversation(
    { base: 'https://calls.example.com', callbackBase: 'https://hooks.example.com', patienceMs: 10_000 },
    flows as unknown as FlowBook,
    store as unknown as StepStore,
    {} as Questions,
    {} as EventProducer,
    createLogger('spec', { level: 'silent' }),
  );
  const request: CallRequest = { tenant, callSid: 'CA1', params: { Digits: '42' }, body: 'Digits=42' };
  const sealed = (flow: string) => {
    // Too much for a URL: the variables are in the row only.
    const variables = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`v${i}`, 'x'.repeat(200)]));
    return new StateSeal().seal({ flow, version: 1, callId: null, state: { ...state, variables } }, 'CA1', 'token');
  };
  expect(await conversation.advance(request, 1, sealed('main'))).toBe('told last');
  expect(taken).toEqual([]);
  expect(await conversation.advance(request, 1, sealed('other'))).toContain('<Hangup/>');
  expect(taken).toMatchObject([{ flow: 'other', state: { step: 2 } }]);
});
