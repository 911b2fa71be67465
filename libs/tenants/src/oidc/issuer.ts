import { tenantName } from '@signalbox/contracts';
import { z } from 'zod';

/** Signatures with a public key only: with HS256 whoever can check a token could make one, of the key everybody can read. */
const algorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Keys that come over a line anybody can write on prove nothing; on this machine there is no line. */
const secureUrl = z.string().refine((text) => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, hash } = new URL(text);
  if (username !== '' || hash !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && loopback.test(hostname));
}, 'must be an https URL (http only for this machine)');

/** An OpenID Connect provider whose JWTs the HTTP APIs take. */
export const oidcIssuer = z.strictObject({
  /** As tokens say it in `iss`, to the letter. */
  issuer: secureUrl,
  /** One of them has to be in `aud`: a token that was made for something else opens nothing here. */
  audiences: z.array(z.string().min(1)).min(1),
  /** Where its keys are. Without: where `<issuer>/.well-known/openid-configuration` says. */
  jwksUrl: secureUrl.optional(),
  algorithms: z.array(z.enum(algorithms)).min(1).default(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']),
  /** How far its clock and ours may differ. */
  clockToleranceSeconds: z.int().min(0).max(300).default(30),
  /** For whom it may speak: tenants that its claim names, or what the claim says, and the tenant that is meant by it. */
  tenants: z.union([z.array(tenantName).min(1), z.record(z.string().min(1), tenantName)]),
  claims: z
    .strictObject({
      tenant: z.string().min(1).default('tenant'),
      /** The first one that is there counts: a string of words, or a list. */
      scopes: z.array(z.string().min(1)).min(1).default(['scope', 'scp']),
      /** Who the bearer is, as in what is kept of erasures and the like. */
      name: z.string().min(1).default('sub'),
    })
    .prefault({}),
  /** What stands before `send`, `read` and `admin` in its scopes; those without it do not count. */
  scopePrefix: z.string().default(''),
});

export type OidcIssuer = z.output<typeof oidcIssuer>;

/** What the tenant claim may say, and the tenant that is meant by it. */
export function tenantsByClaim({ tenants }: OidcIssuer): ReadonlyMap<string, string> {
  return new Map(Array.isArray(tenants) ? tenants.map((name) => [name, name]) : Object.entries(tenants));
}
