import { lane } from '@signalbox/contracts';
import { z } from 'zod';
import { emailDeliverability } from './email-deliverability.ts';
import { ipPool } from './ip-pools.ts';

/** Mailbox providers whose domains email-svc knows by itself; `other` is everybody else. */
export const knownMailboxProviders = [
  'gmail',
  'yahoo',
  'outlook',
  'icloud',
  'gmx',
  'tonline',
  'proton',
  'zoho',
  'comcast',
  'orange',
  'laposte',
  'libero',
  'yahoo_japan',
  'naver',
  'qq',
  'netease',
  'mailru',
  'yandex',
] as const;

export type KnownMailboxProvider = (typeof knownMailboxProviders)[number];

const providerName = z
  .string()
  .regex(/^[a-z0-9_-]{1,32}$/, 'must be lower case, digits, dashes and underscores')
  .refine((name) => name !== 'other', 'other is what has no provider');

const domain = z
  .string()
  .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a domain in lower case');

const poolName = z.string();

export const email = z
  .strictObject({
    /** Whose mailboxes a domain's are, where its name does not tell: name of the provider → domains. They count first. */
    mailboxProviders: z.record(providerName, z.array(domain).min(1).max(5_000)).optional(),
    /** IP pools at SendGrid, by our own names. */
    ipPools: z
      .record(z.string().regex(/^[a-z0-9-]{2,64}$/, 'must be 2 to 64 of lower case, digits and dashes'), ipPool)
      .optional(),
    /** Which pool an email goes through whose request names none: its sender's, else its lane's, else the default. */
    pools: z
      .strictObject({
        default: poolName.optional(),
        lanes: z.partialRecord(lane, poolName).default({}),
        /** By address or domain, in lower case. */
        senders: z.record(z.string(), poolName).default({}),
      })
      .optional(),
    /** When streams go slower, and when they stop. */
    deliverability: emailDeliverability.optional(),
  })
  .superRefine(({ mailboxProviders = {}, ipPools = {}, pools }, context) => {
    const fault = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
    const isPool = (name: string) => Object.hasOwn(ipPools, name);

    const owners = new Map<string, string>();
    for (const [name, domains] of Object.entries(mailboxProviders)) {
      for (const [index, one] of domains.entries()) {
        const owner = owners.get(one);
        if (owner !== undefined) fault(['mailboxProviders', name, index], `is already one of ${owner}`);
        owners.set(one, name);
      }
    }

    const firstOf = new Map<string, string>();
    const providers = new Set<string>([...knownMailboxProviders, ...Object.keys(mailboxProviders), 'other']);
    for (const [name, { name: atSendgrid = name, warmup }] of Object.entries(ipPools)) {
      const first = firstOf.get(atSendgrid);
      if (first !== undefined) fault(['ipPools', name, 'name'], `is already used by ${first}`);
      else firstOf.set(atSendgrid, name);
      if (!warmup) continue;
      const at = ['ipPools', name, 'warmup'];
      for (const [provider, days] of Object.entries(warmup.perProvider)) {
        const path = [...at, 'perProvider', provider];
        if (!providers.has(provider)) fault(path, 'is no mailbox provider');
        const above = days.findIndex((volume, day) => volume > (warmup.days[day] ?? Infinity));
        if (above >= 0) fault(path, `is above the volume of the pool on day ${above + 1}`);
      }
      if (warmup.overflowTo !== undefined && !isPool(warmup.overflowTo)) {
        fault([...at, 'overflowTo'], 'is not in ipPools');
      }
      const passed = new Set<string>();
      for (let next: string | undefined = name; next !== undefined; next = ipPools[next]?.warmup?.overflowTo) {
        if (passed.has(next)) {
          fault([...at, 'overflowTo'], 'goes round in a circle');
          break;
        }
        passed.add(next);
      }
    }

    const wanted: [PropertyKey[], string | undefined][] = [
      [['pools', 'default'], pools?.default],
      ...Object.entries(pools?.lanes ?? {}).map(([one, name]): [string[], string] => [['pools', 'lanes', one], name]),
      ...Object.entries(pools?.senders ?? {}).map(([one, name]): [string[], string] => [
        ['pools', 'senders', one],
        name,
      ]),
    ];
    for (const [path, name] of wanted) if (name !== undefined && !isPool(name)) fault(path, 'is not in ipPools');
  });

export type TenantEmail = z.output<typeof email>;
