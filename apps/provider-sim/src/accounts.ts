import type { SimulatedAccount } from './config.ts';
import { numberOf } from './messages-api/address.rules.ts';

/** Twilio's documented magic sender; every account may send from it. */
const MAGIC_SENDER = '+15005550006';

export interface Account extends SimulatedAccount {
  owns(sender: string): boolean;
  /** The messaging service whose pool holds this sender. */
  serviceOf(sender: string): string | undefined;
  /** Where its errors are posted. */
  readonly debuggerUrl: string | undefined;
}

/** For accounts that have no URLs of their own. */
export interface DefaultUrls {
  readonly inbound?: string | undefined;
  readonly voice?: string | undefined;
  readonly voiceFallback?: string | undefined;
  /** Base URL of webhook-ingest. */
  readonly callbacks?: string | undefined;
}

/** The accounts the simulator plays, by SID and by the Authorization header that opens them. */
export class Accounts {
  readonly #bySid = new Map<string, Account>();
  readonly #byAuthorization = new Map<string, Account>();

  constructor(accounts: SimulatedAccount[], defaults: DefaultUrls = {}) {
    for (const settings of accounts) {
      const account = accountOf(settings, defaults);
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

  get all(): Account[] {
    return [...this.#bySid.values()];
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

function accountOf(settings: SimulatedAccount, defaults: DefaultUrls): Account {
  const serviceBySender = new Map<string, string>();
  for (const [service, pool] of Object.entries(settings.messagingServices)) {
    for (const sender of pool) serviceBySender.set(numberOf(sender), service);
  }
  const owned = new Set([...settings.senders.map(numberOf), ...serviceBySender.keys(), MAGIC_SENDER]);
  return {
    ...settings,
    inboundUrl: settings.inboundUrl ?? defaults.inbound,
    voiceUrl: settings.voiceUrl ?? defaults.voice,
    voiceFallbackUrl: settings.voiceFallbackUrl ?? defaults.voiceFallback,
    voiceStatusCallback:
      settings.voiceStatusCallback ??
      (defaults.callbacks === undefined ? undefined : `${trimmed(defaults.callbacks)}/twilio/voice/status`),
    debuggerUrl: defaults.callbacks === undefined ? undefined : `${trimmed(defaults.callbacks)}/twilio/debugger`,
    owns: (sender) => owned.has(numberOf(sender)),
    serviceOf: (sender) => serviceBySender.get(numberOf(sender)),
  };
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const trimmed = (url: string) => url.replace(/\/+$/, '');
