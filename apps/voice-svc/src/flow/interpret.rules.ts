import {
  type FlowDefinition,
  type FlowNode,
  type FlowNodeOf,
  type FlowPrompt,
  gatherLanguages,
} from '@signalbox/contracts';
import { openingAt } from './hours.rules.ts';
import type { FlowState } from './session.state.ts';
import { parseSsml, type SsmlPart } from './ssml.rules.ts';
import { cleanForXml, fill, hasPlaceholder, placeholdersOf, toValue, type Values } from './text.rules.ts';
import { languageOf } from './voices.rules.ts';
import type { Gather, Heard, HttpAnswer, HttpQuestion, Mark, SmsEffect, Verb } from './verbs.ts';

/** What Twilio says in a request; nothing of it is believed to be well-formed. */
export type Params = Readonly<Record<string, string | undefined>>;

export interface Moment {
  readonly params: Params;
  readonly now: Date;
}

export interface Outcome {
  readonly state: FlowState;
  readonly verbs: readonly Verb[];
  /** The same text means the same verbs, whoever calls; undefined when there is something of the call itself in them. */
  readonly cacheKey: string | undefined;
  readonly marks: readonly Mark[];
  readonly messages: readonly SmsEffect[];
  /** The nodes that were passed, the last one is where the call is. */
  readonly trail: readonly string[];
}

/** Ends with the outcome; on the way it may have questions to others, one at a time. */
export type Walk = Generator<HttpQuestion, Outcome, HttpAnswer>;

/** The flow cannot go on: a state that does not fit it, or a way without end. Callers hear an apology. */
export class FlowError extends Error {
  override readonly name = 'FlowError';
}

const maxNodes = 1000;
const maxSteps = 500;

/** A call that begins. */
export function begin(flow: FlowDefinition, moment: Moment): Walk {
  const state: FlowState = {
    node: flow.start,
    step: 0,
    attempts: 0,
    variables: flow.variables,
    consented: false,
    counts: {},
    ended: false,
    marked: 0,
  };
  const walker = new Walker(flow, state, moment);
  walker.mark('started', flow.start);
  return walker.enter(flow.start);
}

/** The answer to the document of `state`: what the caller pressed or said, or how what it started has ended. */
export function advance(flow: FlowDefinition, state: FlowState, moment: Moment): Walk {
  if (state.ended) throw new FlowError('the flow of this call has ended');
  if (state.step >= maxSteps) throw new FlowError(`a call of ${maxSteps} steps`);
  return new Walker(flow, state, moment).answer();
}

/** The document of `state` once more, because the caller may not have got it. */
export function repeat(flow: FlowDefinition, state: FlowState, moment: Moment): Walk {
  return new Walker(flow, state, moment).enter(state.node, state.attempts);
}

/** What a caller in a queue hears until they are fetched; again and again. */
export function waitIn(flow: FlowDefinition, state: FlowState, { params }: Moment): readonly Verb[] {
  const node = flow.nodes[state.node];
  if (node?.type !== 'queue') throw new FlowError('waits at a node that is no queue');
  const waited = wholeNumber(params['QueueTime']);
  if (node.maxWaitSeconds !== undefined && waited >= node.maxWaitSeconds) return [{ verb: 'leave' }];
  const values = {
    ...state.variables,
    ...callValuesOf(params),
    'queue.position': String(wholeNumber(params['QueuePosition'])),
    'queue.size': String(wholeNumber(params['CurrentQueueSize'])),
    'queue.minutes': String(Math.max(1, Math.round(wholeNumber(params['AvgQueueTime']) / 60))),
  };
  const speaker = new Speaker(flow, values);
  const music = node.music ?? [];
  const piece = music[waited % Math.max(1, music.length)];
  return [
    ...speaker.heard(node.announcement ?? []),
    piece === undefined
      ? { verb: 'play', url: defaultMusic, loop: 1 }
      : { verb: 'play', url: fill(piece, values, encodeURIComponent), loop: 1 },
  ];
}

/** Twilio's own hold music. Source: https://www.twilio.com/docs/voice/twiml/enqueue#attributes-waiturl */
const defaultMusic = 'http://com.twilio.music.classical.s3.amazonaws.com/BusyStrings.mp3';

/** What the caller of a queue hears right before they are connected. */
export function announce(flow: FlowDefinition, state: FlowState, { params }: Moment): readonly Verb[] {
  const node = flow.nodes[state.node];
  if (node?.type !== 'agent') throw new FlowError('announces at a node that fetches nobody');
  return new Speaker(flow, { ...state.variables, ...callValuesOf(params) }).heard(node.announce ?? []);
}

function callValuesOf(params: Params): Values {
  return {
    'call.from': toValue(params['From'] ?? ''),
    'call.to': toValue(params['To'] ?? ''),
    'call.answeredBy': toValue(params['AnsweredBy'] ?? ''),
  };
}

function wholeNumber(text: string | undefined): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : 0;
}

/** Turns prompts into what is heard. */
class Speaker {
  readonly #flow: FlowDefinition;
  values: Values;
  /** Whether there was something of the call itself in a text. */
  personal = false;

  constructor(flow: FlowDefinition, values: Values) {
    this.#flow = flow;
    this.values = values;
  }

  heard(prompts: readonly FlowPrompt[]): Heard[] {
    return prompts.map((prompt): Heard => {
      if (typeof prompt === 'string') return this.#say([this.fill(prompt)], {});
      if ('say' in prompt) return this.#say([this.fill(prompt.say)], prompt);
      if ('ssml' in prompt) return this.#say(this.#fillParts(partsOf(prompt.ssml)), prompt);
      if ('play' in prompt) return { verb: 'play', url: prompt.play, loop: prompt.loop };
      return { verb: 'pause', seconds: prompt.pause };
    });
  }

  fill(text: string, escape?: (value: string) => string): string {
    if (!hasPlaceholder(text)) return cleanForXml(text);
    // With what the flow itself begins with it is the same text for every caller.
    this.personal ||= placeholdersOf(text)?.every((name) => this.values[name] === this.#flow.variables[name]) !== true;
    return cleanForXml(fill(text, this.values, escape));
  }

  /** Placeholders are filled after the markup was read, so that no value can be markup. */
  #fillParts(parts: readonly SsmlPart[]): SsmlPart[] {
    return parts.map((part) =>
      typeof part === 'string' ? this.fill(part) : { ...part, children: this.#fillParts(part.children) },
    );
  }

  #say(parts: readonly SsmlPart[], own: { voice?: string | undefined; language?: string | undefined }): Heard {
    const { voice, language } = own.voice || own.language ? own : this.#flow;
    // A Polly voice has its language; Twilio's default voice has to be told.
    return voice ? { verb: 'say', parts, voice } : { verb: 'say', parts, language };
  }
}

const parsedSsml = new Map<string, readonly SsmlPart[]>();

/** The texts of flows are few, and were checked when the flow was stored. */
function partsOf(ssml: string): readonly SsmlPart[] {
  const known = parsedSsml.get(ssml);
  if (known) return known;
  const parsed = parseSsml(ssml);
  const parts = parsed.ok ? parsed.parts : [ssml.replace(/<[^>]*>/g, ' ')];
  if (parsedSsml.size > 5000) parsedSsml.clear();
  parsedSsml.set(ssml, parts);
  return parts;
}

/** One walk through a flow, from a request to the document that answers it. */
class Walker {
  readonly #flow: FlowDefinition;
  readonly #before: FlowState;
  readonly #moment: Moment;
  readonly #speaker: Speaker;
  readonly #call: Values;
  readonly #verbs: Verb[] = [];
  readonly #marks: Mark[] = [];
  readonly #messages: SmsEffect[] = [];
  readonly #trail: string[] = [];
  #variables: Values;
  #counts: Readonly<Record<string, number>>;
  #consented: boolean;

  constructor(flow: FlowDefinition, state: FlowState, moment: Moment) {
    this.#flow = flow;
    this.#before = state;
    this.#moment = moment;
    this.#call = callValuesOf(moment.params);
    this.#variables = state.variables;
    this.#counts = state.counts;
    this.#consented = state.consented;
    this.#speaker = new Speaker(flow, { ...state.variables, ...this.#call });
  }

  mark(kind: Mark['kind'], node: string, detail: Mark['detail'] = {}): void {
    this.#marks.push({ kind, node, detail });
  }

  /** What the request says, and where that leads. */
  *answer(): Walk {
    const { node: id, attempts } = this.#before;
    const node = this.#nodeAt(id);
    const hungUp = hasHungUp(this.#moment.params);
    const target = this.#targetOf(id, node, attempts);
    if (hungUp) {
      this.mark('ended', id, { by: 'caller' });
      return this.#outcome(id, 0, true);
    }
    if (target === 'again') return yield* this.enter(id, attempts + 1);
    return yield* this.enter(target, 0);
  }

  /** Walks on until the call has to wait for something. */
  *enter(first: string, attempts = 0): Walk {
    let id = first;
    for (let passed = 0; passed < maxNodes; passed++) {
      const node = this.#nodeAt(id);
      this.#trail.push(id);
      if (this.#speak(id, node, attempts)) return this.#outcome(id, attempts, node.type === 'hangup');
      id = node.type === 'http' ? this.#takeAnswer(node, yield this.#questionOf(id, node)) : this.#pass(id, node);
      attempts = 0;
    }
    throw new FlowError(`goes through more than ${maxNodes} nodes without waiting for the caller`);
  }

  #nodeAt(id: string): FlowNode {
    const node = Object.hasOwn(this.#flow.nodes, id) ? this.#flow.nodes[id] : undefined;
    if (!node) throw new FlowError('is at a node that this version does not have');
    return node;
  }

  #outcome(node: string, attempts: number, ended: boolean): Outcome {
    const personal = this.#speaker.personal;
    return {
      state: {
        node,
        step: this.#before.step + 1,
        attempts,
        variables: this.#variables,
        consented: this.#consented,
        counts: this.#counts,
        ended,
        marked: this.#before.marked + this.#marks.length,
      },
      verbs: this.#verbs,
      cacheKey: personal ? undefined : `${this.#trail.join('>')}|${attempts > 0}|${this.#consented}`,
      marks: this.#marks,
      messages: this.#messages,
      trail: this.#trail,
    };
  }

  /** The verbs of a node; true when the document ends here. */
  #speak(id: string, node: FlowNode, attempts: number): boolean {
    const verbs = this.#verbs;
    const heard = (prompts: readonly FlowPrompt[] | undefined) => this.#speaker.heard(prompts ?? []);
    switch (node.type) {
      case 'say':
        verbs.push(...heard(node.prompt));
        return false;
      case 'play':
        verbs.push({ verb: 'play', url: node.url, loop: node.loop });
        return false;
      case 'send-sms':
      case 'http':
      case 'hours':
      case 'set':
      case 'branch':
      case 'count':
        return false;
      case 'gather':
      case 'menu':
      case 'consent': {
        const prompts = [...(attempts > 0 ? heard(node.retryPrompt) : []), ...heard(node.prompt)];
        verbs.push(gatherOf(node, prompts, this.#flow), { verb: 'continue' });
        return true;
      }
      case 'dial':
        verbs.push(...heard(node.prompt));
        verbs.push({
          verb: 'dial',
          targets: node.to,
          callerId: node.callerId && this.#speaker.fill(node.callerId),
          timeout: node.timeoutSeconds,
          timeLimit: node.timeLimitSeconds,
          record: node.record && this.#consented,
        });
        this.mark('dialed', id);
        return true;
      case 'agent':
        verbs.push(...heard(node.prompt));
        verbs.push({
          verb: 'dial',
          targets: [{ queue: node.queue }],
          timeout: node.timeoutSeconds,
          record: node.record && this.#consented,
          announces: node.announce !== undefined,
        });
        this.mark('agent-waiting', id, { queue: node.queue });
        return true;
      case 'queue':
        verbs.push(...heard(node.prompt), { verb: 'enqueue', queue: node.queue, maxSize: node.maxSize });
        this.mark('queued', id, { queue: node.queue });
        return true;
      case 'conference':
        verbs.push(...heard(node.prompt));
        verbs.push({
          verb: 'conference',
          room: this.#speaker.fill(node.room) || id,
          moderator: node.moderator,
          muted: node.muted,
          beep: node.beep,
          music: node.music,
          maxParticipants: node.maxParticipants,
          record: node.record && this.#consented,
        });
        this.mark('conference-joined', id);
        return true;
      case 'record':
      case 'voicemail':
        // The check of a flow leaves no way here without consent; a recording is worth a second look.
        if (node.type === 'record' && !this.#consented) throw new FlowError('would record without consent');
        verbs.push(...heard(node.prompt));
        verbs.push({
          verb: 'record',
          maxLength: node.maxSeconds,
          timeout: node.silenceSeconds,
          finishOnKey: node.finishOnKey,
          beep: node.beep,
          transcribe: node.transcribe,
        });
        verbs.push({ verb: 'continue' });
        return true;
      case 'hangup':
        verbs.push(...heard(node.prompt), { verb: 'hangup' });
        this.mark('ended', id, { by: 'flow' });
        return true;
    }
  }

  /** The next node after one that says nothing, or has said it. */
  #pass(id: string, node: FlowNode): string {
    switch (node.type) {
      case 'say':
      case 'play':
        return node.next;
      case 'send-sms':
        this.#sendSms(id, node);
        return node.next;
      case 'set':
        this.#set(
          Object.fromEntries(Object.entries(node.values).map(([name, text]) => [name, this.#fillQuietly(text)])),
        );
        return node.next;
      case 'branch': {
        const value = this.#fillQuietly(node.on);
        return (Object.hasOwn(node.cases, value) ? node.cases[value] : undefined) ?? node.otherwise;
      }
      case 'hours': {
        const opening = openingAt(node, this.#moment.now);
        return opening === 'holiday' ? (node.holiday ?? node.closed) : node[opening];
      }
      case 'count': {
        const passed = (this.#counts[id] ?? 0) + 1;
        if (passed > node.limit) return node.exceeded;
        this.#counts = { ...this.#counts, [id]: passed };
        return node.next;
      }
      case 'agent':
      case 'conference':
      case 'consent':
      case 'dial':
      case 'gather':
      case 'hangup':
      case 'http':
      case 'menu':
      case 'queue':
      case 'record':
      case 'voicemail':
        throw new FlowError(`cannot pass a ${node.type} node without an answer`);
    }
  }

  /** A text that is not heard: it makes no document a personal one. */
  #fillQuietly(text: string): string {
    return fill(text, this.#speaker.values);
  }

  #set(values: Values): void {
    const cleaned = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toValue(value)]));
    this.#variables = { ...this.#variables, ...cleaned };
    this.#speaker.values = { ...this.#variables, ...this.#call };
  }

  #sendSms(id: string, node: FlowNodeOf<'send-sms'>): void {
    const to = this.#fillQuietly(node.to);
    const body = cleanForXml(this.#fillQuietly(node.body)).trim().slice(0, 1600);
    if (!/^\+[1-9]\d{6,14}$/.test(to) || body === '') {
      this.mark('sms-impossible', id);
      return;
    }
    const { from, messagingService, lane } = node;
    this.#messages.push({ node: id, to, from, messagingService, body, lane });
    this.mark('sms-sent', id);
  }

  #questionOf(id: string, { method, url, body, timeoutMs, maxBytes }: FlowNodeOf<'http'>): HttpQuestion {
    return {
      node: id,
      method,
      url: fill(url, this.#speaker.values, encodeURIComponent),
      body:
        method === 'POST'
          ? Object.fromEntries(Object.entries(body ?? {}).map(([name, text]) => [name, this.#fillQuietly(text)]))
          : undefined,
      timeoutMs,
      maxBytes,
    };
  }

  #takeAnswer(node: FlowNodeOf<'http'>, answer: HttpAnswer): string {
    if (!answer.ok) return node.fallback;
    const found: Record<string, string> = {};
    for (const [name, path] of Object.entries(node.saveAs)) {
      const value = fieldAt(answer.json, path.split('.'));
      if (value === undefined) return node.fallback;
      found[name] = value;
    }
    this.#set(found);
    return node.next;
  }

  /** Where the answer to a node leads; `again` asks once more. */
  #targetOf(id: string, node: FlowNode, attempts: number): string {
    const { params } = this.#moment;
    const retry = (target: string) => ('attempts' in node && attempts + 1 < node.attempts ? 'again' : target);
    switch (node.type) {
      case 'gather': {
        const read = readInput(params);
        if (read.kind === 'none') return retry(node.noInput);
        const value = read.kind === 'digits' ? read.digits : read.speech;
        const matches =
          read.kind === 'digits'
            ? node.input.includes('digits') && value.length >= node.minDigits && value.length <= (node.numDigits ?? 40)
            : node.input.includes('speech') && read.confidence >= node.minConfidence;
        if (!matches) return retry(node.noMatch);
        this.#set({ [node.saveAs]: value });
        return node.next;
      }
      case 'menu': {
        const read = readInput(params);
        if (read.kind === 'none') return retry(node.noInput);
        return chosen(node, read) ?? retry(node.noMatch);
      }
      case 'consent': {
        const given = consentIn(node, readInput(params));
        if (given === undefined) return retry(node.denied);
        this.mark(given ? 'consented' : 'declined', id);
        // What was granted once can be taken back at a later node.
        this.#consented = given;
        return given ? node.granted : node.denied;
      }
      case 'dial': {
        const status = params['DialCallStatus'] ?? '';
        this.mark('dial-ended', id, { status: toValue(status), seconds: wholeNumber(params['DialCallDuration']) });
        if (status === 'completed' || status === 'answered') return node.next;
        if (status === 'busy') return node.busy ?? node.noAnswer;
        return status === 'failed' || status === 'canceled' ? (node.failed ?? node.noAnswer) : node.noAnswer;
      }
      case 'agent': {
        const status = params['DialCallStatus'] ?? '';
        const served = status === 'completed' || status === 'answered';
        if (served)
          this.mark('agent-served', id, { queue: node.queue, seconds: wholeNumber(params['DialCallDuration']) });
        return served ? node.next : node.empty;
      }
      case 'queue': {
        const result = params['QueueResult'] ?? '';
        const seconds = wholeNumber(params['QueueTime']);
        this.mark('dequeued', id, { queue: node.queue, result: toValue(result), seconds });
        if (result === 'bridged' || result === 'bridging-in-process') return node.next;
        if (result === 'queue-full') return node.full;
        return result === 'leave' ? (node.timeout ?? node.failed ?? node.full) : (node.failed ?? node.full);
      }
      case 'conference':
        this.mark('conference-left', id);
        return node.next;
      case 'record':
      case 'voicemail': {
        const recordingSid = params['RecordingSid'];
        const seconds = wholeNumber(params['RecordingDuration']);
        if (recordingSid) this.mark('recorded', id, { recordingSid: toValue(recordingSid), seconds, kind: node.type });
        return recordingSid || node.type === 'voicemail' ? node.next : (node.nothing ?? node.next);
      }
      case 'branch':
      case 'count':
      case 'hangup':
      case 'hours':
      case 'http':
      case 'play':
      case 'say':
      case 'send-sms':
      case 'set':
        throw new FlowError(`has an answer to a ${node.type} node, which asks nothing`);
    }
  }
}

function hasHungUp({ CallStatus }: Params): boolean {
  return CallStatus !== undefined && ended.has(CallStatus);
}

const ended = new Set(['completed', 'busy', 'failed', 'no-answer', 'canceled']);

type Read =
  | { readonly kind: 'none' }
  | { readonly kind: 'digits'; readonly digits: string }
  | { readonly kind: 'speech'; readonly speech: string; readonly confidence: number };

function readInput(params: Params): Read {
  const digits = params['Digits'] ?? '';
  // What is neither key nor speech is a wrong answer, not none.
  if (digits !== '') return { kind: 'digits', digits: /^[0-9*#A-D]{1,40}$/.test(digits) ? digits : '' };
  // A key that ends the input, pressed alone.
  if (params['FinishedOnKey']) return { kind: 'digits', digits: '' };
  const speech = toValue(params['SpeechResult'] ?? '').trim();
  if (speech === '') return { kind: 'none' };
  const confidence = Number(params['Confidence'] ?? 1);
  return { kind: 'speech', speech, confidence: Number.isFinite(confidence) ? confidence : 0 };
}

function gatherOf(
  node: FlowNodeOf<'gather'> | FlowNodeOf<'menu'> | FlowNodeOf<'consent'>,
  prompts: readonly Heard[],
  flow: FlowDefinition,
): Gather {
  const phrases = phrasesOf(node);
  const speech = node.type === 'gather' ? node.input.includes('speech') : phrases.length > 0;
  const digits = node.type !== 'gather' || node.input.includes('digits');
  return {
    verb: 'gather',
    input: [...(digits ? (['dtmf'] as const) : []), ...(speech ? (['speech'] as const) : [])],
    timeout: node.timeoutSeconds,
    speechTimeout: speech ? node.speechTimeoutSeconds : undefined,
    numDigits: node.type === 'gather' ? node.numDigits : 1,
    // One key is an answer: none is left to end it, so that # and * can be chosen.
    finishOnKey: node.type === 'gather' && node.finishOnKey !== 'none' ? node.finishOnKey : '',
    hints: speech ? [...node.hints, ...phrases] : [],
    speechLanguage: speech ? (node.speechLanguage ?? languageHeard(flow)) : undefined,
    bargeIn: node.bargeIn,
    prompts,
  };
}

/** What is understood is another list than what is spoken; where it has not the language, Twilio's default is as good. */
function languageHeard(flow: FlowDefinition): string | undefined {
  const language = languageOf(flow);
  return (gatherLanguages as readonly (string | undefined)[]).includes(language) ? language : undefined;
}

function phrasesOf(node: FlowNodeOf<'gather'> | FlowNodeOf<'menu'> | FlowNodeOf<'consent'>): string[] {
  if (node.type === 'gather') return [];
  if (node.type === 'consent') return [...(node.yesPhrases ?? []), ...(node.noPhrases ?? [])];
  return Object.values(node.choices).flatMap((choice) => (typeof choice === 'string' ? [] : (choice.phrases ?? [])));
}

function chosen(node: FlowNodeOf<'menu'>, read: Exclude<Read, { kind: 'none' }>): string | undefined {
  if (read.kind === 'digits') {
    const choice = Object.hasOwn(node.choices, read.digits) ? node.choices[read.digits] : undefined;
    return typeof choice === 'object' ? choice.next : choice;
  }
  const found = Object.values(node.choices).find(
    (choice) => typeof choice === 'object' && isSaid(choice.phrases ?? [], read.speech),
  );
  return typeof found === 'object' ? found.next : undefined;
}

/** Undefined: neither yes nor no. A no wins where both are said: nobody is recorded by mistake. */
function consentIn(node: FlowNodeOf<'consent'>, read: Read): boolean | undefined {
  if (read.kind === 'none') return undefined;
  if (read.kind === 'digits') return read.digits === node.no ? false : read.digits === node.yes ? true : undefined;
  if (isSaid(node.noPhrases ?? [], read.speech)) return false;
  return isSaid(node.yesPhrases ?? [], read.speech) ? true : undefined;
}

/** Whether one of the phrases occurs, as whole words, whatever the punctuation and the case. */
function isSaid(phrases: readonly string[], speech: string): boolean {
  const said = ` ${words(speech)} `;
  return phrases.some((phrase) => words(phrase) !== '' && said.includes(` ${words(phrase)} `));
}

function words(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')
    .trim();
}

/** A text, number or truth value; anything else cannot be said. */
function fieldAt(json: unknown, path: readonly string[]): string | undefined {
  let value = json;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}
