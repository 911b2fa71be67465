import { createHash } from 'node:crypto';
import { run, type Transaction } from '@signalbox/persistence';

/** A version as it is told of: who made it, when. */
export interface FlowVersion {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly active: boolean;
}

export interface Stored extends FlowVersion {
  /** As it was written. */
  readonly definition: unknown;
}

export interface Activation {
  readonly version: number;
  readonly at: string;
  readonly by: string;
}

interface Row {
  readonly name: string;
  readonly version: number;
  readonly created_at: Date;
  readonly created_by: string;
  readonly active: boolean | null;
  readonly definition?: unknown;
}

const toVersion = ({ name, version, created_at, created_by, active }: Row): FlowVersion => ({
  name,
  version,
  createdAt: created_at.toISOString(),
  createdBy: created_by,
  active: active === true,
});

const versionColumns = `v.name, v.version, v.created_at, v.created_by, v.version = f.active_version as active`;
const versions = `flow_versions v left join flows f on f.tenant = v.tenant and f.name = v.name`;

export interface NewFlow {
  readonly tenant: string;
  readonly name: string;
  /** As it was written, and checked. */
  readonly definition: unknown;
  readonly by: string;
  readonly at: Date;
}

/**
 * Stores a flow as its next version; one with the same content as an earlier version is that version.
 * Two at once are taken one after the other.
 */
export async function putFlow(
  tx: Transaction,
  { tenant, name, definition, by, at }: NewFlow,
): Promise<{ version: number; isNew: boolean }> {
  await run(tx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`flow ${tenant} ${name}`]);
  const digest = createHash('sha256').update(JSON.stringify(definition)).digest('hex');
  const { rows: same } = await run<{ version: number }>(
    tx,
    'select version from flow_versions where tenant = $1 and name = $2 and digest = $3 order by version desc limit 1',
    [tenant, name, digest],
  );
  const [known] = same;
  if (known) return { version: known.version, isNew: false };
  const { rows } = await run<{ version: number }>(
    tx,
    `insert into flow_versions (tenant, name, version, definition, digest, created_at, created_by)
     select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6 from flow_versions where tenant = $1 and name = $2
     returning version`,
    [tenant, name, JSON.stringify(definition), digest, at, by],
  );
  return { version: rows[0]?.version ?? 1, isNew: true };
}

/** Makes new calls begin with a version, which may be an earlier one. False when there is no such version. */
export async function activateFlow(
  tx: Transaction,
  { tenant, name, version, by, at }: Omit<NewFlow, 'definition'> & { readonly version: number },
): Promise<boolean> {
  const { affected } = await run(
    tx,
    `insert into flows (tenant, name, active_version)
     select tenant, name, version from flow_versions where tenant = $1 and name = $2 and version = $3
     on conflict (tenant, name) do update set active_version = excluded.active_version`,
    [tenant, name, version],
  );
  if (affected === 0) return false;
  await run(
    tx,
    `insert into flow_activations (tenant, name, version, at, by)
     select $1, $2, $3, $4, $5
     where $3 is distinct from
       (select version from flow_activations where tenant = $1 and name = $2 order by id desc limit 1)`,
    [tenant, name, version, at, by],
  );
  return true;
}

export async function listFlows(tx: Transaction, tenant: string): Promise<FlowVersion[]> {
  const { rows } = await run<Row>(
    tx,
    `select ${versionColumns} from ${versions}
     where v.tenant = $1 and (v.version = f.active_version or (f.name is null and not exists (
       select from flow_versions n where n.tenant = v.tenant and n.name = v.name and n.version > v.version)))
     order by v.name`,
    [tenant],
  );
  return rows.map(toVersion);
}

/** The newest first, at most a hundred, and when which was active. */
export async function historyOf(
  tx: Transaction,
  tenant: string,
  name: string,
): Promise<{ versions: FlowVersion[]; activations: Activation[] }> {
  const { rows } = await run<Row>(
    tx,
    `select ${versionColumns} from ${versions} where v.tenant = $1 and v.name = $2 order by v.version desc limit 100`,
    [tenant, name],
  );
  const { rows: activations } = await run<{ version: number; at: Date; by: string }>(
    tx,
    'select version, at, by from flow_activations where tenant = $1 and name = $2 order by id desc limit 100',
    [tenant, name],
  );
  return {
    versions: rows.map(toVersion),
    activations: activations.map(({ version, at, by }) => ({ version, at: at.toISOString(), by })),
  };
}

/** @param version default: the active one */
export async function findFlow(
  tx: Transaction,
  tenant: string,
  name: string,
  version?: number,
): Promise<Stored | undefined> {
  const { rows } = await run<Row>(
    tx,
    `select ${versionColumns}, v.definition from ${versions}
     where v.tenant = $1 and v.name = $2 and v.version = coalesce($3, f.active_version)`,
    [tenant, name, version ?? null],
  );
  const [row] = rows;
  return row && { ...toVersion(row), definition: row.definition };
}
