import { createPublicKey } from 'node:crypto';
import { isIP } from 'node:net';
import { tenantName } from '@signalbox/contracts';
import { z } from 'zod';
import { email } from './email.ts';
import { inDoubt } from './in-doubt.ts';
import { inboundRoutes, replyAddress } from './inbound-routes.ts';
import { oidcIssuer, tenantsByClaim } from './oidc/issuer.ts';
import { quietHours } from './quiet-hours.ts';
import { emailQuotas, tenantQuotas } from './quotas.ts';
import { retention } from './retention.ts';
import { scopes } from './scopes.ts';
import { readSenders, senderFields } from './senders.ts';
import { verify } from './verify.ts';
import { voice } from './voice.ts';

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-f]{32}$`), `must be a SID: ${prefix} and 32 lower-case hex digits`);

const secretReference = z
  .string()
  .regex(
    /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/,
    'a secret must not stand in this file: write env:NAME or file:/path',
  );

const apiToken = z.strictObject({
  name: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the token in lower-case hex'),
  scopes: z.array(z.enum(scopes)).min(1),
});

const oneOrTwo = <Item extends z.ZodType>(item: Item) =>
  z.array(item).min(1).max(2, 'at most two: the current one and, during a rotation, the other');

/** CIDR, or a single address. */
export const addressRange = z.string().refine((text) => {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}, 'must be an IP address or a CIDR range');

const publicKey = z.string().refine((text) => {
  try {
    const key = text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}, 'must be a P-256 public key, PEM or base64 as SendGrid shows it');

/** A Webhook Rule with a shared key: what it covers is signed with that key and no longer with the auth token. */
const sharedKey = z.strictObject({
  routes: z.array(z.string().regex(/^\/\S+$/, 'must be the path of a callback route')).min(1),
  secrets: oneOrTwo(secretReference),
  algorithm: z.enum(['HMAC_SHA256', 'HMAC_SHA1']).default('HMAC_SHA256'),
});

/** An address, or `Name <address>`. */
const emailSender = z
  .string()
  .regex(/^([^<>@,;]+ <)?[^\s<>@,;]+@[^\s<>@,;]+\.[^\s<>@,;]+>?$/, 'must be an address, or Name <address>');

const sendgrid = z.strictObject({
  apiKey: secretReference.optional(),
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** Who an email is from when its request does not say. */
  from: emailSender.optional(),
  /** By sender's address. */
  quotas: emailQuotas.optional(),
  eventPublicKeys: oneOrTwo(publicKey).optional(),
  inboundParse: z
    .strictObject({
      publicKeys: oneOrTwo(publicKey).optional(),
      secretPath: secretReference.optional(),
      allowedSources: z.array(addressRange).min(1).optional(),
      routes: inboundRoutes.optional(),
      replyAddress: replyAddress.optional(),
    })
    .refine(({ publicKeys, secretPath }) => publicKeys ?? secretPath, 'needs publicKeys or secretPath')
    .refine(({ secretPath, allowedSources }) => secretPath || !allowedSources, 'allowedSources goes with secretPath')
    .optional(),
});

const tenant = z
  .strictObject({
    name: tenantName,
    twilio: z.strictObject({
      accountSid: sid('AC'),
      parentAccountSid: sid('AC').optional(),
      apiKey: z.strictObject({ sid: sid('SK'), secret: secretReference }),
      authTokens: oneOrTwo(secretReference),
      sharedKeys: z.array(sharedKey).optional(),
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
    sendgrid: sendgrid.optional(),
    email: email.optional(),
    ...senderFields,
    defaultMessagingService: z.string().optional(),
    defaultSender: z.string().optional(),
    quotas: tenantQuotas.optional(),
    quietHours: quietHours.optional(),
    retention: retention.optional(),
    inDoubt: inDoubt.optional(),
    verify: verify.optional(),
    voice: voice.optional(),
    /** Look-alikes of GSM-7 characters are replaced, so that fewer texts need UCS-2. */
    smartEncoding: z.boolean().optional(),
    apiTokens: z.array(apiToken).default([]),
  })
  .transform(({ senders, messagingServices, quotas, ...rest }) => ({
    ...rest,
    ...readSenders({ senders, messagingServices, quotas }),
  }))
  .superRefine((value, context) => {
    const { defaultMessagingService, defaultSender } = value;
    if (defaultMessagingService !== undefined && !Object.hasOwn(value.messagingServices, defaultMessagingService))
      context.addIssue({ code: 'custom', path: ['defaultMessagingService'], message: 'is not in messagingServices' });
    if (defaultSender !== undefined && !value.senders.includes(defaultSender))
      context.addIssue({ code: 'custom', path: ['defaultSender'], message: 'is not in senders' });
    const pinned = (value.twilio.sharedKeys ?? []).flatMap(({ routes }) => routes);
    if (new Set(pinned).size < pinned.length)
      context.addIssue({ code: 'custom', path: ['twilio', 'sharedKeys'], message: 'a route has two shared keys' });
    for (const name of Object.keys(value.quotas?.senders ?? {})) {
      const known = value.senders.includes(name) || value.senders.includes(name.replace(/^whatsapp:/, ''));
      if (!known && !Object.hasOwn(value.messagingServices, name))
        context.addIssue({
          code: 'custom',
          path: ['quotas', 'senders', name],
          message: 'is not in senders or messagingServices',
        });
    }
  });

/** The tenant file as it is written; secrets are references. */
export const tenantFile = z
  .strictObject({
    version: z.literal(1, 'must be 1, the only version there is'),
    issuers: z.array(oidcIssuer).default([]),
    tenants: z.array(tenant).min(1),
  })
  .superRefine(({ issuers, tenants }, context) => {
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
      'public key',
      tenants.flatMap(({ sendgrid }, i) =>
        (sendgrid?.eventPublicKeys ?? []).map((value, j) => ({
          value,
          path: ['tenants', i, 'sendgrid', 'eventPublicKeys', j],
        })),
      ),
    );
    // Whose an email is, is told by the key alone.
    unique(
      'public key',
      tenants.flatMap(({ sendgrid }, i) =>
        (sendgrid?.inboundParse?.publicKeys ?? []).map((value, j) => ({
          value,
          path: ['tenants', i, 'sendgrid', 'inboundParse', 'publicKeys', j],
        })),
      ),
    );
    unique(
      'token',
      tenants.flatMap(({ apiTokens }, i) =>
        apiTokens.map(({ sha256 }, j) => ({ value: sha256, path: ['tenants', i, 'apiTokens', j, 'sha256'] })),
      ),
    );
    // Which of two is meant, a token could not say.
    unique(
      'issuer',
      issuers.map(({ issuer }, i) => ({ value: issuer, path: ['issuers', i, 'issuer'] })),
    );
    const names = new Set(tenants.map(({ name }) => name));
    issuers.forEach((issuer, i) => {
      for (const name of new Set(tenantsByClaim(issuer).values()))
        if (!names.has(name))
          context.addIssue({ code: 'custom', path: ['issuers', i, 'tenants'], message: `there is no tenant ${name}` });
    });
  });

/** One tenant with its secrets resolved; the same object over a reload that does not change it. */
export type Tenant = z.output<typeof tenant>;
