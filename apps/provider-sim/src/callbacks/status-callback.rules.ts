import type { Message } from '../ledger.ts';
import { API_VERSION } from '../messages-api/message-resource.ts';

/** The form of a status callback, in the state the message is in now. */
export function statusCallbackForm(message: Message): Record<string, string> {
  const { sid, status, errorCode, messagingServiceSid } = message;
  return {
    ...(message.channel === 'sms' ? carrierReceipt(message) : channelReceipt(message)),
    SmsSid: sid,
    SmsStatus: status,
    MessageStatus: status,
    To: message.to,
    MessageSid: sid,
    AccountSid: message.accountSid,
    ...(message.from === null ? {} : { From: message.from }),
    ...(messagingServiceSid === null ? {} : { MessagingServiceSid: messagingServiceSid }),
    ...(errorCode === null ? {} : { ErrorCode: String(errorCode) }),
    ApiVersion: API_VERSION,
  };
}

/** The carrier's own time of the receipt, YYMMDDhhmm without a zone. */
function carrierReceipt({ status, updatedAt }: Message): Record<string, string> {
  if (status !== 'delivered' && status !== 'undelivered') return {};
  return { RawDlrDoneDate: new Date(updatedAt).toISOString().replace(/\D/g, '').slice(2, 12) };
}

function channelReceipt({ status, accountSid, errorCode }: Message): Record<string, string> {
  return {
    ChannelPrefix: 'whatsapp',
    ChannelInstallSid: `XE${accountSid.slice(2)}`,
    ...(status === 'delivered' || status === 'read' ? { EventType: status.toUpperCase() } : {}),
    ...(errorCode === null ? {} : { ChannelStatusMessage: `Error ${errorCode}` }),
  };
}
