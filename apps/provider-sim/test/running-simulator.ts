import { generateKeyPairSync } from 'node:crypto';
import type { Tenant } from '@signalbox/tenants';
import { type RunningService, startService } from '@signalbox/service';
import { sendgridClient } from '@signalbox/sendgrid';
import { twilioClient } from '@signalbox/twilio';
import type { FastifyInstance } from 'fastify';
import { Agent } from 'undici';
import type { SimulatedAccountInput } from '../src/config.ts';
import { simulator } from '../src/simulator.ts';

export const sendgridKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const account = {
  accountSid: 'AC00000000000000000000000000000001',
  apiKeySid: 'SK00000000000000000000000000000001',
  apiKeySecret: 'secret-of-the-key',
  authToken: 'token-that-signs',
  senders: ['+14155550100', 'SIGNALBOX'],
  messagingServices: {
    MG00000000000000000000000000000001: ['+14155550101', '+14155550102'],
    MG00000000000000000000000000000002: [],
  },
  sendgridApiKey: 'SG.key-of-the-specs.0123456789',
  verifyServices: {
    VA00000000000000000000000000000001: { FriendlyName: 'Demo', VerifyEventSubscriptionEnabled: 'true' },
  },
  sendgridPrivateKey: sendgridKeys.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
} satisfies SimulatedAccountInput;

export const verifyService = 'VA00000000000000000000000000000001';
export const service = 'MG00000000000000000000000000000001';
export const emptyService = 'MG00000000000000000000000000000002';

export interface Accepted {
  sid: string;
  to: string;
  from: string | null;
  body: string;
  status: string;
  errorCode: number | null;
  createdAt: string;
  statusCallback: string | null;
}

/** A simulator in this process, driven over HTTP as anybody would; `observe` sees its Fastify before it listens. */
export async function runSimulator(
  options: {
    inboundUrl?: string;
    voiceUrl?: string;
    voiceFallbackUrl?: string;
    callbacksUrl?: string;
    observe?: (fastify: FastifyInstance) => void;
  } = {},
) {
  const running: RunningService = await startService(
    {
      ...simulator,
      async configure(app, context) {
        await simulator.configure?.(app, context);
        options.observe?.(app.getHttpAdapter().getInstance());
      },
    },
    {
      PORT: '0',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'error',
      SIM_ACCOUNTS: JSON.stringify([account]),
      SIM_INBOUND_URL: options.inboundUrl,
      SIM_VOICE_URL: options.voiceUrl,
      SIM_VOICE_FALLBACK_URL: options.voiceFallbackUrl,
      SIM_CALLBACKS_URL: options.callbacksUrl,
    },
  );
  const agent = new Agent();
  const control = async <T>(path: string, body?: object): Promise<T> => {
    const response = await fetch(`${running.url}/_sim/${path}`, {
      ...(body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };

  return {
    url: running.url,
    messagesUrl: `${running.url}/2010-04-01/Accounts/${account.accountSid}/Messages.json`,
    authorization: `Basic ${Buffer.from(`${account.apiKeySid}:${account.apiKeySecret}`).toString('base64')}`,
    control,
    /** The official SDK as our services use it, with an API key. */
    client(overrides: { secret?: string; accountSid?: string; timeoutMs?: number } = {}) {
      return twilioClient(tenant(running.url, overrides), {
        dispatcher: agent,
        timeoutMs: overrides.timeoutMs ?? 5_000,
      });
    },
    /** The same for SendGrid. */
    sendgrid(overrides: { apiKey?: string; timeoutMs?: number } = {}) {
      const { apiKey = account.sendgridApiKey, timeoutMs = 5_000 } = overrides;
      const sendgrid = { apiKey, baseUrl: running.url };
      return sendgridClient({ ...tenant(running.url, {}), sendgrid }, { timeoutMs });
    },
    faults: (plan: object) => control('faults', plan),
    reset: () => control('reset', {}),
    accepted: (to?: string) => control<Accepted[]>(`messages${to ? `?to=${encodeURIComponent(to)}` : ''}`),
    async stop() {
      await agent.destroy();
      await running.stop();
    },
  };
}

export type RunningSimulator = Awaited<ReturnType<typeof runSimulator>>;

function tenant(baseUrl: string, { secret, accountSid }: { secret?: string; accountSid?: string }): Tenant {
  return {
    name: 'demo',
    twilio: {
      accountSid: accountSid ?? account.accountSid,
      apiKey: { sid: account.apiKeySid, secret: secret ?? account.apiKeySecret },
      authTokens: [account.authToken],
      baseUrl,
    },
    senders: account.senders,
    messagingServices: { default: service },
    apiTokens: [],
  };
}
