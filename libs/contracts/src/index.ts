export * from './cloud-event.ts';
export * from './topic.ts';
export * from './fields.ts';
export * from './messaging.ts';
export * from './voice.ts';
export * from './call-facts.ts';
export * from './email.ts';
export * from './suppression.ts';
export * from './analytics.ts';
export * from './twilio-callbacks.ts';
export * from './sendgrid-callbacks.ts';
export * from './verify.ts';
export * from './flow.ts';
export * from './voices.ts';
export { examples } from './examples.ts';

import { analyticsEvents } from './analytics.ts';
import { emailCommands, emailEvents } from './email.ts';
import { messagingCommands, messagingEvents } from './messaging.ts';
import { sendgridEventCallbacks, sendgridInboundCallbacks } from './sendgrid-callbacks.ts';
import { suppressionEvents } from './suppression.ts';
import { verifyCommands, verifyEvents } from './verify.ts';
import type { Topic } from './topic.ts';
import {
  twilioCallCallbacks,
  twilioDebuggerCallbacks,
  twilioInboundCallbacks,
  twilioMessageCallbacks,
  twilioStudioCallbacks,
  twilioVerifyCallbacks,
} from './twilio-callbacks.ts';
import { voiceCommands, voiceEvents } from './voice.ts';

/** Every topic there is; each also has its dead-letter topic. */
export const topics = {
  messagingCommands,
  voiceCommands,
  emailCommands,
  messagingEvents,
  suppressionEvents,
  analyticsEvents,
  twilioMessageCallbacks,
  twilioInboundCallbacks,
  twilioCallCallbacks,
  twilioVerifyCallbacks,
  twilioStudioCallbacks,
  twilioDebuggerCallbacks,
  sendgridEventCallbacks,
  sendgridInboundCallbacks,
  verifyCommands,
  verifyEvents,
  emailEvents,
  voiceEvents,
} as const satisfies Record<string, Topic>;
