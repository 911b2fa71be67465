import type { Account } from '../accounts.ts';
import { type Call, type DocumentSource, type TranscriptLine } from './call.ts';
import { callForm } from './call-form.rules.ts';
import type { OnTheLine } from './conferences.ts';
import { dial } from './dial.ts';
import { enqueue } from './enqueue.ts';
import { gather } from './gather.ts';
import { record } from './record.ts';
import type { ScriptStep } from './script.ts';
import type { Stage } from './stage.ts';
import { readTwiml, type Verb } from './twiml.rules.ts';

/** Where a call goes on after a verb. */
export type Turn =
  | { readonly to: 'next' }
  | { readonly to: 'document'; readonly url: string; readonly form: Record<string, string> }
  | { readonly to: 'leave' }
  | { readonly to: 'end' };

export const next: Turn = { to: 'next' };
export const end: Turn = { to: 'end' };

/** What ends whatever a call is at: it is over, hears something else, or what it waited for has come. */
export class Interruption extends Error {
  constructor(readonly how: { hangup: true } | { redirect: DocumentSource } | { release: string }) {
    super('interrupted');
  }
}

interface Document {
  readonly verbs: readonly Verb[];
  /** What relative URLs are relative to, and what is asked again when a verb names no action. */
  readonly url: string | null;
}

const SECONDS_A_WORD = 0.4;
const PLAY_SECONDS = 3;
/** How long somebody without a script waits for what does not come. */
export const PATIENCE_S = 600;

const APOLOGY = 'We are sorry, an application error has occurred. Goodbye.';

/** A call that is under way, and the person on it: hears the TwiML, presses keys and speaks by their script. */
export class Performance implements OnTheLine {
  #step = 0;
  #wake: ((interruption: Interruption) => void) | undefined;
  #pending: Interruption | undefined;
  #fellBack = false;

  constructor(
    readonly call: Call,
    readonly account: Account,
    readonly stage: Stage,
    /** Called before the first verb that needs the call to be answered. */
    private readonly answer: () => void,
    /** Called instead when the call is not taken. */
    private readonly reject: (reason: string) => void,
  ) {}

  /** Plays until the last document ends or the call does; `before` comes first. */
  async play(source: DocumentSource, before?: (performance: Performance) => Promise<void>): Promise<void> {
    let at: DocumentSource | undefined = source;
    let first = before;
    while (at) {
      try {
        await first?.(this);
        first = undefined;
        await this.#playFrom(at);
        at = undefined;
      } catch (error) {
        if (!(error instanceof Interruption)) throw error;
        at = 'redirect' in error.how ? error.how.redirect : undefined;
      }
    }
  }

  /** Ends what the call is at, or the next thing it comes to. */
  interrupt(how: Interruption['how']): void {
    const interruption = new Interruption(how);
    if (this.#wake) this.#wake(interruption);
    else this.#pending = interruption;
  }

  release(why: string): void {
    this.interrupt({ release: why });
  }

  /** The next thing the person does, if they have not done all. */
  nextStep(): ScriptStep | undefined {
    return this.call.settings.script[this.#step++];
  }

  peek(): ScriptStep | undefined {
    return this.call.settings.script[this.#step];
  }

  note(line: Omit<TranscriptLine, 'at'>): void {
    this.call.transcript.push({ at: Math.round(this.call.seconds * 10) / 10, ...line });
  }

  hangUp(): never {
    this.note({ event: 'hangs up' });
    throw new Interruption({ hangup: true });
  }

  /** Lets so many seconds of the call pass, unless something happens. */
  async pass(seconds: number): Promise<void> {
    const { call, stage } = this;
    if (this.#pending) {
      const interruption = this.#pending;
      this.#pending = undefined;
      throw interruption;
    }
    const left = call.settings.timeLimit - call.seconds;
    const span = Math.min(seconds, left);
    const begun = performance.now();
    const passed = () => Math.min(span, ((performance.now() - begun) / 1000) * stage.speed);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = reject;
        stage.timers.after((span * 1000) / stage.speed, resolve);
      });
      call.seconds += span;
    } catch (error) {
      call.seconds += passed();
      throw error;
    } finally {
      this.#wake = undefined;
    }
    if (seconds >= left) {
      this.note({ event: 'time limit' });
      throw new Interruption({ hangup: true });
    }
  }

  /** Waits for a release, doing what the script says meanwhile. @returns why it was released; undefined when patience ends */
  async stay(): Promise<string | undefined> {
    try {
      for (;;) {
        const step = this.nextStep();
        if (step === undefined) {
          await this.pass(PATIENCE_S);
          return undefined;
        }
        if ('hangup' in step) this.hangUp();
        if ('wait' in step) await this.pass(step.wait);
        else await this.express(step);
      }
    } catch (error) {
      if (error instanceof Interruption && 'release' in error.how) return error.how.release;
      throw error;
    }
  }

  /** Waits like `stay`, but no longer than until `over` settles. */
  async stayUntil(over: Promise<unknown>): Promise<void> {
    let waits = true;
    void over.then(() => waits && this.release('over'));
    try {
      await this.stay();
    } finally {
      waits = false;
    }
  }

  /** Waits until `over` settles, and does nothing of the script meanwhile. */
  async until(over: Promise<unknown>): Promise<void> {
    let waits = true;
    void over.then(() => waits && this.release('over'));
    try {
      for (;;) await this.pass(PATIENCE_S);
    } catch (error) {
      if (!(error instanceof Interruption && 'release' in error.how)) throw error;
    } finally {
      waits = false;
    }
  }

  /** Says or presses something that nobody asked for. */
  async express(step: ScriptStep): Promise<void> {
    if ('press' in step) {
      this.note({ pressed: step.press });
      await this.pass(0.5);
    } else if ('say' in step) {
      this.note({ said: step.say });
      await this.pass(speakingTime(step.say));
    }
  }

  /** Asks for a document and plays it to its end. @returns how it ended; undefined when there was none to play */
  async hear(url: string, form: Record<string, string>): Promise<Turn | undefined> {
    const verbs = await this.stage.documents.fetch(this.call, this.account, url, { ...callForm(this.call), ...form });
    return verbs && this.#perform({ verbs, url });
  }

  async #playFrom(source: DocumentSource): Promise<void> {
    const { answeredBy } = this.call;
    const form: Record<string, string> = answeredBy === null ? {} : { AnsweredBy: answeredBy };
    let document = 'url' in source ? await this.#load(source.url, form) : this.#inline(source.twiml);
    while (document) {
      const turn = await this.#perform(document);
      document = turn.to === 'document' ? await this.#load(turn.url, turn.form) : undefined;
    }
  }

  #inline(twiml: string): Document | undefined {
    const read = readTwiml(twiml);
    if (read.ok) return { verbs: read.verbs, url: null };
    this.stage.documents.report(this.call, this.account, { code: read.code, url: null, detail: read.why });
    return this.#apologise();
  }

  /** The document, that of the fallback URL, or an apology. */
  async #load(url: string, form: Record<string, string>): Promise<Document | undefined> {
    const { call, account, stage } = this;
    const verbs = await stage.documents.fetch(call, account, url, { ...callForm(call), ...form });
    if (verbs) return { verbs, url };
    const fallback = call.settings.fallbackUrl;
    if (fallback === null || this.#fellBack) return this.#apologise();
    this.#fellBack = true;
    const error = { ErrorCode: String(call.errors.at(-1)?.code ?? ''), ErrorUrl: url };
    return this.#load(fallback, { ...form, ...error });
  }

  #apologise(): Document {
    this.answer();
    this.note({ heard: APOLOGY });
    return { verbs: [], url: null };
  }

  async #perform({ verbs, url }: Document): Promise<Turn> {
    const address = (path: string | undefined): string | undefined => {
      if (path === undefined || path === '') return url ?? undefined;
      return URL.parse(path, url ?? undefined)?.href;
    };
    for (const verb of verbs) {
      const turn = await this.#turn(verb, address);
      if (turn.to !== 'next') return turn;
    }
    return end;
  }

  async #turn(verb: Verb, address: (path: string | undefined) => string | undefined): Promise<Turn> {
    if (verb.name === 'Reject') {
      this.reject(verb.attributes['reason'] ?? 'rejected');
      throw new Interruption({ hangup: true });
    }
    if (verb.name !== 'Pause') this.answer();
    switch (verb.name) {
      case 'Say':
      case 'Play':
      case 'Pause':
        await this.listen(verb);
        return next;
      case 'Gather':
        return gather(this, verb, address);
      case 'Record':
        return record(this, verb, address);
      case 'Dial':
        return dial(this, verb, address);
      case 'Enqueue':
        return enqueue(this, verb, address);
      case 'Leave':
        return { to: 'leave' };
      case 'Hangup':
        this.note({ event: 'is hung up on' });
        return end;
      case 'Redirect': {
        const url = address(verb.text);
        return url === undefined ? next : { to: 'document', url, form: {} };
      }
      default:
        this.note({ event: verb.name });
        return next;
    }
  }

  /** Hears a Say, a Play or a Pause, nested or not. */
  async listen(verb: Verb): Promise<void> {
    const times = Math.max(1, Number(verb.attributes['loop'] ?? 1));
    switch (verb.name) {
      case 'Say':
        for (let time = 0; time < times; time++) {
          this.note({ heard: verb.text });
          await this.pass(speakingTime(verb.text));
        }
        return;
      case 'Play':
        this.note({ heard: `[${verb.attributes['digits'] === undefined ? verb.text : 'tones'}]` });
        await this.pass(PLAY_SECONDS);
        return;
      default: {
        const length = Number(verb.attributes['length'] ?? 1);
        await this.pass(Number.isFinite(length) ? Math.max(0, length) : 1);
      }
    }
  }
}

export const speakingTime = (text: string): number => Math.max(0.5, text.split(' ').length * SECONDS_A_WORD);
