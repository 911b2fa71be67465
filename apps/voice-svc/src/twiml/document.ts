import twilio from 'twilio';
import type { SsmlPart } from '../flow/ssml.rules.ts';
import { cleanForXml } from '../flow/text.rules.ts';
import type { Gather, Heard, Verb } from '../flow/verbs.ts';

const { VoiceResponse } = twilio.twiml;
type Voice = InstanceType<typeof VoiceResponse>;

/** Where a document leads, in the names of what is called there. */
export interface Links {
  /** The answer to this document. */
  readonly next: string;
  /** What a caller in a queue hears. */
  readonly wait: string;
  /** What the caller of a queue hears right before they are connected. */
  readonly announce: string;
  /** Callbacks to the edge. */
  readonly status: string;
  readonly recording: string;
  readonly transcription: string;
}

const names = ['next', 'wait', 'announce', 'status', 'recording', 'transcription'] as const;

/** Stands for a link until a document is handed out; nothing in it needs to be escaped. */
const standIn = (name: string) => `https://link.invalid/${name}`;
const standIns = Object.fromEntries(names.map((name) => [name, standIn(name)])) as unknown as Links;
const anyStandIn = /https:\/\/link\.invalid\/(next|wait|announce|status|recording|transcription)/;

/** A document without its links: for one text of a flow, the same for every call. */
export class DocumentTemplate {
  /** Text and name of a link by turns. */
  readonly #parts: readonly string[];

  constructor(verbs: readonly Verb[]) {
    this.#parts = renderVerbs(verbs, standIns).split(anyStandIn);
  }

  /** @param links must be URLs: of what is special in XML they have ampersands at most */
  with(links: Links): string {
    let text = '';
    this.#parts.forEach((part, index) => {
      text += index % 2 === 0 ? part : links[part as keyof Links].replaceAll('&', '&amp;');
    });
    return text;
  }
}

/** The XML, by the SDK's builder, without what XML cannot hold even escaped: whatever the texts are, it is well-formed. */
export function renderVerbs(verbs: readonly Verb[], links: Links): string {
  const response = new VoiceResponse();
  for (const verb of verbs) append(response, verb, links);
  return cleanForXml(response.toString());
}

function append(response: Voice, verb: Verb, links: Links): void {
  switch (verb.verb) {
    case 'say':
    case 'play':
    case 'pause':
      hear(response, verb);
      return;
    case 'gather':
      gather(response, verb, links);
      return;
    case 'dial': {
      const dial = response.dial({
        action: links.next,
        timeout: verb.timeout,
        ...(verb.targets.some((target) => !('queue' in target)) && { answerOnBridge: true }),
        ...(verb.timeLimit !== undefined && { timeLimit: verb.timeLimit }),
        ...(verb.callerId && { callerId: verb.callerId }),
        ...(verb.record && recorded(links)),
      });
      for (const target of verb.targets) {
        if ('number' in target) dial.number(target.number);
        else if ('sip' in target) dial.sip(target.sip);
        else if ('client' in target) dial.client(target.client);
        else dial.queue(verb.announces ? { url: links.announce } : {}, target.queue);
      }
      return;
    }
    case 'enqueue':
      response.enqueue({ action: links.next, waitUrl: links.wait, maxQueueSize: verb.maxSize }, verb.queue);
      return;
    case 'conference':
      response.dial({ action: links.next }).conference(
        {
          startConferenceOnEnter: verb.moderator,
          endConferenceOnExit: verb.moderator,
          muted: verb.muted,
          beep: verb.beep ? 'true' : 'false',
          maxParticipants: verb.maxParticipants,
          statusCallback: links.status,
          statusCallbackEvent: ['start', 'end', 'join', 'leave'],
          ...(verb.music && { waitUrl: verb.music, waitMethod: 'GET' }),
          ...(verb.record && { record: 'record-from-start', recordingStatusCallback: links.recording }),
        },
        cleanForXml(verb.room),
      );
      return;
    case 'record':
      response.record({
        action: links.next,
        maxLength: verb.maxLength,
        timeout: verb.timeout,
        finishOnKey: verb.finishOnKey,
        playBeep: verb.beep,
        recordingStatusCallback: links.recording,
        ...(verb.transcribe && { transcribe: true, transcribeCallback: links.transcription }),
      });
      return;
    case 'continue':
      response.redirect(links.next);
      return;
    case 'transfer':
      response.dial(verb.number);
      return;
    case 'leave':
      response.leave();
      return;
    case 'hangup':
      response.hangup();
      return;
  }
}

const recorded = ({ recording }: Links) => ({
  record: 'record-from-answer-dual' as const,
  recordingStatusCallback: recording,
});

function gather(response: Voice, verb: Gather, links: Links): void {
  const hints = verb.hints.join(',');
  const element = response.gather({
    action: links.next,
    input: [...verb.input],
    timeout: verb.timeout,
    // Else a caller who does nothing would fall through to the next verb, and Twilio would tell nobody.
    actionOnEmptyResult: true,
    finishOnKey: verb.finishOnKey,
    bargeIn: verb.bargeIn,
    ...(verb.numDigits !== undefined && verb.input.includes('dtmf') && { numDigits: verb.numDigits }),
    ...(verb.input.includes('speech') && {
      speechTimeout: verb.speechTimeout === undefined ? 'auto' : String(verb.speechTimeout),
      ...(verb.speechLanguage && { language: verb.speechLanguage as 'en-US' }),
      ...(hints && { hints }),
    }),
  });
  for (const prompt of verb.prompts) hear(element, prompt);
}

type Hearer = Pick<Voice, 'say' | 'play' | 'pause'>;

function hear(element: Hearer, heard: Heard): void {
  switch (heard.verb) {
    case 'say': {
      const say = element.say(
        {
          ...(heard.voice && { voice: heard.voice as 'Polly.Amy' }),
          ...(heard.language && { language: heard.language as 'en-US' }),
        },
        '',
      );
      speak(say, heard.parts);
      return;
    }
    case 'play':
      element.play({ loop: heard.loop }, heard.url);
      return;
    case 'pause':
      element.pause({ length: heard.seconds });
      return;
  }
}

/** What every element of the builder can, SSML's too. */
interface XmlElement {
  addText(text: string): void;
  addChild(tag: string, attributes: object): XmlElement;
}

function speak(element: XmlElement, parts: readonly SsmlPart[]): void {
  for (const part of parts) {
    if (typeof part !== 'string') speak(element.addChild(part.tag, part.attributes), part.children);
    else if (cleanForXml(part) !== '') element.addText(cleanForXml(part));
  }
}

/** Templates by what they were made of; what is rendered once is rendered for all calls. */
export class DocumentCache {
  readonly #templates = new Map<string, DocumentTemplate>();

  constructor(private readonly maxTemplates = 5000) {}

  /** @param key undefined: there is something of the call itself in it, and it is made anew */
  template(key: string | undefined, verbs: readonly Verb[]): DocumentTemplate {
    if (key === undefined) return new DocumentTemplate(verbs);
    const known = this.#templates.get(key);
    if (known) return known;
    const made = new DocumentTemplate(verbs);
    if (this.#templates.size >= this.maxTemplates) this.#templates.delete(this.#templates.keys().next().value ?? key);
    this.#templates.set(key, made);
    return made;
  }
}
