import { z } from 'zod';
import type { TenantQuotas } from './quotas.ts';

export const senderTypes = ['long_code', 'toll_free', 'short_code', 'alphanumeric', 'whatsapp', 'rcs'] as const;

/** With the carriers: 10DLC campaign, toll-free verification. `not_required`: the sender needs none. */
export const registrations = ['registered', 'pending', 'unregistered', 'not_required'] as const;

const e164 = z.string().regex(/^\+[1-9]\d{6,14}$/);
const shortCode = z.string().regex(/^\d{3,8}$/);
const alphanumericSender = z.string().regex(/^(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}$/);
const channelSender = z.string().regex(/^(whatsapp:\+[1-9]\d{6,14}|rcs:\S+)$/);
const number = z.union([e164, shortCode, channelSender, alphanumericSender], {
  error: 'must be E.164, a short code, whatsapp:+E.164, rcs:agent or an alphanumeric sender',
});

const known = {
  registration: z.enum(registrations).optional(),
  /** Its throughput class; becomes its rate in `quotas`, unless one is set there. */
  messagesPerSecond: z.number().positive().max(100_000).optional(),
};

const senderEntry = z.union(
  [
    number.transform((value) => ({ number: value })),
    z.strictObject({ number, type: z.enum(senderTypes).optional(), ...known }),
  ],
  {
    error:
      'must be a sender (E.164, a short code, whatsapp:+E.164, rcs:agent, alphanumeric) or { number: sender, type, registration, messagesPerSecond }',
  },
);

const serviceSid = z.string().regex(/^MG[0-9a-f]{32}$/, 'must be a SID: MG and 32 lower-case hex digits');
const serviceEntry = z.union(
  [serviceSid.transform((value) => ({ sid: value })), z.strictObject({ sid: serviceSid, ...known })],
  { error: 'must be a SID (MG and 32 lower-case hex digits) or { sid: MG…, registration, messagesPerSecond }' },
);

/** `senders` and `messagingServices` of a tenant as they are written: by address alone, or with what is known of it. */
export const senderFields = {
  senders: z.array(senderEntry).default([]),
  messagingServices: z.record(z.string().min(1).max(64), serviceEntry).default({}),
};

export type SenderType = (typeof senderTypes)[number];
export type Registration = (typeof registrations)[number];

export interface SenderRecord {
  readonly type: SenderType | 'messaging_service';
  /** Undefined when nothing is known of it. */
  readonly registration?: Registration | undefined;
}

export interface Senders {
  senders: string[];
  /** Name → SID */
  messagingServices: Record<string, string>;
  /** What the file says of a sender, or of a messaging service by its SID. */
  senderRecords?: Record<string, SenderRecord>;
  quotas?: TenantQuotas | undefined;
}

type Written = z.output<z.ZodObject<typeof senderFields>> & { quotas?: TenantQuotas | undefined };

/** Addresses on one side, what is known of them on the other; a throughput is a quota like any other. */
export function readSenders({ senders, messagingServices, quotas }: Written): Senders {
  const services = Object.entries(messagingServices);
  const records: [string, SenderRecord][] = [
    ...senders.flatMap((entry): [string, SenderRecord][] =>
      'registration' in entry || 'type' in entry
        ? [[entry.number, { type: entry.type ?? inferType(entry.number), registration: entry.registration }]]
        : [],
    ),
    ...services.flatMap(([, entry]): [string, SenderRecord][] =>
      'registration' in entry ? [[entry.sid, { type: 'messaging_service', registration: entry.registration }]] : [],
    ),
  ];
  const rates = Object.fromEntries(
    [...senders.map((entry) => [entry.number, entry] as const), ...services].flatMap(([name, entry]) =>
      'messagesPerSecond' in entry && entry.messagesPerSecond !== undefined
        ? [[name, { rate: entry.messagesPerSecond }]]
        : [],
    ),
  );
  const hasRates = Object.keys(rates).length > 0;
  return {
    senders: senders.map((entry) => entry.number),
    messagingServices: Object.fromEntries(services.map(([name, { sid }]) => [name, sid])),
    ...(records.length > 0 && { senderRecords: Object.fromEntries(records) }),
    ...(quotas || hasRates
      ? { quotas: { ...quotas, senders: { ...rates, ...quotas?.senders }, prefixes: quotas?.prefixes ?? {} } }
      : {}),
  };
}

/** What is known of a sender, or of a messaging service by its SID; its type at least. */
export function senderRecord(tenant: Pick<Senders, 'senderRecords'>, address: string): SenderRecord {
  const { senderRecords = {} } = tenant;
  const record = Object.hasOwn(senderRecords, address) ? senderRecords[address] : undefined;
  return (
    record ?? { type: address.startsWith('MG') && address.length === 34 ? 'messaging_service' : inferType(address) }
  );
}

function inferType(address: string): SenderType {
  if (address.startsWith('whatsapp:')) return 'whatsapp';
  if (address.startsWith('rcs:')) return 'rcs';
  if (/^\+18(00|33|44|55|66|77|88)\d{7}$/.test(address)) return 'toll_free';
  if (address.startsWith('+')) return 'long_code';
  return /^\d{3,8}$/.test(address) ? 'short_code' : 'alphanumeric';
}
