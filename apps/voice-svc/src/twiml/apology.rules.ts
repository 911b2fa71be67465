import type { FlowDefinition, FlowPrompt } from '@signalbox/contracts';
import type { TenantVoice } from '@signalbox/tenants';
import { parseSsml, type SsmlPart } from '../flow/ssml.rules.ts';
import { fill } from '../flow/text.rules.ts';
import type { Heard, Verb } from '../flow/verbs.ts';
import { languageOf } from '../flow/voices.rules.ts';

const sentences: Readonly<Record<string, string>> = {
  da: 'Der er desværre opstået en teknisk fejl. Prøv venligst at ringe igen senere.',
  de: 'Leider ist ein technischer Fehler aufgetreten. Bitte rufen Sie später noch einmal an.',
  en: 'We are sorry, we have a technical problem. Please call again later.',
  es: 'Lo sentimos, tenemos un problema técnico. Por favor, vuelva a llamar más tarde.',
  fi: 'Pahoittelemme, meillä on tekninen ongelma. Soittakaa myöhemmin uudelleen.',
  fr: 'Nous sommes désolés, un problème technique est survenu. Veuillez rappeler plus tard.',
  it: 'Ci scusiamo, si è verificato un problema tecnico. La preghiamo di richiamare più tardi.',
  ja: '申し訳ございません。技術的な問題が発生しました。後ほどおかけ直しください。',
  nb: 'Beklager, vi har et teknisk problem. Vennligst ring igjen senere.',
  nl: 'Onze excuses, er is een technische storing. Belt u later nog eens.',
  pl: 'Przepraszamy, wystąpił problem techniczny. Prosimy zadzwonić później.',
  pt: 'Lamentamos, ocorreu um problema técnico. Por favor, ligue mais tarde.',
  sv: 'Tyvärr har vi ett tekniskt problem. Ring gärna igen senare.',
};

/**
 * What a caller gets when something of ours fails: in their language as far as it is known, and on to a person where the
 * flow or the tenant names one.
 */
export function apologise(definition: FlowDefinition | undefined, voice: TenantVoice | undefined): readonly Verb[] {
  const number = definition?.transferTo ?? voice?.fallbackNumber;
  return [heardOf(definition, voice), number === undefined ? { verb: 'hangup' } : { verb: 'transfer', number }];
}

function heardOf(definition: FlowDefinition | undefined, tenant: TenantVoice | undefined): Heard {
  if (definition?.apology !== undefined) return heard(definition.apology, definition);
  const own = tenant?.apology;
  if (own) return say([own.text], own);
  const speaker = definition ?? {};
  const language = languageOf(speaker) ?? 'en-US';
  const sentence = sentences[language.split('-')[0] ?? ''];
  // In a language we have no sentence for, its voice would read English badly.
  return sentence === undefined ? say([sentences['en'] ?? ''], { language: 'en-US' }) : say([sentence], speaker);
}

interface Speaker {
  readonly voice?: string | undefined;
  readonly language?: string | undefined;
}

function heard(prompt: FlowPrompt, flow: Speaker): Heard {
  if (typeof prompt === 'string') return say([fill(prompt, {})], flow);
  if ('play' in prompt) return { verb: 'play', url: prompt.play, loop: prompt.loop };
  if ('pause' in prompt) return { verb: 'pause', seconds: prompt.pause };
  const speaker = prompt.voice || prompt.language ? prompt : flow;
  if ('say' in prompt) return say([fill(prompt.say, {})], speaker);
  const parsed = parseSsml(fill(prompt.ssml, {}));
  return say(parsed.ok ? parsed.parts : [], speaker);
}

function say(parts: readonly SsmlPart[], { voice, language }: Speaker): Heard {
  return voice ? { verb: 'say', parts, voice } : { verb: 'say', parts, language };
}
