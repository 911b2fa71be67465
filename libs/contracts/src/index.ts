export * from './cloud-event.ts';
export * from './topic.ts';
export * from './fields.ts';
export * from './messaging.ts';
export * from './twilio-callbacks.ts';

import { messagingCommands, messagingEvents } from './messaging.ts';
import type { Topic } from './topic.ts';
import { twilioInboundCallbacks, twilioMessageCallbacks } from './twilio-callbacks.ts';

/** Every topic there is; each also has its dead-letter topic. */
export const topics = {
  messagingCommands,
  messagingEvents,
  twilioMessageCallbacks,
  twilioInboundCallbacks,
} as const satisfies Record<string, Topic>;
