import { flowLanguage, flowName, flowVoice } from '@signalbox/contracts';
import { z } from 'zod';

const number = z.string().regex(/^\+[1-9]\d{6,14}$/, 'must be E.164, e.g. +14155550100');
const secretReference = z.string().regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/, 'must be env:NAME or file:/path');

/** Which IVR flow answers which number, and what callers get when none can. */
export const voiceFlowFields = {
  /** Number called (E.164, sip:…, client:…) → name of the flow that answers. */
  numbers: z.record(z.string().min(1).max(300), flowName).default({}),
  /** Answers where `numbers` has nothing. */
  defaultFlow: flowName.optional(),
  /** Where callers are put through to when something of ours fails. */
  fallbackNumber: number.optional(),
  /** What they are told before; default: a sentence in the language. */
  apology: z
    .strictObject({
      text: z.string().min(1).max(500),
      voice: flowVoice.optional(),
      language: flowLanguage.optional(),
    })
    .optional(),
  /** Secrets for http nodes: host (with its port, if any) → header → value. Sent to that host alone. */
  httpHeaders: z
    .record(
      z.string().regex(/^[a-z0-9.-]+(:\d{1,5})?$/, 'must be a host name, lower-case'),
      z.record(z.string().regex(/^[A-Za-z0-9-]{1,60}$/), secretReference),
    )
    .default({}),
};
