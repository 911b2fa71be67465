import { domainConfig, milliseconds } from '@signalbox/domain-service';
import { dispatchConfig, leaseOutlivesCall } from '@signalbox/outbound';
import { publicBaseUrlFault } from '@signalbox/twilio';
import { z } from 'zod';
import { hostPattern } from './recordings/redirect.rules.ts';
import { commaSeparated, twimlConfig } from './twiml/config.ts';

const publicBaseUrl = (description: string) =>
  z
    .string()
    .superRefine((base, context) => {
      const fault = publicBaseUrlFault(base);
      if (fault) context.addIssue({ code: 'custom', message: fault });
    })
    .meta({ description });

/** The environment of voice-svc, beside what every service and the Kafka client read. */
export const voiceConfig = domainConfig('voice-svc')
  .extend({
    PUBLIC_BASE_URL: publicBaseUrl('where the provider reaches webhook-ingest'),
    VOICE_PUBLIC_BASE_URL: publicBaseUrl('where the provider reaches voice-svc for TwiML'),
    ...dispatchConfig,
    ...twimlConfig,
    IN_DOUBT_SETTLE_MS: milliseconds(
      15_000,
      "how long an attempt in doubt is left alone, so that it can show up in the provider's list",
    ),
    CALLBACK_OVERDUE_MS: milliseconds(120_000, 'silence after which the provider is asked for the status'),
    RECONCILE_POLL_MS: milliseconds(1_000, 'how often attempts in doubt and silent calls are looked for'),
    PRICE_POLL_MS: milliseconds(60_000, 'first wait before the provider is asked what a call or recording cost'),
    RECORDINGS_POLL_MS: milliseconds(10_000, 'how often recordings to delete and prices to ask for are looked for'),
    RECORDING_MEDIA_HOSTS: z
      .string()
      .default('*.twilio.com,*.twiliocdn.com')
      .transform(commaSeparated)
      .pipe(z.array(z.string().regex(hostPattern, 'must be host names, or *. and one: *.example.com')))
      .meta({
        description: 'where the provider may send us for the sound of a recording, over https; comma-separated',
      }),
    RETENTION_POLL_MS: milliseconds(60_000, "how often what outlived its tenant's retention is looked for"),
  })
  .refine(...leaseOutlivesCall);

export type VoiceConfig = z.output<typeof voiceConfig>;

/** To inject the configuration. */
export const CONFIG = Symbol('voice config');
