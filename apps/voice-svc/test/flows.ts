import { type FlowDefinition, flowDefinition, type FlowInput } from '@signalbox/contracts';
import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { checkFlow, type FlowFault } from '../src/flow/flow.rules.ts';
import { advance, begin, type Outcome, type Params, type Walk } from '../src/flow/interpret.rules.ts';
import type { FlowState } from '../src/flow/session.state.ts';
import type { HttpAnswer, HttpQuestion } from '../src/flow/verbs.ts';

type Nodes = FlowInput['nodes'];

export const hangup = { type: 'hangup' } as const;

/** A flow of these nodes; the first one is where it starts. */
export function flowOf(nodes: Nodes, rest: Partial<FlowInput> = {}): FlowInput {
  return { format: 1, start: Object.keys(nodes)[0] ?? 'start', nodes, ...rest };
}

export function validFlow(nodes: Nodes, rest: Partial<FlowInput> = {}): FlowDefinition {
  const checked = checkFlow(flowOf(nodes, rest));
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  return checked.definition;
}

export function faultsOf(nodes: Nodes, rest: Partial<FlowInput> = {}): FlowFault[] {
  const checked = checkFlow(flowOf(nodes, rest));
  return checked.ok ? [] : checked.faults;
}

export const noon = new Date('2026-11-27T12:00:00Z');
export const from = '+14155550199';
const call: Params = { CallSid: 'CA1', From: from, To: '+14155550100', CallStatus: 'in-progress' };

export function finish(walk: Walk, answers: (question: HttpQuestion) => HttpAnswer = () => ({ ok: false })): Outcome {
  let step = walk.next();
  while (!step.done) step = walk.next(answers(step.value));
  return step.value;
}

export function beginCall(flow: FlowDefinition, params: Params = {}): Outcome {
  return finish(begin(flow, { params: { ...call, ...params }, now: noon }));
}

export function answerCall(
  flow: FlowDefinition,
  state: FlowState,
  params: Params,
  answers?: (question: HttpQuestion) => HttpAnswer,
): Outcome {
  return finish(advance(flow, state, { params: { ...call, ...params }, now: noon }), answers);
}

/** The elements of a document, in order; throws when it is no well-formed XML. */
export function elementsOf(xml: string): { name: string; attributes: Record<string, string>; text: string }[] {
  const elements: { name: string; attributes: Record<string, string>; text: string }[] = [];
  const open: number[] = [];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    open.push(elements.push({ name, attributes: { ...attributes }, text: '' }) - 1);
  });
  parser.on('text', (text) => {
    for (const index of open) {
      const element = elements[index];
      if (element) element.text += text;
    }
  });
  parser.on('closetag', () => void open.pop());
  parser.write(xml).close();
  return elements;
}

/** Whatever a caller, or what they started, may do: each as what Twilio would send. */
export const anyParams: fc.Arbitrary<Params> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('1', '2', '3', '*', '#', '123', '').map((Digits) => ({ Digits })) },
  fc.record({ SpeechResult: fc.string({ unit: 'binary', maxLength: 300 }), Confidence: fc.string() }),
  fc.constantFrom('completed', 'busy', 'no-answer', 'failed', 'odd').map((DialCallStatus) => ({ DialCallStatus })),
  fc
    .constantFrom('bridged', 'queue-full', 'leave', 'error', 'hangup')
    .map((QueueResult) => ({ QueueResult, QueueTime: '12' })),
  fc.constantFrom({}, { RecordingSid: 'RE1', RecordingDuration: '3' }, { FinishedOnKey: '#', Digits: '' }),
  fc.string({ unit: 'binary' }).map((Digits) => ({ Digits })),
);

const prompt = fc
  .constantFrom<FlowInput['nodes'][string]['type'][]>([])
  .chain(() =>
    fc.constantFrom(
      'Hello',
      'A & B < C > "D"',
      '{{word}} and {{call.from}}',
      { ssml: 'It is <say-as interpret-as="digits">{{word}}</say-as> &amp; <break time="1s"/> so' },
      { play: 'https://media.example.com/a.mp3?x=1&y=2' },
      { say: 'Grüße 👋', voice: 'Polly.Vicki' as const },
    ),
  );

/**
 * Flows in which what happens without the caller only leads forward, so that they are valid but for what is reached from
 * nowhere, which is taken out.
 */
export const anyValidFlow: fc.Arbitrary<FlowDefinition> = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.tuple(...Array.from({ length: size }, (_, index) => anyNode(index, size))).map((nodes) => {
      const all: Nodes = named(nodes);
      for (const [id, node] of Object.entries(all)) {
        // Nowhere else is a recording allowed.
        if (node.type !== 'consent' || node.attempts === 2) continue;
        all[`${id}r`] = { type: 'record', next: node.denied, nothing: node.denied };
        all[id] = { ...node, granted: `${id}r` };
      }
      const flow: FlowInput = { format: 1, start: 'n0', variables: { word: 'x' }, nodes: all };
      return flow;
    }),
  )
  .map((flow) => {
    const checked = checkFlow(withoutLost(flow));
    if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
    return checked.definition;
  });

/** Any node leading anywhere: mostly flows with faults. */
export const anyFlow: fc.Arbitrary<FlowInput> = fc.integer({ min: 1, max: 6 }).chain((size) =>
  fc.tuple(...Array.from({ length: size }, () => wildNode(size))).map((nodes) => {
    const all: Nodes = named(nodes);
    return withoutLost({ format: 1, start: 'n0', nodes: all });
  }),
);

/** As n0, n1, …, and a hangup after them. */
function named(nodes: readonly Nodes[string][]): Nodes {
  const all: [string, Nodes[string]][] = [...nodes, hangup].map((node, i) => [`n${i}`, node]);
  return Object.fromEntries(all);
}

function wildNode(size: number): fc.Arbitrary<Nodes[string]> {
  const to = fc.integer({ min: 0, max: size }).map((n) => `n${n}`);
  return fc.oneof(
    fc.record({ type: fc.constant('say' as const), prompt: fc.constant('hello'), next: to }),
    fc.record({
      type: fc.constant('menu' as const),
      prompt: fc.constant('choose'),
      choices: fc.record({ '1': to }),
      attempts: fc.integer({ min: 1, max: 3 }),
      noInput: to,
      noMatch: to,
    }),
  );
}

function anyNode(index: number, size: number): fc.Arbitrary<Nodes[string]> {
  const ahead = fc.integer({ min: index + 1, max: size }).map((n) => `n${n}`);
  const anywhere = fc.integer({ min: 0, max: size }).map((n) => `n${n}`);
  const type = <T extends string>(name: T) => fc.constant(name);
  const attempts = fc.integer({ min: 1, max: 3 });
  const nodes = fc.oneof(
    fc.record({ type: type('say'), prompt, next: ahead }),
    fc.record({
      type: type('gather'),
      prompt,
      input: fc.constantFrom<('digits' | 'speech')[]>(['digits'], ['speech'], ['digits', 'speech']),
      attempts,
      saveAs: fc.constant('word'),
      next: anywhere,
      noInput: ahead,
      noMatch: anywhere,
    }),
    fc.record({
      type: type('menu'),
      prompt,
      choices: fc.record({ '1': anywhere, '2': fc.record({ next: anywhere, phrases: fc.constant(['two please']) }) }),
      attempts,
      noInput: ahead,
      noMatch: anywhere,
    }),
    fc.record({ type: type('consent'), prompt, attempts, granted: anywhere, denied: ahead }),
    fc.record({
      type: type('dial'),
      to: fc.constantFrom({ number: '+14155550111' }, [{ client: 'ann & bob' }, { sip: 'sip:a@example.com' }]),
      next: anywhere,
      noAnswer: ahead,
      busy: ahead,
    }),
    fc.record({
      type: type('queue'),
      queue: fc.constant('q'),
      next: anywhere,
      full: ahead,
      timeout: ahead,
      maxWaitSeconds: fc.constant(60),
    }),
    fc.record({ type: type('agent'), queue: fc.constant('q'), next: anywhere, empty: ahead }),
    fc.record({ type: type('conference'), room: fc.constant('room {{word}}'), next: ahead }),
    fc.record({ type: type('voicemail'), prompt, next: ahead }),
    fc.record({ type: type('send-sms'), body: fc.constant('You said {{word}}'), next: ahead }),
    fc.record({
      type: type('http'),
      url: fc.constant('https://example.com/{{word}}'),
      saveAs: fc.constant({ word: 'a.b' }),
      next: ahead,
      fallback: ahead,
    }),
    fc.record({
      type: type('hours'),
      timeZone: fc.constant('Europe/Berlin'),
      weekly: fc.constant({ fri: [{ from: '08:00', to: '18:00' }] }),
      open: ahead,
      closed: ahead,
    }),
    fc.record({ type: type('set'), values: fc.constant({ word: 'again {{word}}' }), next: ahead }),
    fc.record({
      type: type('branch'),
      on: fc.constant('{{word}}'),
      cases: fc.record({ '1': ahead }),
      otherwise: ahead,
    }),
    fc.record({ type: type('count'), limit: fc.integer({ min: 1, max: 3 }), next: anywhere, exceeded: ahead }),
    fc.constant(hangup),
  );
  return nodes as fc.Arbitrary<Nodes[string]>;
}

/** Without the nodes that are reached from nowhere. */
function withoutLost(flow: FlowInput): FlowInput {
  const checked = checkFlow(flow);
  if (checked.ok) return flow;
  const lost = checked.faults.flatMap(({ path, problem }) =>
    problem === 'is reached from nowhere' ? [path.replace('nodes.', '')] : [],
  );
  if (lost.length === 0) return flow;
  return withoutLost({
    ...flow,
    nodes: Object.fromEntries(Object.entries(flow.nodes).filter(([id]) => !lost.includes(id))),
  });
}

export function parseFlow(flow: FlowInput): FlowDefinition {
  return flowDefinition.parse(flow);
}
