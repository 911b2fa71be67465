import type { TwilioStudioEvent } from '@signalbox/contracts';
import { type AuthenticCallback, missing, type Normalised, pick, toRecord, toTime } from './callback.rules.ts';

/**
 * A step or execution from Event Streams, or what a flow's own HTTP Request widget sends; it names its execution or flow
 * and may name what happened in `type`. Source: https://www.twilio.com/docs/events/event-types/studio/flow
 */
export function normaliseStudioEvent(
  callback: AuthenticCallback,
): Normalised<TwilioStudioEvent, 'twilio.studio.event.v1'> {
  const { params, stream } = callback;
  const executionSid = pick(params, 'execution_sid', 'ExecutionSid', 'executionSid');
  const resourceSid = executionSid ?? pick(params, 'flow_sid', 'FlowSid', 'flowSid');
  if (!resourceSid) return missing('ExecutionSid');
  const eventType = stream?.type ?? pick(params, 'type', 'Type', 'event', 'Event') ?? 'http-request';
  const status = pick(params, 'status', 'Status', 'ExecutionStatus') ?? eventType.slice(eventType.lastIndexOf('.') + 1);
  return toRecord(callback, {
    type: 'twilio.studio.event.v1',
    key: resourceSid,
    resourceSid,
    status,
    providerTime: stream?.time ?? toTime(pick(params, 'date_updated', 'timestamp', 'Timestamp')),
    errorCode: pick(params, 'error_code', 'ErrorCode'),
    occurrence: [eventType, stream?.id ?? callback.digest()],
    more: { eventType },
  });
}
