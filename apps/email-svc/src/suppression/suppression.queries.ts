import type { SuppressionReason } from '@signalbox/contracts';
import type { DataSource } from 'typeorm';
import type { Standing, SuppressionView } from './suppression.schemas.ts';
import { type SuppressionRow, toSuppression } from './suppression.store.ts';
import type { Suppression } from './suppression.rules.ts';

export interface ListFilter {
  readonly recipient?: string | undefined;
  readonly scope?: string | undefined;
  readonly reason?: SuppressionReason | undefined;
  readonly state: 'opted_out' | 'opted_in' | 'any';
  readonly after?: Place | undefined;
  readonly limit: number;
}

/** Where a page ended: the list is in the order of recipient and scope. */
export type Place = Pick<Suppression, 'recipient' | 'scope'>;

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
  add('scope', filter.scope);
  add('reason', filter.reason);
  add('state', filter.state === 'any' ? undefined : filter.state);
  if (filter.after) {
    parameters.push(filter.after.recipient, filter.after.scope);
    conditions.push(`(recipient, scope) > ($${parameters.length - 1}, $${parameters.length})`);
  }
  parameters.push(filter.limit);
  const rows = await db.query<SuppressionRow[]>(
    `select * from suppressions where ${conditions.join(' and ')} order by recipient, scope limit $${parameters.length}`,
    parameters,
  );
  return rows.map(toSuppression);
}

export function view({ tenant: _, told: __, ...suppression }: Suppression): SuppressionView {
  return suppression;
}

export function writeCursor({ recipient, scope }: Place): string {
  return Buffer.from(JSON.stringify([recipient, scope])).toString('base64url');
}

/** Undefined for what is no cursor of the list. */
export function readCursor(cursor: string): Place | undefined {
  const [, recipient, scope] =
    /^\["([^"\\\p{Cc}]+)","([^"\\\p{Cc}]+)"\]$/u.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return recipient === undefined || scope === undefined ? undefined : { recipient, scope };
}

export async function findStanding(db: DataSource, tenant: string, recipient: string): Promise<Standing> {
  const [suppressions, changes] = await Promise.all([
    listSuppressions(db, tenant, { recipient, state: 'any', limit: 1000 }),
    db.query<(Omit<SuppressionRow, 'changed_at' | 'told'> & { at: Date })[]>(
      `select * from suppression_changes where tenant = $1 and recipient = $2 order by at, sequence limit 1000`,
      [tenant, recipient],
    ),
  ]);
  return {
    recipient,
    suppressed: suppressions.some(({ state }) => state === 'opted_out'),
    suppressions: suppressions.map(view),
    history: changes.map(({ at, ...change }) => view({ ...change, told: 0, at: at.toISOString() })),
  };
}
