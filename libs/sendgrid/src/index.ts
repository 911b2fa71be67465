export {
  type PendingSignatureCheck,
  type SignatureCheck,
  type SignatureClaim,
  type SignatureFault,
  checkEventSignature,
  sign,
  signatureHeaders,
  startSignatureCheck,
} from './signature.ts';
export {
  type EventFault,
  type NormalisedEvent,
  type ReceiptContext,
  type SendgridEventRecord,
  messageIdArgument,
  normaliseEvent,
} from './event.ts';
export { type BatchElement, type BatchFault, type EventBatch, parseEventBatch } from './event-batch.ts';
export type { InboundEmail } from './inbound/email.ts';
export {
  type InboundFault,
  type InboundRequest,
  type InboundResult,
  inboundFaultStatus,
  inboundLimits,
  receiveInboundEmail,
} from './inbound/receive.ts';
export { type SendgridInboundRecord, toInboundRecord } from './inbound/record.ts';
export { type RestRequest, type SendgridClient, type SendgridClientOptions, sendgridClient } from './rest/client.ts';
export { SendgridApiError, type SendgridFault, SendgridTransportError } from './rest/errors.ts';
