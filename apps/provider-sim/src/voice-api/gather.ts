import { next, type Performance, speakingTime, type Turn } from './performance.ts';
import type { Verb } from './twiml.rules.ts';

const DEFAULT_TIMEOUT_S = 5;

/** Hears the prompt, then presses or says the next thing of the script; without one it times out and goes on. */
export async function gather(
  person: Performance,
  { attributes, children }: Verb,
  address: (path: string | undefined) => string | undefined,
): Promise<Turn> {
  for (const prompt of children) await person.listen(prompt);

  const timeout = Number(attributes['timeout'] ?? DEFAULT_TIMEOUT_S);
  const seconds = Number.isFinite(timeout) ? timeout : DEFAULT_TIMEOUT_S;
  const input = await inputOf(person, (attributes['input'] ?? 'dtmf').split(' '), attributes, seconds);
  const action = address(attributes['action']);
  if (input === undefined) {
    if (attributes['actionOnEmptyResult'] !== 'true' || action === undefined) return next;
    return { to: 'document', url: action, form: { Digits: '' } };
  }
  return action === undefined ? next : { to: 'document', url: action, form: input };
}

async function inputOf(
  person: Performance,
  kinds: readonly string[],
  { finishOnKey = '#', numDigits }: Readonly<Record<string, string>>,
  timeout: number,
): Promise<Record<string, string> | undefined> {
  let left = timeout;
  for (;;) {
    const step = person.nextStep();
    if (step === undefined || 'silence' in step) {
      await person.pass(left);
      return undefined;
    }
    if ('hangup' in step) person.hangUp();
    if ('wait' in step) {
      await person.pass(Math.min(step.wait, left));
      left -= step.wait;
      if (left <= 0) return undefined;
    } else if ('press' in step && kinds.includes('dtmf')) {
      person.note({ pressed: step.press });
      await person.pass(0.5);
      return digits(step.press, finishOnKey, Number(numDigits ?? Infinity));
    } else if ('say' in step && kinds.includes('speech')) {
      person.note({ said: step.say });
      await person.pass(speakingTime(step.say));
      return { SpeechResult: step.say, Confidence: String(step.confidence) };
    } else {
      // Not what was asked for: nobody listens.
      await person.express(step);
      await person.pass(left);
      return undefined;
    }
  }
}

/** The finishing key is told apart, and is not among the digits. */
function digits(pressed: string, finishOnKey: string, most: number): Record<string, string> {
  const keys = [...pressed];
  const finish = keys.findIndex((key, at) => at < most && finishOnKey !== '' && finishOnKey.includes(key));
  if (finish >= 0) return { Digits: keys.slice(0, finish).join(''), FinishedOnKey: keys[finish] ?? '' };
  return { Digits: keys.slice(0, most).join('') };
}
