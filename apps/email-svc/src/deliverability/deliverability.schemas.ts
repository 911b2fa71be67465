import { timestamp } from '@signalbox/contracts';
import { z } from 'zod';
import { streams } from './count.rules.ts';

const state = z
  .enum(['ok', 'throttled', 'stopped'])
  .meta({ description: 'throttled: goes slower; stopped: waits. Email of the critical lane goes on' });
const reason = z
  .enum(['complaints', 'bounces', 'blocks', 'operator'])
  .meta({ description: 'What is above its threshold; operator: stopped by a person' });
const share = z.number().min(0).max(1);
const limits = z.object({ throttle: share, stop: share });

export const streamView = z
  .object({
    stream: z.enum(streams).meta({ description: 'bulk: of the bulk lane; transactional: all other email' }),
    mailboxProvider: z.string(),
    state,
    reason: reason.nullable(),
    since: timestamp.nullable().meta({ description: 'Null for a stream that was never held back' }),
    until: timestamp
      .nullable()
      .meta({ description: 'When a stop is eased if nothing more is told; null: by a person alone, or no stop' }),
    by: z.string().nullable().meta({ description: 'The name of the API token it was stopped or lifted with' }),
    why: z.string().nullable(),
    counts: z
      .object({
        attempted: z.int().meta({ description: 'Taken or sent back by the provider' }),
        delivered: z.int(),
        hardBounces: z.int(),
        softBounces: z.int(),
        blocks: z.int(),
        complaints: z.int(),
        opens: z.int(),
        machineOpens: z.int().meta({ description: 'By proxies of mail clients; nobody may have looked' }),
      })
      .meta({ description: 'Within the window, without what was there when a person lifted a stop' }),
    rates: z
      .object({ complaints: share, bounces: share, blocks: share })
      .meta({ description: 'Complaints of those delivered; hard bounces and blocks of those attempted' }),
  })
  .meta({ id: 'EmailStream' });

const verdict = z.enum(['valid', 'invalid', 'missing', 'unknown']);

export const domainView = z
  .object({
    domain: z.string(),
    checkedAt: timestamp.nullable(),
    spf: verdict.meta({ description: 'Of the return path, by SendGrid; unknown: nobody could be asked' }),
    dkim: verdict,
    dmarc: z.object({
      verdict,
      at: z.string().nullable().meta({ description: 'Where the record stands: at the domain, or above it' }),
      policy: z.string().nullable(),
      why: z.string().nullable(),
    }),
    sendgrid: z.object({
      verdict,
      domain: z.string().nullable().meta({ description: 'The authenticated domain that signs: itself, or one above' }),
      records: z.array(z.object({ name: z.string(), valid: z.boolean(), reason: z.string().nullable() })),
      why: z.string().nullable(),
    }),
    faults: z.array(z.object({ code: z.string(), title: z.string(), remedy: z.string() })),
  })
  .meta({ id: 'SendingDomain' });

export const domainList = z.object({ domains: z.array(domainView) }).meta({ id: 'SendingDomains' });

export const deliverability = z
  .object({
    window: z.string().meta({ description: 'ISO 8601; slides in whole hours' }),
    minVolume: z.int().meta({ description: 'Emails in the window below which a stream is not judged' }),
    enforce: z.boolean().meta({ description: 'False: told, and not acted on' }),
    thresholds: z.object({ complaints: limits, bounces: limits, blocks: limits }),
    streams: z.array(streamView),
    domains: z.array(domainView),
    changes: z
      .array(
        z.object({
          at: timestamp,
          stream: z.enum(streams),
          mailboxProvider: z.string(),
          previous: state,
          state,
          reason: reason.nullable(),
          volume: z.int(),
          rate: share,
          threshold: share,
          by: z.string().nullable(),
          why: z.string().nullable(),
        }),
      )
      .meta({ description: 'The last 100, newest first' }),
  })
  .meta({ id: 'Deliverability' });

const why = z.string().trim().min(1).max(500).meta({ description: 'For whoever looks at it later' });

export const stopBody = z.object({
  stream: z.enum(streams),
  mailboxProvider: z.string().regex(/^[a-z0-9_-]{1,32}$/),
  why,
});
export const liftQuery = z.object({ why });
export const streamParam = z.enum(streams);
export const providerParam = z.string().regex(/^[a-z0-9_-]{1,32}$/);

export type StreamView = z.output<typeof streamView>;
export type DomainView = z.output<typeof domainView>;
export type DeliverabilityBody = z.output<typeof deliverability>;
