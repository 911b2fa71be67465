import type { SuppressionChannel } from '@signalbox/contracts';
import type { DataSource } from 'typeorm';
import type { DriftReport, Standing, SuppressionView } from './suppression.schemas.ts';
import { type SuppressionRow, toSuppression } from './suppression.store.ts';
import { type Suppression, wholeTenant } from './suppression.rules.ts';

export interface ListFilter {
  readonly recipient?: string | undefined;
  readonly channel?: SuppressionChannel | undefined;
  readonly scope?: string | undefined;
  readonly state: 'opted_out' | 'opted_in' | 'any';
  readonly after?: Place | undefined;
  readonly limit: number;
}

/** Where a page ended: the list is in the order of recipient, channel and scope. */
export type Place = Pick<Suppression, 'recipient' | 'channel' | 'scope'>;

/** In the order of the primary key, by keyset: a page costs the same however deep it is. */
export async function listSuppressions(db: DataSource, tenant: string, filter: ListFilter): Promise<Suppression[]> {
  const parameters: unknown[] = [tenant];
  const conditions = ['tenant = $1', 'sequence > 0'];
  const add = (column: string, value: unknown) => {
    if (value === undefined) return;
    parameters.push(value);
    conditions.push(`${column} = $${parameters.length}`);
  };
  add('recipient', filter.recipient);
  add('channel', filter.channel);
  add('scope', filter.scope);
  add('state', filter.state === 'any' ? undefined : filter.state);
  if (filter.after) {
    const { recipient, channel, scope } = filter.after;
    parameters.push(recipient, channel, scope);
    const last = parameters.length;
    conditions.push(`(recipient, channel, scope) > ($${last - 2}, $${last - 1}, $${last})`);
  }
  parameters.push(filter.limit);
  const rows = await db.query<SuppressionRow[]>(
    `select * from suppressions where ${conditions.join(' and ')}
     order by recipient, channel, scope limit $${parameters.length}`,
    parameters,
  );
  return rows.map(toSuppression);
}

export function view({ tenant: _, ...suppression }: Suppression): SuppressionView {
  return suppression;
}

export function writeCursor({ recipient, channel, scope }: Place): string {
  return Buffer.from(JSON.stringify([recipient, channel, scope])).toString('base64url');
}

/** Undefined for what is no cursor of the list. */
export function readCursor(cursor: string): Place | undefined {
  const match = /^\["([^"\\\p{Cc}]+)","(sms|whatsapp|email)","([^"\\\p{Cc}]+)"\]$/u.exec(
    Buffer.from(cursor, 'base64url').toString(),
  );
  if (!match?.[1] || !match[2] || !match[3]) return undefined;
  return { recipient: match[1], channel: match[2] as SuppressionChannel, scope: match[3] };
}

export async function findStanding(db: DataSource, tenant: string, recipient: string): Promise<Standing> {
  const [suppressions, changes] = await Promise.all([
    listSuppressions(db, tenant, { recipient, state: 'any', limit: 1000 }),
    db.query<(Omit<SuppressionRow, 'changed_at'> & { at: Date })[]>(
      `select * from suppression_changes where tenant = $1 and recipient = $2 order by at, sequence limit 1000`,
      [tenant, recipient],
    ),
  ]);
  return {
    recipient,
    suppressed: suppressions.some(({ state }) => state === 'opted_out'),
    suppressions: suppressions.map(view),
    history: changes.map(({ at, ...change }) => view({ ...change, at: at.toISOString() })),
  };
}

/** Where the provider's list and ours have parted, from what sends and callbacks have told us. */
export async function findDrift(db: DataSource, tenant: string, since: Date, limit: number): Promise<DriftReport> {
  const [refused, delivered] = await Promise.all([
    db.query<RefusedRow[]>(
      `select recipient, channel, scope, at, source, count(*) over () as total
       from (
         select distinct on (recipient) recipient, channel, scope, at, source from suppression_changes
         where tenant = $1 and reason = 'provider_refused' and at >= $2
         order by recipient, at desc
       ) refused order by at desc limit $3`,
      [tenant, since, limit],
    ),
    db.query<DeliveredRow[]>(deliveredAfterOptOut, [tenant, since, limit]),
  ]);
  return {
    since: since.toISOString(),
    refusedButNotListed: {
      recipients: Number(refused[0]?.total ?? 0),
      examples: refused.map(({ total: _, at, ...row }) => ({ ...row, at: at.toISOString() })),
    },
    listedButDelivered: {
      recipients: Number(delivered[0]?.total ?? 0),
      examples: delivered.map((row) => ({
        recipient: row.recipient,
        channel: row.channel,
        scope: row.scope,
        optedOutAt: row.opted_out_at.toISOString(),
        sentAt: row.sent_at.toISOString(),
        messageId: row.message_id,
        providerSid: row.provider_sid,
      })),
    },
  };
}

interface RefusedRow extends Place {
  readonly at: Date;
  readonly source: string | null;
  readonly total: string;
}

interface DeliveredRow extends Place {
  readonly opted_out_at: Date;
  readonly sent_at: Date;
  readonly message_id: string | null;
  readonly provider_sid: string | null;
  readonly total: string;
}

/** Ours by the attempt that handed them over; what others on the account sent, by its callback. */
const deliveredAfterOptOut = `
  with delivered as (
    select m.recipient, coalesce(m.messaging_service_sid, m.sender) as scope, a.started_at as sent_at,
      m.id as message_id, m.provider_sid
    from messages m join attempts a on a.message_id = m.id and a.state = 'accepted'
    where m.tenant = $1 and m.created_at >= $2 and m.state in ('delivered', 'read')
    union all
    select u.callback->'params'->>'To', coalesce(u.callback->'params'->>'MessagingServiceSid', u.callback->'params'->>'From'),
      u.received_at, null, u.provider_sid
    from unmatched_callbacks u
    where u.tenant = $1 and u.received_at >= $2 and u.callback->>'status' in ('delivered', 'read')
  ), parted as (
    select distinct on (s.recipient) s.recipient, s.channel, s.scope, s.changed_at as opted_out_at,
      d.sent_at, d.message_id, d.provider_sid
    from delivered d
    join suppressions s on s.tenant = $1 and s.recipient = regexp_replace(d.recipient, '^rcs:', '')
      and s.state = 'opted_out' and s.changed_at < d.sent_at
    left join sender_pools p on p.tenant = $1 and p.sender = d.scope
    left join sender_pools sp on sp.tenant = $1 and sp.sender = s.scope
    where s.scope = '${wholeTenant}'
      or coalesce(sp.messaging_service_sid, s.scope) = coalesce(p.messaging_service_sid, d.scope)
    order by s.recipient, d.sent_at desc
  )
  select *, count(*) over () as total from parted order by sent_at desc limit $3`;
