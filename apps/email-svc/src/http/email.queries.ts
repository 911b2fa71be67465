import type { DataSource } from 'typeorm';
import { type EmailRow, toEmail } from '../email/email.store.ts';
import type { EmailStory } from './email.schemas.ts';

interface Line {
  readonly at: Date;
  readonly kind: 'state' | 'callback';
  readonly detail: Record<string, unknown>;
}

/** Undefined for an email that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<EmailStory | undefined> {
  const [row] = await db.query<EmailRow[]>('select * from emails where id = $1 and tenant = $2', [id, tenant]);
  if (!row) return undefined;
  const lines = await db.query<Line[]>('select at, kind, detail from email_history where email_id = $1 order by id', [
    id,
  ]);
  const email = toEmail(row);
  return {
    emailId: email.id,
    idempotencyKey: email.idempotencyKey,
    to: email.request.to,
    state: email.state,
    sequence: email.sequence,
    providerSid: email.providerSid,
    error: email.error,
    metadata: email.request.metadata,
    createdAt: email.createdAt,
    updatedAt: email.updatedAt,
    history: lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  };
}
