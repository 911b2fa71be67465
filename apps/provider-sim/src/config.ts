import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-fA-F]{32}$`), `must be ${prefix} and 32 hex digits`);

const privateKey = z.string().transform((text, context) => {
  try {
    return createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
  } catch {
    context.addIssue({ code: 'custom', message: 'is not the base64 of a private key' });
    return z.NEVER;
  }
});

/** An account the simulator plays: who may call it, what it signs with, and what it may send from. */
export const simulatedAccount = z.strictObject({
  accountSid: sid('AC'),
  apiKeySid: sid('SK').optional(),
  apiKeySecret: z.string().min(1).optional(),
  /** Signs callbacks, and is accepted as the password of the account itself. */
  authToken: z.string().min(1),
  senders: z.array(z.string().min(1)).default([]),
  /** Messaging service → its pool of senders. */
  messagingServices: z.record(sid('MG'), z.array(z.string().min(1))).default({}),
  /** Verify services there are from the start and after a reset: SID → the parameters of their create. */
  verifyServices: z.record(sid('VA'), z.record(z.string(), z.string())).default({}),
  /** Signs what SendGrid posts: base64 of PKCS #8, a P-256 key whose public half the tenant file has. */
  sendgridPrivateKey: privateKey.optional(),
  /** Opens SendGrid's REST API. */
  sendgridApiKey: z.string().startsWith('SG.').optional(),
  /** IP pools there are from the start and after a reset. */
  sendgridIpPools: z.array(z.string().min(2).max(64)).default([]),
  /** Where inbound messages are announced; SIM_INBOUND_URL when absent. */
  inboundUrl: z.url().optional(),
  /** What answers calls to its numbers with TwiML; SIM_VOICE_URL when absent. */
  voiceUrl: z.url().optional(),
  /** Asked when `voiceUrl` fails; SIM_VOICE_FALLBACK_URL when absent. */
  voiceFallbackUrl: z.url().optional(),
  /** Where the end of such a call is announced; `/twilio/voice/status` below SIM_CALLBACKS_URL when absent. */
  voiceStatusCallback: z.url().optional(),
});

/** What the simulator reads beside the environment of every service. */
export const simulatorConfig = z.object({
  SIM_ACCOUNTS: z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'is not JSON' });
        return z.NEVER;
      }
    })
    .pipe(z.array(simulatedAccount).min(1)),
  SIM_INBOUND_URL: z.url().optional(),
  SIM_VOICE_URL: z.url().optional(),
  SIM_VOICE_FALLBACK_URL: z.url().optional(),
  /** Public base URL of webhook-ingest, for `POST /_sim/callbacks`, errors of calls and the end of inbound calls. */
  SIM_CALLBACKS_URL: z.url().optional(),
});

export type SimulatedAccount = z.output<typeof simulatedAccount>;
export type SimulatedAccountInput = z.input<typeof simulatedAccount>;
