import { tenantName } from '@signalbox/contracts';
import { z } from 'zod';

export const scopes = ['send', 'read', 'admin'] as const;

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-f]{32}$`), `must be a SID: ${prefix} and 32 lower-case hex digits`);

const secretReference = z
  .string()
  .regex(
    /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/,
    'a secret must not stand in this file: write env:NAME or file:/path',
  );

const e164 = z.string().regex(/^\+[1-9]\d{6,14}$/);
const shortCode = z.string().regex(/^\d{3,8}$/);
const alphanumericSender = z.string().regex(/^(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}$/);
const channelSender = z.string().regex(/^(whatsapp:\+[1-9]\d{6,14}|rcs:\S+)$/);
const sender = z.union([e164, shortCode, channelSender, alphanumericSender], {
  error: 'must be E.164, a short code, whatsapp:+E.164, rcs:agent or an alphanumeric sender',
});

const apiToken = z.strictObject({
  name: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the token in lower-case hex'),
  scopes: z.array(z.enum(scopes)).min(1),
});

const tenant = z
  .strictObject({
    name: tenantName,
    twilio: z.strictObject({
      accountSid: sid('AC'),
      apiKey: z.strictObject({ sid: sid('SK'), secret: secretReference }),
      authTokens: z
        .array(secretReference)
        .min(1)
        .max(2, 'at most two: the current one and, during a rotation, the other'),
      region: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .optional(),
      edge: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .optional(),
      baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    }),
    senders: z.array(sender).default([]),
    messagingServices: z.record(z.string().min(1).max(64), sid('MG')).default({}),
    defaultMessagingService: z.string().optional(),
    defaultSender: z.string().optional(),
    apiTokens: z.array(apiToken).default([]),
  })
  .superRefine((value, context) => {
    const { defaultMessagingService, defaultSender } = value;
    if (defaultMessagingService !== undefined && !Object.hasOwn(value.messagingServices, defaultMessagingService))
      context.addIssue({ code: 'custom', path: ['defaultMessagingService'], message: 'is not in messagingServices' });
    if (defaultSender !== undefined && !value.senders.includes(defaultSender))
      context.addIssue({ code: 'custom', path: ['defaultSender'], message: 'is not in senders' });
  });

/** The tenant file as it is written; secrets are references. */
export const tenantFile = z
  .strictObject({ version: z.literal(1, 'must be 1, the only version there is'), tenants: z.array(tenant).min(1) })
  .superRefine(({ tenants }, context) => {
    const unique = (what: string, values: { value: string; path: PropertyKey[] }[]) => {
      const first = new Map<string, PropertyKey[]>();
      for (const { value, path } of values) {
        const earlier = first.get(value);
        if (earlier)
          context.addIssue({ code: 'custom', path, message: `${what} is already used at ${earlier.join('.')}` });
        else first.set(value, path);
      }
    };
    unique(
      'name',
      tenants.map(({ name }, i) => ({ value: name, path: ['tenants', i, 'name'] })),
    );
    unique(
      'accountSid',
      tenants.map(({ twilio }, i) => ({ value: twilio.accountSid, path: ['tenants', i, 'twilio', 'accountSid'] })),
    );
    unique(
      'token',
      tenants.flatMap(({ apiTokens }, i) =>
        apiTokens.map(({ sha256 }, j) => ({ value: sha256, path: ['tenants', i, 'apiTokens', j, 'sha256'] })),
      ),
    );
  });

export type Scope = (typeof scopes)[number];
export type ApiToken = Readonly<z.output<typeof apiToken>>;

/** One tenant with its secrets resolved; the same object over a reload that does not change it. */
export type Tenant = z.output<typeof tenant>;
