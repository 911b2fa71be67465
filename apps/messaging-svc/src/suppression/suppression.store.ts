import type { SuppressionChannel, SuppressionReason, SuppressionState } from '@signalbox/contracts';
import { columns, Outbox, run, runPrepared, type Transaction } from '@signalbox/persistence';
import type { Message } from '../message/message.ts';
import {
  decideAll,
  keyOf,
  listedAddress,
  type PoolSighting,
  scopeOf,
  type Suppression,
  type SuppressionKey,
  type SuppressionRequest,
  toSuppressionEvent,
  wholeTenant,
} from './suppression.rules.ts';

/**
 * The suppression list. Rows are created and locked in the order of their key, and always after those of messages, so
 * that no two transactions wait for each other crosswise.
 *
 * The provider opts a recipient out of the messaging service of a sender, when it has one. So two scopes are one when they
 * are the same service once each sender is replaced by its service (`sender_pools`); both sides of a comparison are.
 */

const outbox = new Outbox();

const keyColumns = { tenant: 'text', recipient: 'text', channel: 'text', scope: 'text' } as const;

export interface SuppressionRow {
  readonly tenant: string;
  readonly recipient: string;
  readonly channel: SuppressionChannel;
  readonly scope: string;
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  readonly keyword: string | null;
  readonly sequence: number;
  readonly changed_at: Date;
}

/**
 * Applies requests in their order, with the history and an event of each change in the same transaction; what changes
 * nothing leaves no trace. Returns the changes.
 */
export async function applyRequests(tx: Transaction, requests: readonly SuppressionRequest[]): Promise<Suppression[]> {
  if (requests.length === 0) return [];
  await reserve(tx, requests);
  const changes = decideAll(await lock(tx, requests), requests);
  if (changes.length === 0) return [];
  await save(tx, [...new Map(changes.map((change) => [keyOf(change), change])).values()]);
  await record(tx, changes);
  await outbox.append(tx, changes.map(toSuppressionEvent));
  return changes;
}

/** Which of these messages have a recipient who opted out; their ids. Sees what was committed before this statement. */
export async function suppressedAmong(
  tx: Transaction,
  messages: readonly Pick<Message, 'id' | 'tenant' | 'to' | 'from' | 'messagingServiceSid'>[],
): Promise<Set<string>> {
  const addressed = messages.flatMap((message) => {
    const scope = scopeOf(message);
    return scope === null ? [] : [{ id: message.id, tenant: message.tenant, ...listedAddress(message.to), scope }];
  });
  if (addressed.length === 0) return new Set();
  const asked = columns(addressed, { id: 'uuid', ...keyColumns });
  // Lateral, so that each message costs an index probe however long the list is.
  const { rows } = await runPrepared<{ id: string }>(
    tx,
    `select n.id from ${asked.as('n')}
     left join sender_pools p on p.tenant = n.tenant and p.sender = n.scope
     cross join lateral (
       select from suppressions s left join sender_pools sp on sp.tenant = s.tenant and sp.sender = s.scope
       where s.tenant = n.tenant and s.recipient = n.recipient and s.channel = n.channel and s.state = 'opted_out'
         and (s.scope = '${wholeTenant}'
           or coalesce(sp.messaging_service_sid, s.scope) = coalesce(p.messaging_service_sid, n.scope))
       limit 1
     ) hit`,
    asked.parameters,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Under which scopes the recipients stand opted out that are one with the scope asked for; `*` is nobody's but an administrator's. */
export async function equivalentOptOuts(tx: Transaction, keys: readonly SuppressionKey[]): Promise<SuppressionKey[]> {
  if (keys.length === 0) return [];
  const asked = columns(keys, keyColumns);
  const { rows } = await run<SuppressionKey>(
    tx,
    `select s.tenant, s.recipient, s.channel, s.scope from ${asked.as('n')}
     join suppressions s on s.tenant = n.tenant and s.recipient = n.recipient and s.channel = n.channel
     left join sender_pools p on p.tenant = n.tenant and p.sender = n.scope
     left join sender_pools sp on sp.tenant = s.tenant and sp.sender = s.scope
     where s.state = 'opted_out' and s.scope <> '${wholeTenant}'
       and coalesce(sp.messaging_service_sid, s.scope) = coalesce(p.messaging_service_sid, n.scope)`,
    asked.parameters,
  );
  return rows;
}

/** Learns from callbacks which messaging service a sender belongs to; of several sightings the last counts. */
export async function learnPools(tx: Transaction, sightings: readonly PoolSighting[]): Promise<void> {
  const last = [...new Map(sightings.map((sighting) => [`${sighting.tenant} ${sighting.sender}`, sighting])).values()];
  const inPool = last.filter(({ messagingServiceSid }) => messagingServiceSid !== null);
  const alone = last.filter(({ messagingServiceSid }) => messagingServiceSid === null);
  if (inPool.length > 0) {
    const types = { tenant: 'text', sender: 'text', messaging_service_sid: 'text' } as const;
    const rows = columns(inPool, types, ({ messagingServiceSid, ...row }) => ({
      ...row,
      messaging_service_sid: messagingServiceSid,
    }));
    // Looked at before it is written: an upsert would lock the row of a busy sender in every batch.
    await run(
      tx,
      `insert into sender_pools (${rows.names}) select * from ${rows.as('n')}
       where not exists (select from sender_pools p where p.tenant = n.tenant and p.sender = n.sender
         and p.messaging_service_sid = n.messaging_service_sid)
       order by n.tenant, n.sender
       on conflict (tenant, sender) do update set messaging_service_sid = excluded.messaging_service_sid`,
      rows.parameters,
    );
  }
  if (alone.length > 0) {
    const rows = columns(alone, { tenant: 'text', sender: 'text' });
    await run(
      tx,
      `delete from sender_pools p using ${rows.as('n')} where p.tenant = n.tenant and p.sender = n.sender`,
      rows.parameters,
    );
  }
}

/** Makes a row for everyone who may be opted out for the first time, so that there is something to lock. */
async function reserve(tx: Transaction, requests: readonly SuppressionRequest[]): Promise<void> {
  const optOuts = requests.filter(({ state }) => state === 'opted_out');
  if (optOuts.length === 0) return;
  const rows = columns(optOuts, keyColumns);
  await run(
    tx,
    `insert into suppressions (${rows.names}, state, reason, sequence, changed_at)
     select distinct ${rows.names}, 'opted_in', 'api', 0, now() from ${rows.as('n')} order by ${rows.names}
     on conflict do nothing`,
    rows.parameters,
  );
}

async function lock(tx: Transaction, keys: readonly SuppressionKey[]): Promise<Map<string, Suppression>> {
  const wanted = columns(keys, keyColumns);
  const { rows } = await run<SuppressionRow>(
    tx,
    `select * from suppressions where (${wanted.names}) in (select ${wanted.names} from ${wanted.as('n')})
     order by ${wanted.names} for update`,
    wanted.parameters,
  );
  return new Map(rows.map(toSuppression).map((suppression) => [keyOf(suppression), suppression]));
}

async function save(tx: Transaction, standing: readonly Suppression[]): Promise<void> {
  const rows = columns(
    standing,
    {
      ...keyColumns,
      state: 'text',
      reason: 'text',
      source: 'text',
      keyword: 'text',
      sequence: 'integer',
      changed_at: 'timestamptz',
    },
    ({ at, ...row }) => ({ ...row, changed_at: at }),
  );
  await run(
    tx,
    `update suppressions s
     set state = n.state, reason = n.reason, source = n.source, keyword = n.keyword, sequence = n.sequence, changed_at = n.changed_at
     from ${rows.as('n')}
     where s.tenant = n.tenant and s.recipient = n.recipient and s.channel = n.channel and s.scope = n.scope`,
    rows.parameters,
  );
}

async function record(tx: Transaction, changes: readonly Suppression[]): Promise<void> {
  const rows = columns(changes, {
    ...keyColumns,
    state: 'text',
    reason: 'text',
    source: 'text',
    keyword: 'text',
    sequence: 'integer',
    at: 'timestamptz',
  });
  await run(tx, `insert into suppression_changes (${rows.names}) select * from ${rows.as('n')}`, rows.parameters);
}

export function toSuppression({ changed_at, ...row }: SuppressionRow): Suppression {
  return { ...row, at: changed_at.toISOString() };
}
