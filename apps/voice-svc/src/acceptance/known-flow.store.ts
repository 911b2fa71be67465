import type { PlaceCallCommand } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';

type Asked = Pick<PlaceCallCommand, 'tenant' | 'flow'>;

/** Tells which of the flows that these requests name their tenants have. */
export async function knownFlows(tx: Transaction, commands: readonly Asked[]): Promise<(asked: Asked) => boolean> {
  const named = commands.flatMap(({ tenant, flow }) => (flow ? [{ tenant, name: flow }] : []));
  if (named.length === 0) return () => false;
  const wanted = columns(named, { tenant: 'text', name: 'text' });
  const { rows } = await run<{ tenant: string; name: string }>(
    tx,
    `select f.tenant, f.name from flows f join ${wanted.as('n')} on f.tenant = n.tenant and f.name = n.name`,
    wanted.parameters,
  );
  const known = new Set(rows.map(({ tenant, name }) => `${tenant} ${name}`));
  return ({ tenant, flow }) => known.has(`${tenant} ${flow ?? ''}`);
}
