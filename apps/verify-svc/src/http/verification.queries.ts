import type { DataSource } from 'typeorm';
import { type AttemptRow, toAttempt } from '../send/attempt.store.ts';
import {
  type HistoryLine,
  toVerification,
  verificationNames,
  type VerificationRow,
} from '../verification/verification.store.ts';
import type { VerificationStory } from './verification.schemas.ts';

interface Line {
  readonly at: Date;
  readonly kind: HistoryLine['kind'] | 'state';
  readonly detail: Record<string, unknown>;
}

/** Undefined for a verification that does not exist or is another tenant's. */
export async function findStory(db: DataSource, tenant: string, id: string): Promise<VerificationStory | undefined> {
  const [row] = await db.query<VerificationRow[]>(
    `select ${verificationNames('v')} from verifications v where v.id = $1 and v.tenant = $2`,
    [id, tenant],
  );
  if (!row) return undefined;
  const lines = await db.query<Line[]>(
    'select at, kind, detail from verification_history where verification_id = $1 order by id',
    [id],
  );
  const attempts = await db.query<AttemptRow[]>(
    'select * from verification_attempts where verification_id = $1 order by number',
    [id],
  );
  const verification = toVerification(row);
  const { request, plan, position, maxChecks, checks } = verification;
  return {
    verificationId: verification.id,
    idempotencyKey: verification.idempotencyKey,
    to: verification.recipient,
    state: verification.state,
    sequence: verification.sequence,
    channel: plan[position]?.channel ?? 'sms',
    plan: plan.map(({ channel }) => channel),
    service: request.service,
    purpose: request.purpose,
    subject: request.subject,
    providerSid: verification.providerSid,
    error: verification.error,
    refused: verification.refused,
    checks,
    checksLeft: Math.max(0, maxChecks - checks),
    metadata: request.metadata,
    createdAt: verification.createdAt,
    updatedAt: verification.updatedAt,
    expiresAt: verification.expiresAt,
    attempts: attempts.map(toAttempt).map(({ number, channel, to, why, state, delivery, ...attempt }) => ({
      ...{ number, channel, to, why, state, delivery },
      startedAt: attempt.startedAt,
      finishedAt: attempt.finishedAt,
      providerSid: attempt.providerSid,
      error: attempt.error,
    })),
    history: lines.map(({ at, kind, detail }) => ({ at: at.toISOString(), kind, detail })),
  };
}
