import type { DataSource } from 'typeorm';
import { type CallRow, toCall } from '../call/call.store.ts';
import type { CallStory } from './call.schemas.ts';

interface Line {
  readonly at: Date;
  readonly kind: 'state' | 'callback';
  readonly detail: Record<string, unknown>;
}

/** Undefined for a call that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<CallStory | undefined> {
  const [row] = await db.query<CallRow[]>('select * from calls where id = $1 and tenant = $2', [id, tenant]);
  if (!row) return undefined;
  const lines = await db.query<Line[]>('select at, kind, detail from call_history where call_id = $1 order by id', [
    id,
  ]);
  const call = toCall(row);
  return {
    callId: call.id,
    idempotencyKey: call.idempotencyKey,
    to: call.request.to,
    state: call.state,
    sequence: call.sequence,
    providerSid: call.providerSid,
    error: call.error,
    metadata: call.request.metadata,
    createdAt: call.createdAt,
    updatedAt: call.updatedAt,
    history: lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  };
}
