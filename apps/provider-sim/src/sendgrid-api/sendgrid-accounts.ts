import { Injectable } from '@nestjs/common';
import { type Account, Accounts } from '../accounts.ts';
import { Domains } from './domains.ts';
import { SuppressionLists } from './suppression-lists.ts';
import { Templates } from './templates.ts';

/** What SendGrid knows of one account: its key with its scopes, and the resources behind it. */
export interface SendgridAccount {
  readonly account: Account;
  apiKey: string | undefined;
  revoked: boolean;
  /** Null: full access. */
  scopes: readonly string[] | null;
  readonly suppressions: SuppressionLists;
  readonly templates: Templates;
  readonly domains: Domains;
  /** Names of its IP pools. */
  readonly pools: Set<string>;
}

/** What `POST /_sim/sendgrid` may change of an account. */
export interface KeyChange {
  readonly apiKey?: string | undefined;
  readonly revoked?: boolean | undefined;
  readonly scopes?: readonly string[] | null | undefined;
}

@Injectable()
export class SendgridAccounts {
  #all: SendgridAccount[];

  constructor(private readonly accounts: Accounts) {
    this.#all = this.accounts.all.map(fresh);
  }

  byKey(apiKey: string): SendgridAccount | undefined {
    return this.#all.find((one) => one.apiKey === apiKey);
  }

  /** The first one by default. */
  find(accountSid?: string): SendgridAccount | undefined {
    return accountSid === undefined ? this.#all[0] : this.#all.find(({ account }) => account.accountSid === accountSid);
  }

  change(one: SendgridAccount, { apiKey, revoked, scopes }: KeyChange): void {
    if (apiKey !== undefined) one.apiKey = apiKey;
    if (revoked !== undefined) one.revoked = revoked;
    if (scopes !== undefined) one.scopes = scopes;
  }

  clear(): void {
    this.#all = this.accounts.all.map(fresh);
  }
}

function fresh(account: Account): SendgridAccount {
  return {
    account,
    apiKey: account.sendgridApiKey,
    revoked: false,
    scopes: null,
    suppressions: new SuppressionLists(),
    templates: new Templates(),
    domains: new Domains(),
    pools: new Set(account.sendgridIpPools),
  };
}
