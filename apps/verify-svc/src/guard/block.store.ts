import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import type { Block } from './block.ts';
import { toAnomalyEvent } from './block.events.ts';

const outbox = new Outbox();

const blockColumns = {
  id: 'uuid',
  tenant: 'text',
  prefix: 'text',
  level: 'text',
  made_by: 'text',
  note: 'text',
  started: 'double precision',
  approved: 'double precision',
  usual_share: 'double precision',
  blocked_at: 'timestamptz',
  expires_at: 'timestamptz',
} as const;

interface BlockRow {
  readonly id: string;
  readonly tenant: string;
  readonly prefix: string;
  readonly level: Block['level'];
  readonly made_by: Block['madeBy'];
  readonly signs: Block['signs'];
  readonly note: string | null;
  readonly started: number;
  readonly approved: number;
  readonly usual_share: number;
  readonly blocked_at: Date;
  readonly expires_at: Date | null;
  readonly ended_at: Date | null;
  readonly ended_by: Block['endedBy'];
}

/** Those that stand, of one tenant or of all; the latest first. */
export async function standingBlocks(tx: Transaction, tenant?: string): Promise<Block[]> {
  const { rows } = await run<BlockRow>(
    tx,
    `select * from guard_blocks where ended_at is null and ($1::text is null or tenant = $1)
     order by blocked_at desc, id desc`,
    [tenant ?? null],
  );
  return rows.map(toBlock);
}

/** Those of a tenant that began after a time and have ended; the latest first. */
export async function endedBlocks(tx: Transaction, tenant: string, since: Date, limit: number): Promise<Block[]> {
  const { rows } = await run<BlockRow>(
    tx,
    `select * from guard_blocks where tenant = $1 and blocked_at > $2 and ended_at is not null
     order by blocked_at desc, id desc limit $3`,
    [tenant, since, limit],
  );
  return rows.map(toBlock);
}

/** Forgets blocks that ended long ago. */
export async function forgetBlocks(tx: Transaction, before: Date): Promise<void> {
  await run(tx, 'delete from guard_blocks where ended_at < $1 and (expires_at is null or expires_at < $1)', [before]);
}

/** Prefixes that an administrator has freed, and until when: as long as the guard's block would have held. */
export async function freedPrefixes(tx: Transaction, now: Date): Promise<{ tenant: string; prefix: string }[]> {
  const { rows } = await run<{ tenant: string; prefix: string }>(
    tx,
    `select distinct tenant, prefix from guard_blocks where made_by = 'guard' and ended_by = 'admin' and expires_at > $1`,
    [now],
  );
  return rows;
}

/** Those of the guard come with an event; a prefix that is blocked already stays as it is. */
export async function addBlocks(tx: Transaction, blocks: readonly Block[]): Promise<Block[]> {
  if (blocks.length === 0) return [];
  const sorted = [...blocks].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const rows = columns(sorted, { ...blockColumns, signs: 'jsonb' }, (block) => ({
    ...block,
    made_by: block.madeBy,
    usual_share: block.usualShare,
    blocked_at: block.blockedAt,
    expires_at: block.expiresAt,
  }));
  const { rows: added } = await run<{ id: string }>(
    tx,
    `insert into guard_blocks (${Object.keys(blockColumns).join(', ')}, signs)
     select ${Object.keys(blockColumns).join(', ')}, array(select jsonb_array_elements_text(n.signs)) from ${rows.as('n')}
     on conflict (tenant, prefix) where ended_at is null do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(added.map(({ id }) => id));
  const made = sorted.filter(({ id }) => ids.has(id));
  await outbox.append(tx, made.filter(isGuards).map(toAnomalyEvent));
  return made;
}

/** Ends those of these blocks that still stand; returns them as they are now. */
export async function endBlocks(
  tx: Transaction,
  ids: readonly string[],
  by: NonNullable<Block['endedBy']>,
  now: Date,
): Promise<Block[]> {
  if (ids.length === 0) return [];
  const { rows } = await run<BlockRow>(
    tx,
    `update guard_blocks set ended_at = $3, ended_by = $2 where id = any($1) and ended_at is null returning *`,
    [ids, by, now],
  );
  const ended = rows.map(toBlock);
  await outbox.append(tx, ended.filter(isGuards).map(toAnomalyEvent));
  return ended;
}

const isGuards = ({ madeBy }: Block) => madeBy === 'guard';

const key = ({ tenant, prefix }: Block) => `${tenant} ${prefix}`;

function toBlock(row: BlockRow): Block {
  return {
    id: row.id,
    tenant: row.tenant,
    prefix: row.prefix,
    level: row.level,
    madeBy: row.made_by,
    signs: row.signs,
    note: row.note,
    started: row.started,
    approved: row.approved,
    usualShare: row.usual_share,
    blockedAt: row.blocked_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    endedBy: row.ended_by,
  };
}
