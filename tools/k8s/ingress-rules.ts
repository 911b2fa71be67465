import type { Resource } from './manifest-rules.ts';

/** Where Twilio waits for a document while a caller hears nothing. */
const documentRoute = /^\/twilio\/voice\/(inbound|twiml|menu)\b/;

/** Seconds after which Twilio gives a document up (11200). Source: https://www.twilio.com/docs/api/errors/11200 */
const twilioWaits = 15;

/** What one try may take, and until when another one may begin. */
const limits = ['next-upstream-timeout', 'connect-timeout', 'send-timeout', 'read-timeout'];

/** Whether what an Ingress tries again and again could be over only when Twilio waits no more. */
export function waitFaults({ kind, metadata, spec }: Resource): string[] {
  if (kind !== 'Ingress') return [];
  const { rules = [] } = spec as { rules?: { http: { paths: { path?: string }[] } }[] };
  const paths = rules.flatMap(({ http }) => http.paths.map(({ path }) => path ?? ''));
  if (!paths.some((path) => documentRoute.test(path))) return [];
  const { annotations = {} } = metadata as { annotations?: Readonly<Record<string, string>> };
  const seconds = limits.map((limit) => Number(annotations[`nginx.ingress.kubernetes.io/proxy-${limit}`]));
  const unlimited = limits.filter((_limit, index) => !((seconds[index] ?? 0) > 0));
  const title = `Ingress/${metadata.name}`;
  if (unlimited.length > 0) return unlimited.map((limit) => `${title}: no proxy-${limit}, and Twilio waits for it`);
  // The last try begins right before no other may.
  const worst = seconds.reduce((sum, one) => sum + one, 0);
  return worst < twilioWaits ? [] : [`${title}: may take ${worst} s, and Twilio waits for ${twilioWaits}`];
}
