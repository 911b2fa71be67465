import { columns, runPrepared, type Transaction } from '@signalbox/persistence';

/** An event that may be told already. */
export interface ToldEvent {
  readonly emailId: string;
  /** What tells the occurrence from others of the email. */
  readonly eventId: string;
  /** The provider's own id. */
  readonly providerEventId: string | null;
}

/**
 * Which of these the emails have in their history already, by `eventKey` of either id: the provider may send an event again
 * under its own id with fewer fields, or under another id. Callers hold the emails' locks.
 */
export async function knownEvents(tx: Transaction, events: readonly ToldEvent[]): Promise<Set<string>> {
  if (events.length === 0) return new Set();
  const wanted = columns(
    events,
    { email_id: 'uuid', event_id: 'text', provider_event_id: 'text' },
    ({ emailId, eventId, providerEventId }) => ({
      email_id: emailId,
      event_id: eventId,
      provider_event_id: providerEventId,
    }),
  );
  const { rows } = await runPrepared<{ email_id: string; event_id: string; provider_event_id: string | null }>(
    tx,
    `select h.email_id, h.event_id, h.provider_event_id from ${wanted.as('n')}
     join email_history h on h.email_id = n.email_id and h.event_id is not null
       and (h.event_id = n.event_id or h.provider_event_id = n.provider_event_id)`,
    wanted.parameters,
  );
  return new Set(
    rows.flatMap(({ email_id: emailId, event_id: eventId, provider_event_id: providerEventId }) =>
      keysOf({ emailId, eventId, providerEventId }),
    ),
  );
}

/** Any of them in a set of known ones makes an event a repeat. */
export function keysOf({ emailId, eventId, providerEventId }: ToldEvent): string[] {
  const byOccurrence = `${emailId} ${eventId}`;
  return providerEventId === null ? [byOccurrence] : [byOccurrence, `${emailId} sg ${providerEventId}`];
}
