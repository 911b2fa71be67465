import { sharedParameters, type RefusalClass, refusals } from './refusal.data.ts';

/** @param message names the parameter of 60200, as Twilio documents: "Invalid parameter: To" */
export function classOfRefusal(code: number | null, httpStatus: number, message: string): RefusalClass {
  if (code === 60200) return sharedParameters.has(invalidParameter(message) ?? '') ? 'final' : 'next';
  const known = code === null ? undefined : refusals.get(code);
  if (known) return known;
  if (httpStatus === 401 || httpStatus === 403) return 'later';
  // What is not known may be the channel's fault, and trying another costs a call.
  return 'next';
}

function invalidParameter(message: string): string | undefined {
  return /^Invalid parameter:? [`"']?(\w+)/.exec(message)?.[1];
}
