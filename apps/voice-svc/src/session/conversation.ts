import { hash } from 'node:crypto';
import type { EventProducer } from '@signalbox/kafka';
import type { Tenant } from '@signalbox/tenants';
import type { Logger } from '@signalbox/telemetry';
import { documentOverrides, voiceCallbackUrl } from '@signalbox/twilio';
import type { Flow } from '../flow/flow.ts';
import type { FlowBook } from '../flow/flow-book.ts';
import {
  advance,
  announce,
  begin,
  type Moment,
  type Outcome,
  type Params,
  repeat,
  waitIn,
  type Walk,
} from '../flow/interpret.rules.ts';
import type { HttpAnswer, HttpQuestion } from '../flow/verbs.ts';
import { apologise } from '../twiml/apology.rules.ts';
import { DocumentTemplate, type Links } from '../twiml/document.ts';
import { apologies, direct, questions, steps, storing } from '../twiml/metrics.ts';
import { type Place, StateSeal } from '../twiml/sealed-state.ts';
import type { Questions } from './questions.ts';
import type { Step } from './step.ts';
import { StoreAway, type StepStore, StoreTooSlow } from './step-store.ts';
import { stepEvents } from './step.events.ts';
import { TooSlow, within } from './within.ts';

/** A request for TwiML, whose sender is proven. */
export interface CallRequest {
  readonly tenant: Tenant;
  readonly callSid: string;
  readonly params: Params;
  /** The body as it came. */
  readonly body: string;
}

export interface ConversationOptions {
  /** Where the provider reaches this service. */
  readonly base: string;
  /** Where it reaches webhook-ingest. */
  readonly callbackBase: string;
  readonly patienceMs: number;
}

/** What is known of a call by the time its request fails. */
interface Seen {
  flow?: Flow;
}

interface Found {
  readonly place: Place;
  readonly flow: Flow;
  readonly earlier?: string;
}

/** What questions to other servers may take in all, before one document. */
const questionBudgetMs = 5_000;

/** Nothing is there to answer this call with. */
class NoFlow extends Error {
  override readonly name = 'NoFlow';
}

/** The state of a call is known neither from its URL nor from the database. */
class Lost extends Error {
  override readonly name = 'Lost';
}

/**
 * Leads calls through their flows. Whatever happens, a caller gets a document: where the flow cannot go on, an apology, and a
 * person if there is one. The URL of each document says where the call is, so that a call goes on while the database is away.
 */
export class Conversation {
  readonly #seal = new StateSeal();

  constructor(
    private readonly options: ConversationOptions,
    private readonly flows: FlowBook,
    private readonly store: StepStore,
    private readonly questions: Questions,
    private readonly producer: EventProducer,
    private readonly log: Logger,
  ) {}

  /** A call begins with a flow; asked again it is the same document. @param name undefined: no flow is meant for it */
  begin(request: CallRequest, name: string | undefined, callId: string | null): Promise<string> {
    return this.#answer(request, async (seen) => {
      const flow = name === undefined ? undefined : await this.flows.active(request.tenant.name, name);
      if (!flow) throw new NoFlow(name === undefined ? 'no flow is meant for this number' : `no flow is named ${name}`);
      seen.flow = flow;
      return this.#take(request, flow, callId, begin(flow.definition, this.#moment(request)));
    });
  }

  /** The answer to a document. @param step its number, @param sealed its place, both from the URL */
  advance(request: CallRequest, step: number, sealed: string): Promise<string> {
    return this.#answer(request, async (seen) => {
      const { place, flow, earlier } = await this.#placeOf(request, step, sealed, seen);
      if (earlier !== undefined) return earlier;
      const walk = advance(flow.definition, place.state, this.#moment(request));
      return this.#take(request, flow, place.callId, walk);
    });
  }

  /** Once more what the caller was asked last: the provider could not get what was to come next. */
  resume(request: CallRequest, step: number, sealed: string): Promise<string> {
    return this.#answer(request, async (seen) => {
      const { place, flow } = await this.#placeOf(request, step, sealed, seen);
      const outcome = await this.#walk(request, flow, repeat(flow.definition, place.state, this.#moment(request)));
      // It is the same step still: the answer to it has not been taken.
      return this.#document(request, flow, place.callId, { ...outcome, state: place.state });
    });
  }

  /** What a caller in a queue hears. */
  wait(request: CallRequest, step: number, sealed: string): Promise<string> {
    return this.#aside(request, step, sealed, waitIn);
  }

  /** What the caller of a queue hears before they are connected; the request is of their call, the place an agent's. */
  announce(request: CallRequest, agentCallSid: string, step: number, sealed: string): Promise<string> {
    return this.#aside({ ...request, callSid: agentCallSid }, step, sealed, announce);
  }

  /** A document beside the way of the call, which changes nothing. */
  #aside(request: CallRequest, step: number, sealed: string, speak: typeof waitIn): Promise<string> {
    return this.#answer(
      request,
      async (seen) => {
        const { place, flow } = await this.#placeOf(request, step, sealed, seen);
        const verbs = speak(flow.definition, place.state, this.#moment(request));
        return new DocumentTemplate(verbs).with(this.#links(request, place));
      },
      // Who waits goes on waiting.
      () => new DocumentTemplate([{ verb: 'pause', seconds: 10 }]),
    );
  }

  async #answer(
    request: CallRequest,
    work: (seen: Seen) => Promise<string>,
    otherwise?: () => DocumentTemplate,
  ): Promise<string> {
    const seen: Seen = {};
    try {
      return await work(seen);
    } catch (err) {
      const reason = reasonOf(err);
      apologies.inc({ tenant: request.tenant.name, reason });
      const { callSid, tenant } = request;
      const flow = seen.flow && `${seen.flow.name} ${seen.flow.version}`;
      this.log.error({ err, callSid, tenant: tenant.name, flow, reason }, 'a caller hears an apology');
      const apology = otherwise?.() ?? new DocumentTemplate(apologise(seen.flow?.definition, tenant.voice));
      return apology.with(noLinks);
    }
  }

  /** Where the call is, and its flow; or what it was told when this request came first. */
  async #placeOf(request: CallRequest, step: number, sealed: string, seen: Seen): Promise<Found> {
    const opened = this.#seal.open(sealed, request.callSid, request.tenant.twilio.authTokens);
    // Known as soon as can be: an apology is in its language.
    if (opened) seen.flow = await this.#flowOf(request, opened.place);
    if (opened?.complete && seen.flow) return { place: opened.place, flow: seen.flow };
    // The token it was sealed with has been rotated away since, or there was too much to be carried.
    const row = await within(this.options.patienceMs, this.store.place(request.tenant.name, request.callSid));
    if (!row) throw new Lost('neither the URL nor the database knows the call');
    const flow = (seen.flow = await this.#flowOf(request, row));
    // What comes late from a flow that the call has left is no answer to the one it is in.
    const isHere = !opened || opened.place.flow === row.flow;
    if (isHere && row.state.step === step) return { place: row, flow };
    if (isHere && row.state.step < step) throw new Lost('the database has not heard of the call for a while');
    // This was asked before: by now nobody hears more than what the call was told last.
    return { place: row, flow, earlier: row.document };
  }

  async #flowOf({ tenant }: CallRequest, { flow: name, version }: Place): Promise<Flow> {
    const flow = await this.flows.version(tenant.name, name, version);
    if (!flow) throw new NoFlow(`no version ${version} of the flow ${name}`);
    return flow;
  }

  #moment({ params }: CallRequest): Moment {
    return { params, now: new Date() };
  }

  async #walk(request: CallRequest, flow: Flow, walk: Walk): Promise<Outcome> {
    const deadline = performance.now() + questionBudgetMs;
    let step = walk.next();
    while (!step.done) step = walk.next(await this.#ask(request, flow, step.value, deadline - performance.now()));
    return step.value;
  }

  async #ask(
    { tenant, callSid }: CallRequest,
    flow: Flow,
    question: HttpQuestion,
    budgetMs: number,
  ): Promise<HttpAnswer> {
    try {
      const token = hash('sha256', `${callSid} ${question.node} ${question.url}`, 'base64url');
      const answer = await this.questions.ask(tenant.name, question, token, budgetMs);
      questions.inc({ result: 'answered' });
      return answer;
    } catch (err) {
      questions.inc({ result: 'failed' });
      this.log.warn(
        { err, tenant: tenant.name, flow: flow.name, node: question.node },
        'an http node has no answer, its fallback is taken',
      );
      return { ok: false };
    }
  }

  /** Goes a step on, once: whoever asked first, everybody gets the document that was made then. */
  async #take(request: CallRequest, flow: Flow, callId: string | null, walk: Walk): Promise<string> {
    const outcome = await this.#walk(request, flow, walk);
    const document = this.#document(request, flow, callId, outcome);
    const node = flow.definition.nodes[outcome.state.node];
    const at = new Date().toISOString();
    const waiting = !outcome.state.ended;
    const step: Step = {
      callSid: request.callSid,
      tenant: request.tenant.name,
      callId,
      flow: flow.name,
      version: flow.version,
      state: outcome.state,
      digest: hash('sha1', request.body, 'buffer'),
      document,
      queue: waiting && node?.type === 'queue' ? node.queue : null,
      conference: waiting && node?.type === 'conference' ? outcome.state.node : null,
      at,
      events: stepEvents(request, flow, callId, outcome, at),
    };
    const since = performance.now();
    try {
      const taken = await this.store.take(step);
      storing.observe((performance.now() - since) / 1000);
      steps.inc({ result: taken.outcome });
      return taken.document;
    } catch (err) {
      steps.inc({ result: 'unstored' });
      if (!(err instanceof StoreAway))
        this.log.warn({ err, callSid: step.callSid }, 'a step was not stored, the call goes on');
      this.#tellDirectly(step);
      return document;
    }
  }

  /** Past the outbox, which is in the database. What this repeats has the same ids, and is taken once. */
  #tellDirectly({ callSid, events }: Step): void {
    for (const { topic, key, event } of events) {
      this.producer.publish(topic, { key, event }).then(
        () => direct.inc({ result: 'published' }),
        (err: unknown) => {
          direct.inc({ result: 'lost' });
          this.log.error({ err, callSid, type: event.type, eventId: event.id }, 'an event of a call is lost');
        },
      );
    }
  }

  #document(request: CallRequest, flow: Flow, callId: string | null, outcome: Outcome): string {
    const { cacheKey, verbs, state } = outcome;
    const template = flow.documents.template(cacheKey, verbs);
    return template.with(this.#links(request, { flow: flow.name, version: flow.version, state, callId }));
  }

  #links({ callSid, tenant }: CallRequest, place: Place): Links {
    const { base, callbackBase } = this.options;
    const { callId } = place;
    const sealed = this.#seal.seal(place, callSid, tenant.twilio.authTokens[0] ?? '');
    const here = `${base}/twilio/voice/menu/${place.state.step}`;
    // In the query: routers keep the parts of a path short.
    const at = `?at=${sealed}${documentOverrides}`;
    return {
      next: `${here}${at}`,
      wait: `${here}/wait${at}`,
      announce: `${here}/announce/${callSid}${at}`,
      status: voiceCallbackUrl(callbackBase, 'status', { callId }),
      recording: voiceCallbackUrl(callbackBase, 'recording', { callId }),
      transcription: voiceCallbackUrl(callbackBase, 'transcription', { callId }),
    };
  }
}

const noLinks: Links = { next: '', wait: '', announce: '', status: '', recording: '', transcription: '' };

function reasonOf(error: unknown): string {
  if (error instanceof NoFlow) return 'no_flow';
  if (error instanceof Lost) return 'lost';
  if (error instanceof TooSlow || error instanceof StoreTooSlow) return 'slow';
  return error instanceof Error && error.name === 'FlowError' ? 'flow' : 'failed';
}
