import { type CloudEvent, type FlowProgressed, sendCommand, topics } from '@signalbox/contracts';
import type { Flow } from '../flow/flow.ts';
import type { Outcome } from '../flow/interpret.rules.ts';
import { toValue } from '../flow/text.rules.ts';
import type { CallRequest } from './conversation.ts';
import type { StepEvent } from './step.ts';

const source = '//signalbox/voice-svc';

/** What a step tells the world, and the texts it sends; their ids are the step's, so that a repeat is recognised. */
export function stepEvents(
  { tenant, callSid, params }: Pick<CallRequest, 'tenant' | 'callSid' | 'params'>,
  flow: Pick<Flow, 'name' | 'version'>,
  callId: string | null,
  { marks, messages, state }: Pick<Outcome, 'marks' | 'messages' | 'state'>,
  at: string,
): StepEvent[] {
  const first = state.marked - marks.length + 1;
  const progress = marks.map(({ kind, node, detail }, index): StepEvent => {
    const sequence = first + index;
    const data: FlowProgressed = {
      tenant: tenant.name,
      callSid,
      callId,
      flow: flow.name,
      version: flow.version,
      sequence,
      kind,
      node,
      at,
      from: toValue(params['From'] ?? ''),
      to: toValue(params['To'] ?? ''),
      detail,
    };
    const event: CloudEvent = {
      id: `${tenant.name}/${callSid}.${flow.name}.${sequence}`,
      source,
      type: 'voice.flow.progressed.v1',
      time: at,
      subject: callId ?? callSid,
      data,
    };
    return { topic: topics.voiceEvents.name, key: callId ?? callSid, event };
  });
  const texts = messages.map(({ node, to, from, messagingService, body, lane }): StepEvent => {
    const id = `${callSid}.${flow.name}.${state.step}.${node}`;
    const data = sendCommand.parse({
      tenant: tenant.name,
      idempotencyKey: `voice:${id}`,
      to,
      body,
      lane,
      ...(from !== undefined && { from }),
      ...(messagingService !== undefined && { messagingService }),
      metadata: { callSid, flow: flow.name },
    });
    const event: CloudEvent = { id, source, type: 'messaging.send.v1', time: at, data };
    return { topic: topics.messagingCommands.name, key: `${tenant.name}:${to}`, event };
  });
  return [...progress, ...texts];
}
