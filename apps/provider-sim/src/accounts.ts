import type { SimulatedAccount } from './config.ts';
import { numberOf } from './messages-api/address.rules.ts';

/** Twilio's documented magic sender; every account may send from it. */
const MAGIC_SENDER = '+15005550006';

export interface Account extends SimulatedAccount {
  owns(sender: string): boolean;
  /** The messaging service whose pool holds this sender. */
  serviceOf(sender: string): string | undefined;
}

/** The accounts the simulator plays, by SID and by the Authorization header that opens them. */
export class Accounts {
  readonly #bySid = new Map<string, Account>();
  readonly #byAuthorization = new Map<string, Account>();

  constructor(accounts: SimulatedAccount[], defaultInboundUrl?: string) {
    for (const settings of accounts) {
      const account = accountOf(settings, defaultInboundUrl);
      this.#bySid.set(account.accountSid, account);
      this.#byAuthorization.set(basic(account.accountSid, account.authToken), account);
      if (account.apiKeySid !== undefined && account.apiKeySecret !== undefined) {
        this.#byAuthorization.set(basic(account.apiKeySid, account.apiKeySecret), account);
      }
    }
  }

  /** The one that is listed first. */
  get first(): Account | undefined {
    return this.#bySid.values().next().value;
  }

  bySid(accountSid: string): Account | undefined {
    return this.#bySid.get(accountSid);
  }

  byAuthorization(header: string | undefined): Account | undefined {
    return header === undefined ? undefined : this.#byAuthorization.get(header);
  }

  bySender(sender: string): Account | undefined {
    return [...this.#bySid.values()].find((account) => account.owns(sender));
  }
}

function accountOf(settings: SimulatedAccount, defaultInboundUrl: string | undefined): Account {
  const serviceBySender = new Map<string, string>();
  for (const [service, pool] of Object.entries(settings.messagingServices)) {
    for (const sender of pool) serviceBySender.set(numberOf(sender), service);
  }
  const owned = new Set([...settings.senders.map(numberOf), ...serviceBySender.keys(), MAGIC_SENDER]);
  return {
    ...settings,
    inboundUrl: settings.inboundUrl ?? defaultInboundUrl,
    owns: (sender) => owned.has(numberOf(sender)),
    serviceOf: (sender) => serviceBySender.get(numberOf(sender)),
  };
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
