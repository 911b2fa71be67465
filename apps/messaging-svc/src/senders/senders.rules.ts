import type { Failure } from '@signalbox/contracts';
import { senderRecord, type Tenant } from '@signalbox/tenants';
import { countryOfNumber } from '@signalbox/twilio';
import type { Message } from '../message/message.ts';

/**
 * Refuses what carriers would block because the sender is not registered with them; a sender of which nothing is known
 * passes. Source: Twilio, errors 30034 (10DLC, to the US) and 30032 (toll-free, to the US and Canada).
 */
export function senderFault(
  message: Pick<Message, 'channel' | 'to' | 'from' | 'messagingServiceSid'>,
  tenant: Tenant,
): Failure | undefined {
  const address = message.messagingServiceSid ?? message.from;
  if (message.channel === 'whatsapp' || address === null) return undefined;
  const { type, registration } = senderRecord(tenant, address);
  if (registration !== 'pending' && registration !== 'unregistered') return undefined;
  const country = countryOfNumber(message.to);
  if (type === 'toll_free') return country === 'US' || country === 'CA' ? notVerified(registration) : undefined;
  const needsCampaign = type === 'long_code' || type === 'messaging_service';
  return needsCampaign && country === 'US' ? notRegistered(registration) : undefined;
}

function notRegistered(registration: string): Failure {
  return {
    code: 'sender_unregistered',
    class: 'configuration',
    title: `The sender is ${registration} for 10DLC, so US carriers would block the message (as 30034)`,
    remedy:
      'Register brand and campaign, attach the number, then set registration in the tenant file; or use another sender',
  };
}

function notVerified(registration: string): Failure {
  return {
    code: 'sender_unverified',
    class: 'configuration',
    title: `The toll-free sender is ${registration}, so carriers would block the message (as 30032)`,
    remedy: 'Have the number verified, then set registration in the tenant file; or use another sender',
  };
}
