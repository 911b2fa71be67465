import { createHash } from 'node:crypto';
import { failpoints, onCommit, type OutgoingEvent, type Transaction } from '@signalbox/persistence';
import { deltasOf } from '../deliverability/count.rules.ts';
import { deltasWrite } from '../deliverability/count.store.ts';
import { toEngagement } from '../email/email.events.ts';
import { type Email, remark, type Remark, type Step, unchanged } from '../email/email.ts';
import { idsOfProviderKeys, learnSmtpIds, lock, type ProviderKey, providerKey, save } from '../email/email.store.ts';
import { keysOf, knownEvents } from '../email/history.store.ts';
import { callbackOutcomes, countSteps, countSuppressions, doubleSends, engagements } from '../metrics.ts';
import { isErased } from '../retention/retention.rules.ts';
import { provedByEvent } from '../suppression/proof.rules.ts';
import { applyRequests } from '../suppression/suppression.store.ts';
import {
  advance,
  engagementOf,
  type EventOutcome,
  isNews,
  localPartOf,
  messageIdOf,
  occurrenceOf,
  sgMessageIdOf,
  smtpIdOf,
} from './progress.rules.ts';
import type { Callback } from './unmatched.store.ts';

/** An event and the email it speaks of, as it was locked. */
interface Matched {
  readonly callback: Callback;
  readonly email: Email;
  /** What tells the occurrence from others of the email. */
  readonly eventId: string;
}

interface Applied extends Matched {
  readonly step: Step;
  readonly outcome: EventOutcome;
}

/** Applies events to the emails they speak of; returns those that speak of none. */
export async function applyEvents(
  tx: Transaction,
  callbacks: readonly Callback[],
): Promise<{ strays: Callback[]; matched: Callback[] }> {
  const { matched, strays } = await lockEmails(tx, callbacks);
  const now = new Date();
  const { applied, steps, told } = applyInOrder(matched, await repeatsAmong(tx, matched), now);
  await save(tx, steps, [deltasWrite(deltasOf(steps, now))], told);
  await learnSmtpIds(tx, matched.flatMap(unexpectedSmtpId));
  // A repeat proves nothing new, and what proves something need not be about an email of ours.
  const proofs = [
    ...applied.map(({ callback, email }) => ({ data: callback.data, emailId: email.id })),
    ...strays.map(({ data }) => ({ data, emailId: null })),
  ];
  const suppressions = await applyRequests(
    tx,
    proofs.flatMap((proof) => provedByEvent(proof) ?? []),
  );
  onCommit(tx, () => {
    for (const one of applied) count(one);
    callbackOutcomes.inc({ outcome: 'repeated' }, matched.length - applied.length);
    countSuppressions(suppressions);
    countSteps(steps);
    failpoints.reached('progress.committed');
  });
  return { strays, matched: matched.map(({ callback }) => callback) };
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Finds by our id from the custom arguments, else by the provider's and the recipient; locks all in one order. */
async function lockEmails(
  tx: Transaction,
  callbacks: readonly Callback[],
): Promise<{ matched: Matched[]; strays: Callback[] }> {
  const withKeys = callbacks.map((callback) => {
    const { correlationId } = callback.data;
    const ours = correlationId !== null && uuid.test(correlationId) ? correlationId.toLowerCase() : undefined;
    return { callback, ours, keys: ours === undefined ? providerKeysOf(callback) : [] };
  });
  const idOf = await idsOfProviderKeys(
    tx,
    withKeys.flatMap(({ keys }) => keys),
  );
  const found = withKeys.map(({ callback, ours, keys }) => {
    return { callback, id: ours ?? keys.map((key) => idOf.get(providerKey(key))).find((id) => id !== undefined) };
  });
  const emails = await lock(
    tx,
    found.flatMap(({ id }) => id ?? []),
  );
  const matched: Matched[] = [];
  const strays: Callback[] = [];
  for (const { callback, id } of found) {
    const email = emails.get(id ?? '');
    // A signature vouches for its own tenant only.
    if (email?.tenant === callback.data.tenant) matched.push({ callback, email, eventId: digest(callback) });
    else strays.push(callback);
  }
  return { matched, strays };
}

function providerKeysOf({ data }: Callback): ProviderKey[] {
  const recipient = data.email.trim().toLowerCase();
  if (recipient === '') return [];
  const sids = new Set([messageIdOf(data), smtpIdOf(data)].filter((sid) => sid !== null));
  return [...sids].map((sid) => ({ tenant: data.tenant, sid, recipient }));
}

/** An `smtp-id` from which the provider's id cannot be told, for events that have nothing else. */
function unexpectedSmtpId({ callback: { data }, email }: Matched): (ProviderKey & { emailId: string })[] {
  const smtpId = smtpIdOf(data);
  if (smtpId === null || localPartOf(smtpId) === (email.providerSid ?? sgMessageIdOf(data.resourceSid))) return [];
  return [{ tenant: email.tenant, sid: smtpId, recipient: email.to, emailId: email.id }];
}

function digest({ data }: Callback): string {
  return createHash('sha256').update(occurrenceOf(data)).digest('base64url').slice(0, 22);
}

/** Those that the history tells of already. What would move its email is none of them, and need not be looked for. */
async function repeatsAmong(tx: Transaction, matched: readonly Matched[]): Promise<Set<string>> {
  const doubtful = matched.filter(({ callback, email }) => !isNews(email, callback.data));
  return knownEvents(tx, doubtful.map(identityOf));
}

/** Applies each event once, one after the other. */
function applyInOrder(
  matched: readonly Matched[],
  repeats: ReadonlySet<string>,
  now: Date,
): { applied: Applied[]; steps: Step[]; told: OutgoingEvent[] } {
  const seen = new Set(repeats);
  const steps = new Map<string, Step>();
  const applied: Applied[] = [];
  const told: OutgoingEvent[] = [];
  for (const one of matched) {
    const { callback, email, eventId } = one;
    const keys = keysOf(identityOf(one));
    if (keys.some((key) => seen.has(key))) continue;
    for (const key of keys) seen.add(key);
    const before = steps.get(email.id) ?? unchanged(email);
    const { step, outcome } = advance(before, callback.data, now);
    const change = step.changes.length > before.changes.length ? step.changes.at(-1) : undefined;
    steps.set(email.id, remark(step, toRemark(one, outcome, change)));
    applied.push({ ...one, step, outcome });
    const kind = engagementOf(callback.data);
    if (kind !== undefined) {
      const { url, asm_group_id: group } = callback.data.params;
      const deed = {
        kind,
        at: callback.data.providerTime ?? callback.data.receivedAt,
        url: typeof url === 'string' ? url : null,
        unsubscribeGroup: typeof group === 'number' ? group : null,
      };
      told.push(toEngagement(email, { ...deed, occurrence: eventId }));
    }
  }
  return { applied, steps: [...steps.values()], told };
}

function identityOf({ callback, email, eventId }: Matched) {
  return { emailId: email.id, eventId, providerEventId: callback.data.eventId };
}

function count({ outcome, step, email, callback: { data } }: Applied): void {
  callbackOutcomes.inc({ outcome });
  const kind = engagementOf(data);
  if (kind !== undefined) engagements.inc({ kind });
  const sid = sgMessageIdOf(data.resourceSid);
  if (sid !== null && email.providerSid !== null && step.email.providerSid !== sid) doubleSends.inc();
}

function toRemark(
  { callback: { data }, email, eventId }: Matched,
  outcome: EventOutcome,
  change: Remark['change'],
): Remark {
  const { reason, response, type, url } = data.params;
  return {
    at: data.receivedAt,
    kind: 'callback',
    eventId,
    providerEventId: data.eventId,
    detail: {
      event: data.status,
      outcome,
      providerTime: data.providerTime,
      providerSid: data.resourceSid,
      ...(data.errorCode !== null && { errorCode: data.errorCode }),
      // What servers say quotes the address, which an erasure has taken out.
      ...defined(isErased(email) ? { type } : { reason, response, type, url }),
    },
    change,
  };
}

function defined(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    ),
  );
}
