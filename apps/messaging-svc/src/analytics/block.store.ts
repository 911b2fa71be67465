import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Message } from '../message/message.ts';
import type { Sign } from './pumping.rules.ts';

export interface Block {
  readonly tenant: string;
  readonly prefix: string;
  readonly signs: Sign[];
  readonly blocked_at: Date;
  readonly expires_at: Date;
  /** When an administrator said that it is no fraud; holds as long as the block would have. */
  readonly lifted_at: Date | null;
}

/** Which of these messages go to a prefix that is blocked for them; their ids. Only bulk is held back. */
export async function blockedAmong(
  tx: Transaction,
  messages: readonly Pick<Message, 'id' | 'tenant' | 'to' | 'lane' | 'state'>[],
): Promise<Set<string>> {
  const bulk = messages.filter(({ lane, state }) => lane === 'bulk' && state !== 'rejected');
  if (bulk.length === 0) return new Set();
  const asked = columns(bulk, { id: 'uuid', tenant: 'text', number: 'text' }, ({ id, tenant, to }) => ({
    id,
    tenant,
    number: to.replace(/^whatsapp:/, ''),
  }));
  const { rows } = await run<{ id: string }>(
    tx,
    `select n.id from ${asked.as('n')}
     join blocked_prefixes b on b.tenant = n.tenant and starts_with(n.number, b.prefix)
     where b.expires_at > now() and b.lifted_at is null`,
    asked.parameters,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Blocks in force and those lifted before their time. */
export async function standingBlocks(tx: Transaction, now: Date): Promise<Block[]> {
  const { rows } = await run<Block>(tx, 'select * from blocked_prefixes where expires_at > $1', [now]);
  return rows;
}

export async function saveBlocks(
  tx: Transaction,
  blocks: readonly { tenant: string; prefix: string; signs: readonly Sign[] }[],
  now: Date,
  expiresAt: Date,
): Promise<void> {
  for (const { tenant, prefix, signs } of blocks) {
    await run(
      tx,
      `insert into blocked_prefixes as b (tenant, prefix, signs, blocked_at, expires_at) values ($1, $2, $3, $4, $5)
       on conflict (tenant, prefix) do update
       set signs = excluded.signs, expires_at = excluded.expires_at, lifted_at = null,
         blocked_at = case when b.expires_at > excluded.blocked_at then b.blocked_at else excluded.blocked_at end
       where b.lifted_at is null or b.expires_at <= excluded.blocked_at`,
      [tenant, prefix, signs, now, expiresAt],
    );
  }
}

/** False when no such block is in force. */
export async function liftBlock(tx: Transaction, tenant: string, prefix: string, now: Date): Promise<boolean> {
  const { affected } = await run(
    tx,
    `update blocked_prefixes set lifted_at = $3
     where tenant = $1 and prefix = $2 and expires_at > $3 and lifted_at is null`,
    [tenant, prefix, now],
  );
  return affected > 0;
}
