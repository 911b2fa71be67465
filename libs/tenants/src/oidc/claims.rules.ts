import { type Scope, scopes } from '../scopes.ts';
import { type OidcIssuer, tenantsByClaim } from './issuer.ts';

/** What the claims of a proven token say, in our words. */
export interface Bearer {
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** 64 characters at most, as the name of an API token. */
  readonly name: string;
}

/** Undefined when they name no tenant the issuer may speak for. Scopes we do not know are somebody else's. */
export function readClaims(claims: Readonly<Record<string, unknown>>, issuer: OidcIssuer): Bearer | undefined {
  const named = claims[issuer.claims.tenant];
  const tenant = typeof named === 'string' ? tenantsByClaim(issuer).get(named) : undefined;
  if (tenant === undefined) return undefined;
  const said = wordsOf(issuer.claims.scopes.map((name) => claims[name]).find((value) => value !== undefined));
  const name = claims[issuer.claims.name];
  return {
    tenant,
    scopes: scopes.filter((scope) => said.includes(issuer.scopePrefix + scope)),
    name: (typeof name === 'string' && name !== '' ? name : new URL(issuer.issuer).host).slice(0, 64),
  };
}

/** `scope` is words in one string (RFC 8693); `scp` and `roles` are often a list. */
function wordsOf(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value : [];
}
