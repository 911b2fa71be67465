import type { FlowDefinition } from '@signalbox/contracts';
import { advance, begin, FlowError, type Outcome, type Params, type Walk } from './interpret.rules.ts';
import type { ScriptLine } from './script.rules.ts';
import { plainText } from './ssml.rules.ts';
import type { Gather, Heard, HttpAnswer, SmsEffect, Verb } from './verbs.ts';

export interface Conversation {
  /** What was said and done, to be printed. */
  readonly lines: readonly string[];
  /** Where the flow did not do what the script expects. */
  readonly faults: readonly string[];
}

/** Has the caller of a script go through a flow; no service, no network, no clock. */
export function converse(flow: FlowDefinition, script: readonly ScriptLine[]): Conversation {
  return new Caller(flow, script).talk();
}

const setup = new Set<ScriptLine['does']>(['from', 'to', 'at', 'answered-by', 'answer']);

class Caller {
  readonly #flow: FlowDefinition;
  readonly #script: readonly ScriptLine[];
  readonly #lines: string[] = [];
  readonly #faults: string[] = [];
  readonly #messages: SmsEffect[] = [];
  readonly #answers = new Map<string, HttpAnswer>();
  readonly #call: Record<string, string> = { From: '+14155550199', To: '+14155550100', CallStatus: 'in-progress' };
  #now = new Date('2026-01-05T12:00:00Z');
  #outcome: Outcome | undefined;
  #heard = '';

  constructor(flow: FlowDefinition, script: readonly ScriptLine[]) {
    this.#flow = flow;
    this.#script = script;
  }

  talk(): Conversation {
    try {
      for (const line of this.#script) this.#take(line);
      if (!this.#outcome) this.#walk(begin(this.#flow, this.#moment({})));
      if (!this.#state().ended) {
        this.#lines.push('  caller    hangs up');
      }
    } catch (error) {
      if (!(error instanceof FlowError)) throw error;
      this.#faults.push(`the flow ${error.message}`);
    }
    return { lines: this.#lines, faults: this.#faults };
  }

  #take(line: ScriptLine): void {
    if (!setup.has(line.does) && !this.#outcome) this.#walk(begin(this.#flow, this.#moment({})));
    switch (line.does) {
      case 'from':
        this.#call['From'] = line.text;
        return;
      case 'to':
        this.#call['To'] = line.text;
        return;
      case 'answered-by':
        this.#call['AnsweredBy'] = line.text;
        return;
      case 'at':
        this.#now = line.time;
        return;
      case 'answer':
        this.#answers.set(line.node, line.ok ? { ok: true, json: line.json } : { ok: false });
        return;
      case 'press':
        return this.#act(line, `presses ${line.text}`, 'gather', (gather) => pressed(gather, line.text));
      case 'say':
        return this.#act(line, `says "${line.text}"`, 'gather', () => ({ SpeechResult: line.text, Confidence: '0.9' }));
      case 'silence':
        return this.#act(line, 'is silent', 'gather', () => ({}));
      case 'dial':
        return this.#act(line, `— the dial: ${line.result}`, 'dial', () => ({
          DialCallStatus: line.result,
          DialCallDuration: String(line.seconds),
        }));
      case 'queue':
        return this.#act(line, `— the queue: ${line.result}`, 'enqueue', () => ({
          QueueResult: line.result,
          QueueTime: String(line.seconds),
        }));
      case 'leave':
        return this.#act(line, 'leaves the conference', 'conference', () => ({}));
      case 'record':
        return this.#act(
          line,
          line.seconds > 0 ? `speaks for ${line.seconds} s` : 'says nothing',
          'record',
          (): Params =>
            line.seconds > 0 ? { RecordingSid: `RE${'0'.repeat(32)}`, RecordingDuration: String(line.seconds) } : {},
        );
      case 'hangup':
        this.#lines.push('  caller    hangs up');
        if (!this.#state().ended)
          this.#walk(advance(this.#flow, this.#state(), this.#moment({ CallStatus: 'completed' })));
        return;
      case 'hears':
        if (!this.#heard.toLowerCase().includes(line.text.toLowerCase()))
          this.#miss(line, `"${line.text}" is not in what the caller heard last: ${this.#heard || 'nothing'}`);
        return;
      case 'node':
        if (this.#state().node !== line.text)
          this.#miss(line, `the call is at ${this.#state().node}, not at ${line.text}`);
        return;
      case 'variable': {
        const value = this.#state().variables[line.name];
        if (value !== line.value) this.#miss(line, `${line.name} is ${value ?? 'not set'}, not ${line.value}`);
        return;
      }
      case 'sms':
        if (!this.#messages.some(({ body }) => body.includes(line.text)))
          this.#miss(line, `no text with "${line.text}" was sent`);
        return;
      case 'consent':
        if (this.#state().consented !== line.given)
          this.#miss(line, `the caller has ${this.#state().consented ? '' : 'not '}consented`);
        return;
      case 'ended':
        if (!this.#state().ended) this.#miss(line, `the call goes on, at ${this.#state().node}`);
        return;
    }
  }

  #act<Kind extends Verb['verb']>(
    line: ScriptLine,
    what: string,
    kind: Kind,
    paramsOf: (verb: Extract<Verb, { verb: Kind }>) => Params,
  ): void {
    const verb = this.#outcome?.verbs.find((one): one is Extract<Verb, { verb: Kind }> => one.verb === kind);
    if (this.#state().ended || !verb) {
      const where = this.#state().ended ? 'the call has ended' : `the call is at ${this.#state().node}`;
      this.#miss(line, `the caller ${what}, but ${where}, which does not wait for that`);
      return;
    }
    this.#lines.push(`  caller    ${what}`);
    this.#walk(advance(this.#flow, this.#state(), this.#moment(paramsOf(verb))));
  }

  #walk(walk: Walk): void {
    let step = walk.next();
    while (!step.done) {
      const { node, method, url } = step.value;
      const answer = this.#answers.get(node) ?? { ok: false };
      this.#lines.push(`  http      ${method} ${url}: ${answer.ok ? JSON.stringify(answer.json) : 'fails'}`);
      step = walk.next(answer);
    }
    const outcome = step.value;
    this.#outcome = outcome;
    this.#heard = outcome.verbs.flatMap(textsOf).join(' ');
    for (const { to, body } of outcome.messages) this.#lines.push(`  sms       to ${to}: ${body}`);
    this.#messages.push(...outcome.messages);
    for (const verb of outcome.verbs) this.#lines.push(...shown(verb));
  }

  #state() {
    if (!this.#outcome) throw new FlowError('has not begun');
    return this.#outcome.state;
  }

  #moment(params: Params) {
    return { params: { ...this.#call, ...params }, now: this.#now };
  }

  #miss({ line }: ScriptLine, problem: string): void {
    this.#faults.push(`line ${line}: ${problem}`);
  }
}

/** What of the pressed keys Twilio would send. */
function pressed({ numDigits, finishOnKey }: Gather, keys: string): Params {
  const end = finishOnKey === '' ? -1 : keys.indexOf(finishOnKey);
  const digits = (end === -1 ? keys : keys.slice(0, end)).slice(0, numDigits);
  return { Digits: digits, ...(end !== -1 && { FinishedOnKey: finishOnKey }) };
}

function textsOf(verb: Verb): string[] {
  if (verb.verb === 'gather') return verb.prompts.flatMap(textOf);
  return verb.verb === 'say' || verb.verb === 'play' || verb.verb === 'pause' ? textOf(verb) : [];
}

function textOf(heard: Heard): string[] {
  if (heard.verb === 'say') return [plainText(heard.parts).replace(/\s+/g, ' ').trim()];
  return heard.verb === 'play' ? [`♪ ${heard.url}`] : [];
}

function shown(verb: Verb): string[] {
  const flow = (text: string) => `  flow      ${text}`;
  switch (verb.verb) {
    case 'say':
    case 'play':
    case 'pause':
      return textOf(verb).map(flow);
    case 'gather':
      return verb.prompts.flatMap(textOf).map(flow);
    case 'dial':
      return [flow(`calls ${verb.targets.map((target) => Object.values(target).join()).join(', ')}`)];
    case 'enqueue':
      return [flow(`puts the caller into the queue ${verb.queue}`)];
    case 'conference':
      return [flow(`connects with the conference ${verb.room}`)];
    case 'record':
      return [flow('records')];
    case 'hangup':
      return [flow('hangs up')];
    case 'transfer':
    case 'leave':
    case 'continue':
      return [];
  }
}
