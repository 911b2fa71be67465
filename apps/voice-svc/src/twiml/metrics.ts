import { counter, histogram } from '@signalbox/telemetry';

export const steps = counter(
  'signalbox_flow_steps_total',
  'Documents given to calls: taken, asked for again (repeated; late: after the next one), asked for otherwise (overtaken), or not stored (unstored)',
  ['result'],
);
export const storing = histogram(
  'signalbox_flow_store_seconds',
  'Time until a step of a call was stored, alone or with others',
);
export const apologies = counter(
  'signalbox_flow_apologies_total',
  'Callers who heard an apology, or were put through to the fallback number, instead of their flow',
  ['tenant', 'reason'],
);
export const questions = counter(
  'signalbox_flow_questions_total',
  'Questions of http nodes, by whether an answer came',
  ['result'],
);
export const direct = counter(
  'signalbox_flow_direct_events_total',
  'Events of calls that went to Kafka past the database, because it was away',
  ['result'],
);
