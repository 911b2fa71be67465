import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { stringify } from 'yaml';

export interface LocalTenant {
  /** For `TENANTS_FILE`; refers to the secrets by name. */
  readonly file: string;
  /** What the services find those secrets under. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The same account as the simulator plays it: its `SIM_ACCOUNTS`. */
  readonly simulatorAccounts: string;
  readonly tokens: {
    readonly admin: string;
    readonly send: string;
    readonly read: string;
    readonly webhookAuth: string;
  };
}

const accountSid = 'AC00000000000000000000000000000001';
const apiKeySid = 'SK00000000000000000000000000000001';
const messagingServiceSid = 'MG00000000000000000000000000000001';
const verifyServiceSid = 'VA00000000000000000000000000000001';
const senders = ['+14155550100'];

/** The tenant `demo` of local runs, whose provider is the simulator at `simulatorUrl`; new secrets at every call. */
export function localTenant(simulatorUrl: string, fields: Readonly<Record<string, unknown>> = {}): LocalTenant {
  const secret = (bytes = 24) => randomBytes(bytes).toString('base64url');
  const apiKeySecret = secret();
  const sendgridApiKey = `SG.${secret(16)}.${secret(32)}`;
  const authToken = randomBytes(16).toString('hex');
  const tokens = { admin: `sb_admin_${secret()}`, send: `sb_send_${secret()}`, read: `sb_read_${secret()}` };
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sendgridKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const apiToken = (name: keyof typeof tokens, scopes: string[]) => ({
    name,
    sha256: createHash('sha256').update(tokens[name]).digest('hex'),
    scopes,
  });
  const tenant = {
    name: 'demo',
    twilio: {
      accountSid,
      apiKey: { sid: apiKeySid, secret: 'env:DEMO_TWILIO_API_KEY_SECRET' },
      authTokens: ['env:DEMO_TWILIO_AUTH_TOKEN'],
      baseUrl: simulatorUrl,
    },
    sendgrid: {
      apiKey: 'env:DEMO_SENDGRID_API_KEY',
      baseUrl: simulatorUrl,
      from: 'Demo <no-reply@demo.example>',
      eventPublicKeys: [sendgridKey],
      inboundParse: {
        publicKeys: [sendgridKey],
        replyAddress: 'reply@parse.example.net',
        routes: [{ topic: 'support', recipient: 'support@*', kinds: ['message'] }],
      },
    },
    // Newsletters go through new IP addresses, which warm up from today on; all else goes as SendGrid likes.
    email: {
      ipPools: {
        main: {},
        fresh: {
          warmup: {
            start: new Date().toISOString().slice(0, 10),
            overflowTo: 'main',
            days: { first: 10, factor: 2, until: 5000 },
            perProvider: { gmail: { first: 3, factor: 2, until: 1000 } },
          },
        },
      },
      pools: { senders: { 'news.demo.example': 'fresh' } },
      // Here recipients bounce and complain to order, as many as somebody wants: that is told, and stops nothing.
      deliverability: { enforce: false },
    },
    senders,
    messagingServices: { default: messagingServiceSid },
    defaultMessagingService: 'default',
    defaultSender: senders[0],
    // The simulator has no limit of calls per second; without a quota it would be Twilio's of a new account.
    voice: {
      numbers: { [senders[0] ?? '']: 'support' },
      fallbackNumber: '+14155550110',
      quotas: { account: { rate: 100 } },
    },
    verify: { services: { default: { sid: verifyServiceSid, friendlyName: 'Demo', customCode: true } } },
    apiTokens: [apiToken('admin', ['admin', 'send', 'read']), apiToken('send', ['send']), apiToken('read', ['read'])],
    ...fields,
  };
  const account = {
    accountSid,
    apiKeySid,
    apiKeySecret,
    authToken,
    sendgridApiKey,
    sendgridIpPools: ['main', 'fresh'],
    sendgridPrivateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    senders,
    messagingServices: { [messagingServiceSid]: senders },
    verifyServices: {
      [verifyServiceSid]: { FriendlyName: 'Demo', CustomCodeEnabled: 'true', VerifyEventSubscriptionEnabled: 'true' },
    },
  };
  return {
    file: stringify({ version: 1, tenants: [tenant] }),
    secrets: {
      DEMO_TWILIO_API_KEY_SECRET: apiKeySecret,
      DEMO_TWILIO_AUTH_TOKEN: authToken,
      DEMO_SENDGRID_API_KEY: sendgridApiKey,
      UNSUBSCRIBE_KEY: secret(),
      REPLY_KEY: secret(),
      VERIFY_HASH_KEY: secret(32),
      VERIFY_TOTP_KEY: randomBytes(32).toString('base64'),
    },
    simulatorAccounts: JSON.stringify([account]),
    tokens: { ...tokens, webhookAuth: authToken },
  };
}
