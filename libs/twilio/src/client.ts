import type { Tenant } from '@signalbox/tenants';
import { Agent, type Dispatcher } from 'undici';
import twilio, { type Twilio } from 'twilio';
import { UndiciRequestClient } from './request-client.ts';

export interface TwilioClientOptions {
  /** From the call to the last byte of the answer, waiting for a free connection included. Default 10 s. */
  readonly timeoutMs?: number;
  /** Default: one pool for the process, bounded per origin. */
  readonly dispatcher?: Dispatcher;
}

let sharedAgent: Agent | undefined;

/** Twilio caps concurrent requests per account (20429); more sockets than this only move the queue. */
function processAgent(): Agent {
  return (sharedAgent ??= new Agent({ connections: 100, connect: { timeout: 5_000 } }));
}

const clients = new WeakMap<Tenant, Twilio>();

/**
 * The official SDK for a tenant: its API key, region and edge, or every request to `baseUrl` instead. Made once per
 * tenant object, so a reload that changes the tenant also makes a new client; the first call's options hold.
 * Calls reject with `TwilioApiError` or `TwilioTransportError`, nothing else.
 */
export function twilioClient(tenant: Tenant, options: TwilioClientOptions = {}): Twilio {
  let client = clients.get(tenant);
  if (!client) clients.set(tenant, (client = create(tenant, options)));
  return client;
}

function create(
  { twilio: account }: Tenant,
  { timeoutMs = 10_000, dispatcher = processAgent() }: TwilioClientOptions,
): Twilio {
  return twilio(account.apiKey.sid, account.apiKey.secret, {
    accountSid: account.accountSid,
    ...(account.region !== undefined && { region: account.region }),
    ...(account.edge !== undefined && { edge: account.edge }),
    httpClient: new UndiciRequestClient({ timeoutMs, dispatcher, baseUrl: account.baseUrl }),
  });
}
