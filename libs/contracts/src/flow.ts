import { z } from 'zod';
import { lane, timeZone } from './fields.ts';
import { gatherLanguages, pollyVoices, sayLanguages } from './voices.ts';

/**
 * An IVR flow as its authors write it, in YAML or JSON. What a schema cannot say (dead ends, recordings without consent, …) is
 * checked by voice-svc when a flow is stored, and by its `simulate` without any service.
 */

export const flowName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
  .meta({ examples: ['support'] });

const nodeId = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,49}$/, 'must be a letter, then letters, digits, _ and -')
  .meta({ description: 'Name of another node of this flow' });

const variable = z
  .string()
  .regex(/^[a-z][A-Za-z0-9]{0,29}$/, 'must be a lower-case letter, then letters and digits')
  .meta({ description: 'Name of a variable' });

const text = (max: number) =>
  z.string().min(1).max(max).meta({
    description: '{{name}} stands for a variable, {{call.from}} and {{call.to}} for the two ends of the call',
  });

const voiceNames = Object.values(pollyVoices).flatMap((names) => names.map((name) => `Polly.${name}` as const));
export const flowVoice = z.enum(voiceNames).meta({ description: 'Decides the language as well' });
export const flowLanguage = z.enum(sayLanguages).meta({ description: 'Spoken by the default voice of Twilio' });

const spoken = { voice: flowVoice.optional(), language: flowLanguage.optional() };
const mediaUrl = z.url({ protocol: /^https?$/ }).max(1000);

/** One thing a caller hears; a bare text is said. */
export const flowPrompt = z
  .union([
    text(3000),
    z.strictObject({ say: text(3000), ...spoken }),
    z.strictObject({ ssml: text(3000).meta({ description: 'With or without <speak> around it' }), ...spoken }),
    z.strictObject({ play: mediaUrl.meta({ description: 'MP3 or WAV' }), loop: z.int().min(1).max(10).default(1) }),
    z.strictObject({ pause: z.int().min(1).max(30).meta({ description: 'Seconds of silence' }) }),
  ])
  .meta({ id: 'FlowPrompt' });

export const flowPrompts = z
  .union([flowPrompt.transform((one) => [one]), z.array(flowPrompt).min(1).max(10)])
  .meta({ description: 'What the caller hears: a text, or texts, SSML, recordings and pauses one after another' });

const seconds = (max: number) => z.int().min(1).max(max);
const key = z.string().regex(/^[0-9*#]$/, 'must be one key: 0 to 9, * or #');
const phrases = z
  .array(z.string().min(1).max(60))
  .min(1)
  .max(20)
  .meta({ description: 'What the caller may say instead; it is enough when it occurs in what was said' });

/** How a caller is listened to. */
const listening = {
  timeoutSeconds: seconds(30).default(5).meta({ description: 'Silence after which there is no input' }),
  speechTimeoutSeconds: seconds(10).optional().meta({ description: 'Silence that ends speech; else Twilio decides' }),
  speechLanguage: z.enum(gatherLanguages).optional().meta({ description: "Default: the prompts'" }),
  hints: z.array(z.string().min(1).max(100)).max(100).default([]),
  bargeIn: z.boolean().default(true).meta({ description: 'Speech and keys cut the prompt short' }),
  attempts: z.int().min(1).max(5).default(3),
  retryPrompt: flowPrompts.optional().meta({ description: 'Said before the prompt is repeated' }),
};

const say = z.strictObject({ type: z.literal('say'), prompt: flowPrompts, next: nodeId });
const play = z.strictObject({
  type: z.literal('play'),
  url: mediaUrl,
  loop: z.int().min(1).max(10).default(1),
  next: nodeId,
});

const gather = z.strictObject({
  type: z.literal('gather'),
  prompt: flowPrompts,
  input: z
    .array(z.enum(['digits', 'speech']))
    .min(1)
    .max(2)
    .default(['digits']),
  numDigits: z.int().min(1).max(40).optional().meta({ description: 'Ends the input when so many were pressed' }),
  minDigits: z.int().min(1).max(40).default(1),
  finishOnKey: z
    .union([key, z.literal('none')])
    .default('#')
    .meta({ description: 'none: every key counts' }),
  minConfidence: z.number().min(0).max(1).default(0).meta({ description: 'Of speech; below it there is no match' }),
  saveAs: variable,
  ...listening,
  next: nodeId,
  noInput: nodeId,
  noMatch: nodeId,
});

const menu = z.strictObject({
  type: z.literal('menu'),
  prompt: flowPrompts,
  choices: z
    .record(key, z.union([nodeId, z.strictObject({ next: nodeId, phrases: phrases.optional() })]))
    .refine((choices) => Object.keys(choices).length > 0, 'needs a choice'),
  ...listening,
  noInput: nodeId,
  noMatch: nodeId,
});

const consent = z.strictObject({
  type: z.literal('consent'),
  prompt: flowPrompts.meta({ description: 'Asks whether the call may be recorded' }),
  yes: key.default('1'),
  no: key.default('2'),
  yesPhrases: phrases.optional(),
  noPhrases: phrases.optional(),
  ...listening,
  granted: nodeId,
  denied: nodeId.meta({ description: 'Also where nothing is answered' }),
});

const phone = z.string().regex(/^\+[1-9]\d{6,14}$/, 'must be E.164, e.g. +14155550100');
const queueName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 _-]{0,63}$/);

const target = z.union([
  z.strictObject({ number: phone }),
  z.strictObject({ sip: z.string().regex(/^sips?:[^\s<>"]{3,250}$/, 'must be a SIP address') }),
  z.strictObject({ client: z.string().min(1).max(120) }),
]);

const dial = z.strictObject({
  type: z.literal('dial'),
  prompt: flowPrompts.optional(),
  to: z
    .union([target.transform((one) => [one]), z.array(target).min(1).max(10)])
    .meta({ description: 'Those of a list ring at once' }),
  callerId: text(60).optional().meta({ description: "A number of the account; default: the caller's" }),
  timeoutSeconds: seconds(120).default(20),
  timeLimitSeconds: seconds(14_400).optional(),
  record: z.boolean().default(false).meta({ description: 'Only in calls where a consent node was granted' }),
  next: nodeId.meta({ description: 'After a conversation' }),
  noAnswer: nodeId,
  busy: nodeId.optional().meta({ description: 'Default: noAnswer' }),
  failed: nodeId.optional().meta({ description: 'Default: noAnswer' }),
});

const agent = z.strictObject({
  type: z.literal('agent'),
  queue: queueName.meta({ description: 'Whose next caller this call is connected with' }),
  prompt: flowPrompts.optional(),
  announce: flowPrompts.optional().meta({ description: 'What the caller hears before they are connected' }),
  timeoutSeconds: seconds(600).default(60).meta({ description: 'How long to wait for a caller when none is there' }),
  record: z.boolean().default(false),
  next: nodeId,
  empty: nodeId.meta({ description: 'Nobody has come' }),
});

const queue = z.strictObject({
  type: z.literal('queue'),
  queue: queueName,
  prompt: flowPrompts.optional(),
  music: z.array(mediaUrl).min(1).max(10).optional().meta({ description: "Played by turns; default: Twilio's" }),
  announcement: flowPrompts
    .optional()
    .meta({ description: 'Between two pieces; {{queue.position}}, {{queue.size}}, {{queue.minutes}} may stand in it' }),
  maxWaitSeconds: seconds(14_400).optional(),
  maxSize: z.int().min(1).max(5000).default(100),
  next: nodeId.meta({ description: 'After a conversation with an agent' }),
  full: nodeId,
  timeout: nodeId.optional().meta({ description: 'Needed with maxWaitSeconds' }),
  failed: nodeId.optional().meta({ description: 'Default: full' }),
});

const conference = z.strictObject({
  type: z.literal('conference'),
  prompt: flowPrompts.optional(),
  room: text(100),
  moderator: z
    .boolean()
    .default(true)
    .meta({ description: 'Others wait for a moderator, and leave with the last one' }),
  muted: z.boolean().default(false),
  beep: z.boolean().default(true),
  music: mediaUrl.optional().meta({ description: 'While waiting for a moderator' }),
  maxParticipants: z.int().min(2).max(250).default(250),
  record: z.boolean().default(false),
  next: nodeId,
});

const recording = {
  maxSeconds: seconds(3600).default(120),
  silenceSeconds: seconds(60).default(5),
  finishOnKey: key.default('#'),
  beep: z.boolean().default(true),
  transcribe: z.boolean().default(false),
};
const record = z.strictObject({
  type: z.literal('record'),
  prompt: flowPrompts.optional(),
  ...recording,
  next: nodeId,
  nothing: nodeId.optional().meta({ description: 'Nothing was recorded; default: next' }),
});
const voicemail = z.strictObject({
  type: z.literal('voicemail'),
  prompt: flowPrompts.meta({ description: 'Must say that the message is recorded' }),
  ...recording,
  next: nodeId,
});

const sendSms = z.strictObject({
  type: z.literal('send-sms'),
  to: text(60).default('{{call.from}}'),
  from: z.string().max(200).optional(),
  messagingService: z.string().max(64).optional(),
  body: text(1600),
  lane: lane.default('transactional'),
  next: nodeId,
});

const http = z.strictObject({
  type: z.literal('http'),
  method: z.enum(['GET', 'POST']).default('GET'),
  url: z
    .string()
    .max(1000)
    .regex(/^https?:\/\/[^\s{}/?#]+([/?#]\S*)?$/, 'must be a URL; variables may stand behind the host only')
    .meta({ description: 'Variables are escaped. Private addresses have to be allowed by the operator' }),
  body: z.record(z.string().max(100), text(1000)).optional().meta({ description: 'Sent as JSON' }),
  timeoutMs: z.int().min(100).max(5000).default(2000),
  maxBytes: z.int().min(1).max(65_536).default(16_384),
  saveAs: z
    .record(variable, z.string().regex(/^[\w-]+(\.[\w-]+){0,9}$/, 'must be a path into the answer, e.g. customer.name'))
    .default({}),
  next: nodeId,
  fallback: nodeId.meta({ description: 'It did not answer in time, not with JSON, not 2xx, or a field is missing' }),
});

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time of day, e.g. 08:30');
const opening = z
  .array(z.strictObject({ from: clock, to: clock }).refine(({ from, to }) => from < to, 'must end after it begins'))
  .max(10);
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const hours = z.strictObject({
  type: z.literal('hours'),
  timeZone,
  weekly: z.partialRecord(z.enum(days), opening).meta({ description: 'A day left out is closed' }),
  holidays: z.array(z.iso.date()).max(400).default([]),
  open: nodeId,
  closed: nodeId,
  holiday: nodeId.optional().meta({ description: 'Default: closed' }),
});

const set = z.strictObject({ type: z.literal('set'), values: z.record(variable, z.string().max(200)), next: nodeId });
const branch = z.strictObject({
  type: z.literal('branch'),
  on: text(200),
  cases: z.record(z.string().max(200), nodeId),
  otherwise: nodeId,
});
const count = z.strictObject({
  type: z.literal('count'),
  limit: z.int().min(1).max(20),
  next: nodeId.meta({ description: 'The first `limit` times' }),
  exceeded: nodeId,
});
const hangup = z.strictObject({ type: z.literal('hangup'), prompt: flowPrompts.optional() });

export const flowNode = z
  .discriminatedUnion('type', [
    say,
    play,
    gather,
    menu,
    consent,
    dial,
    agent,
    queue,
    conference,
    record,
    voicemail,
    sendSms,
    http,
    hours,
    set,
    branch,
    count,
    hangup,
  ])
  .meta({ id: 'FlowNode' });

export const flowDefinition = z
  .strictObject({
    format: z.literal(1),
    description: z.string().max(500).optional(),
    ...spoken,
    start: nodeId,
    variables: z.record(variable, z.string().max(200)).default({}).meta({ description: 'Values to begin with' }),
    apology: flowPrompt
      .optional()
      .meta({ description: 'Said when something of ours fails; default: a sentence in the language of the flow' }),
    transferTo: phone
      .optional()
      .meta({ description: "Where callers go after the apology; default: the tenant's fallback number" }),
    nodes: z.record(nodeId, flowNode).refine((nodes) => Object.keys(nodes).length <= 500, 'at most 500 nodes'),
  })
  .meta({ id: 'Flow', description: 'An IVR flow' });

export type FlowInput = z.input<typeof flowDefinition>;
export type FlowDefinition = z.output<typeof flowDefinition>;
export type FlowNode = z.output<typeof flowNode>;
export type FlowPrompt = z.output<typeof flowPrompt>;
export type FlowNodeOf<Type extends FlowNode['type']> = Extract<FlowNode, { type: Type }>;
