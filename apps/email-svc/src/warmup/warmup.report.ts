import type { QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { type Gauge, gauge } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { warmupsOf } from './warmup.queries.ts';
import type { WarmupView } from './warmup.schemas.ts';
import { readSettings } from './warmup.store.ts';

/** One scrape asks for several metrics at once, and must not read the same for each. */
const freshMs = 1_000;

type Standing = readonly { readonly tenant: string; readonly plan: WarmupView }[];

/** Reports how warm-up plans stand, when that is scraped; the same in every replica. */
export function reportWarmups(
  transact: Transact,
  tenants: Pick<TenantDirectory, 'all'>,
  quotas: Pick<QuotaBook, 'of' | 'reread'>,
): void {
  let last: { readonly at: number; readonly standing: Promise<Standing> } | undefined;
  const standing = (): Promise<Standing> => {
    if (!last || performance.now() - last.at > freshMs) {
      const read = transact(async (tx) => {
        const warming = tenants.all.filter(({ email }) =>
          Object.values(email?.ipPools ?? {}).some(({ warmup }) => warmup !== undefined),
        );
        if (warming.length === 0) return [];
        await quotas.reread(tx);
        const settings = await readSettings(tx);
        const all: { tenant: string; plan: WarmupView }[] = [];
        for (const tenant of warming) {
          const views = await warmupsOf(tx, tenant, settings.get(tenant.name), quotas.of(tenant.name), new Date());
          all.push(...views.map((plan) => ({ tenant: tenant.name, plan })));
        }
        return all;
      });
      last = { at: performance.now(), standing: read };
    }
    return last.standing;
  };

  const tell = async (metric: Gauge<'tenant' | 'pool'>, value: (plan: WarmupView) => number) => {
    const found = await standing();
    metric.reset();
    for (const { tenant, plan } of found) metric.set({ tenant, pool: plan.pool }, value(plan));
  };
  const tellEach = async (metric: Gauge<'tenant' | 'pool' | 'provider'>, of: 'cap' | 'used') => {
    const found = await standing();
    metric.reset();
    for (const { tenant, plan } of found) {
      for (const part of [{ provider: '', cap: plan.cap, used: plan.used }, ...plan.perProvider]) {
        const value = part[of];
        if (value !== null) metric.set({ tenant, pool: plan.pool, provider: part.provider }, value);
      }
    }
  };

  gauge(
    'signalbox_email_warmup_cap',
    "Today's emails through an IP pool that warms up, at most; provider is empty for all of them together",
    ['tenant', 'pool', 'provider'],
    (metric) => tellEach(metric, 'cap'),
  );
  gauge(
    'signalbox_email_warmup_used',
    "Today's emails through an IP pool that warms up; provider is empty for all of them together",
    ['tenant', 'pool', 'provider'],
    (metric) => tellEach(metric, 'used'),
  );
  gauge('signalbox_email_warmup_day', 'The day of the plan', ['tenant', 'pool'], (metric) =>
    tell(metric, ({ day }) => day),
  );
  gauge(
    'signalbox_email_warmup_waiting',
    'Emails that are due and held until the IP pool that warms up has room',
    ['tenant', 'pool'],
    (metric) => tell(metric, ({ waiting }) => waiting),
  );
  gauge('signalbox_email_warmup_ended', '1 once nothing limits the pool any more', ['tenant', 'pool'], (metric) =>
    tell(metric, ({ state }) => (state === 'ended' ? 1 : 0)),
  );
}
