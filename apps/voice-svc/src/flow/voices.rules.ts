import { pollyVoices } from '@signalbox/contracts';

const languageOfVoice = new Map<string, string>(
  Object.entries(pollyVoices).flatMap(([language, names]) => names.map((name) => [`Polly.${name}`, language] as const)),
);

/** What a Polly voice speaks. */
export function spokenBy(voice: string): string | undefined {
  return languageOfVoice.get(voice);
}

/** The language of a flow or a prompt: its voice's, or the one it names. */
export function languageOf(speaker: {
  readonly voice?: string | undefined;
  readonly language?: string | undefined;
}): string | undefined {
  return speaker.voice === undefined ? speaker.language : spokenBy(speaker.voice);
}
