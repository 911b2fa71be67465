import { isIPv4 } from 'node:net';
import { z } from 'zod';

const secretReference = z.string().regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/, 'must be env:NAME or file:/path');
const name = z.string().min(1).max(64);

/** `192.0.2.0/24`, or one address. Twilio takes IPv4 only. */
export const addressBlock = z.string().refine((text) => {
  const [address = '', length = '32', ...rest] = text.split('/');
  return rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) <= 32;
}, 'must be an IPv4 address, or a block of them such as 192.0.2.0/24');

/** Where Twilio sends calls that come in over the trunk. Source: Twilio SDK 6.2.0, rest/trunking/v1/trunk/originationUrl. */
const originationUrl = z.strictObject({
  url: z
    .string()
    .regex(/^sips?:\S+$/, 'must begin with sip: or sips:')
    .max(256),
  /** The lowest comes first. */
  priority: z.int().min(0).max(65_535).default(10),
  /** The share among those of equal priority. */
  weight: z.int().min(1).max(65_535).default(10),
  enabled: z.boolean().default(true),
});

const trunk = z.strictObject({
  /** Of the trunk at Twilio; the name it goes by here when left out. */
  friendlyName: name.optional(),
  /** `example.pstn.twilio.com`, where the PBX sends its calls. */
  domainName: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*\.pstn\.twilio\.com$/, 'must end with .pstn.twilio.com')
    .optional(),
  /** TLS for signalling and SRTP for media; without them calls can be listened to. */
  secure: z.boolean().default(true),
  transferMode: z.enum(['disable-all', 'enable-all', 'sip-only']).default('disable-all'),
  originationUrls: z.array(originationUrl).max(20).default([]),
  /** Who may send calls, by address: name of the list → addresses. */
  ipAccessLists: z.record(name, z.array(addressBlock).min(1).max(100)).default({}),
  /** Who may send calls, by name and password: name of the list → user → password. */
  credentialLists: z
    .record(
      name,
      z.record(z.string().min(1).max(32), secretReference).refine((users) => Object.keys(users).length > 0),
    )
    .default({}),
});

export const trunks = z.record(name, trunk);

export type SipTrunk = z.output<typeof trunk>;
