import { run, type Transaction } from '@signalbox/persistence';

/**
 * What takes personal data out of the tables, in batches that are bounded and found by an index. Rows are locked in id order, as
 * everywhere.
 */

const hasEnded = `state not in ('accepted', 'pending')`;

/** Everyone with verifications, in the tenant file or not; skips from name to name in the index. */
export async function tenantsWithData(tx: Transaction): Promise<string[]> {
  const { rows } = await run<{ tenant: string }>(
    tx,
    `with recursive v as (
       select min(tenant) as tenant from verifications
       union all
       select (select min(tenant) from verifications where tenant > v.tenant) from v where v.tenant is not null)
     select tenant from v where tenant is not null`,
  );
  return rows.map(({ tenant }) => tenant);
}

/**
 * Takes the person out of verifications: number or address, whereabouts, device. What stays is that a code was sent, on which
 * channels, and what became of it.
 */
const redacted = `
  recipient = null, recipient_hash = '', redacted_at = now(),
  plan = (select jsonb_agg(step || '{"to": null}' order by i) from jsonb_array_elements(v.plan) with ordinality as s (step, i)),
  request = v.request || '{"ip": null, "userAgent": null, "deviceId": null}'`;

/** Redacts the oldest that have ended and began before the cutoff. */
export async function redactVerifications(
  tx: Transaction,
  tenant: string,
  cutoff: Date,
  limit: number,
): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select id from verifications
       where tenant = $1 and created_at < $2 and redacted_at is null and ${hasEnded} order by created_at limit $3),
     locked as materialized (select id from verifications where id in (select id from old) order by id for no key update),
     attempts as (update verification_attempts a set recipient = null from locked where a.verification_id = locked.id)
     update verifications v set ${redacted} from locked where v.id = locked.id`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Deletes the oldest; attempts and history go with them. */
export async function deleteVerifications(
  tx: Transaction,
  tenant: string,
  cutoff: Date,
  limit: number,
): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select id from verifications where tenant = $1 and created_at < $2 and ${hasEnded} order by created_at limit $3),
     locked as materialized (select id from verifications where id in (select id from old) order by id for update)
     delete from verifications v using locked where v.id = locked.id`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** What a person's addresses may stand in. */
export interface Person {
  readonly tenant: string;
  /** E.164 or an email address. */
  readonly recipient: string;
}

/** Those of a person that are still open, wherever the address stands in them. */
export async function openOf(tx: Transaction, { tenant, recipient }: Person): Promise<string[]> {
  const { rows } = await run<{ id: string }>(
    tx,
    `select id from verifications where tenant = $1 and redacted_at is null and not (${hasEnded})
       and (recipient = $2 or plan @> $3) order by id`,
    [tenant, recipient, JSON.stringify([{ to: recipient }])],
  );
  return rows.map(({ id }) => id);
}

/** Takes a person out of all verifications that have ended, with what the caller has said of them. */
export async function eraseVerifications(tx: Transaction, { tenant, recipient }: Person): Promise<number> {
  const { affected } = await run(
    tx,
    `with locked as materialized (
       select id from verifications where tenant = $1 and redacted_at is null and ${hasEnded}
         and (recipient = $2 or plan @> $3) order by id for no key update),
     attempts as (update verification_attempts a set recipient = null from locked where a.verification_id = locked.id)
     update verifications v set ${redacted} || '{"subject": null, "metadata": {}}', request_digest = ''
     from locked where v.id = locked.id`,
    [tenant, recipient, JSON.stringify([{ to: recipient }])],
  );
  return affected;
}
