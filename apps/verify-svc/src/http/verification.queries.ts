import type { DataSource } from 'typeorm';
import { type VerificationRow, toVerification } from '../verification/verification.store.ts';
import type { VerificationStory } from './verification.schemas.ts';

interface Line {
  readonly at: Date;
  readonly kind: 'state' | 'callback';
  readonly detail: Record<string, unknown>;
}

/** Undefined for a verification that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<VerificationStory | undefined> {
  const [row] = await db.query<VerificationRow[]>('select * from verifications where id = $1 and tenant = $2', [
    id,
    tenant,
  ]);
  if (!row) return undefined;
  const lines = await db.query<Line[]>(
    'select at, kind, detail from verification_history where verification_id = $1 order by id',
    [id],
  );
  const verification = toVerification(row);
  return {
    verificationId: verification.id,
    idempotencyKey: verification.idempotencyKey,
    to: verification.request.to,
    state: verification.state,
    sequence: verification.sequence,
    providerSid: verification.providerSid,
    error: verification.error,
    metadata: verification.request.metadata,
    createdAt: verification.createdAt,
    updatedAt: verification.updatedAt,
    history: lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  };
}
