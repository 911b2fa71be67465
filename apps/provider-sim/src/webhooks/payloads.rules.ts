/** A callback as it is posted, but for its signature. */
export type Payload =
  | { readonly form: Readonly<Record<string, string>> }
  | { readonly json: unknown }
  | { readonly events: readonly object[] }
  | { readonly parts: readonly Part[] };

/** A part of a multipart form. */
export interface Part {
  readonly name: string;
  readonly content: string;
  readonly filename?: string;
  readonly type?: string;
}

export interface Occasion {
  readonly accountSid: string;
  /** One of the account's numbers. */
  readonly sender: string;
  readonly now: Date;
  /** A new SID of this prefix. */
  readonly sid: (prefix: string) => string;
  /** Overrides, and parameters Twilio or SendGrid adds: fields of the form, of each event, or of each event's `data`. */
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Webhook {
  /** Below the base URL; `{accountSid}` is filled in. */
  readonly path: string;
  readonly provider: 'twilio' | 'sendgrid';
  readonly payload: (occasion: Occasion) => Payload;
  /** What the records it becomes are about: their `resourceSid`. */
  readonly subjects: (payload: Payload) => string[];
}

const person = '+14155550199';
const twilioTime = (now: Date) => now.toUTCString().replace('GMT', '+0000');
const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
const texts = (params: Occasion['params']): Record<string, string> =>
  Object.fromEntries(Object.entries(params).map(([name, value]): [string, string] => [name, textOf(value)]));

function form(path: string, subject: string, fields: (occasion: Occasion) => Record<string, string>): Webhook {
  return {
    path,
    provider: 'twilio',
    payload: (occasion) => ({ form: { ...fields(occasion), ...texts(occasion.params) } }),
    subjects: (payload) => ('form' in payload ? [payload.form[subject] ?? ''] : []),
  };
}

/** Twilio sends these empty where it does not know. */
const places: Record<string, string> = Object.fromEntries(
  ['Called', 'Caller', 'From', 'To'].flatMap((side): [string, string][] => [
    [`${side}Country`, 'US'],
    [`${side}State`, ''],
    [`${side}City`, ''],
    [`${side}Zip`, ''],
  ]),
);

/** What a call's own callbacks have in common. Source: Twilio, "Call resource: StatusCallback". */
const call = ({ accountSid, sender, sid }: Occasion) => ({
  AccountSid: accountSid,
  ApiVersion: '2010-04-01',
  CallSid: sid('CA'),
  Called: person,
  Caller: sender,
  Direction: 'outbound-api',
  From: sender,
  To: person,
  ...places,
});

const recordingUrl = (accountSid: string, recordingSid: string) =>
  `https://api.twilio.com/2010-04-01/Accounts/${accountSid}/Recordings/${recordingSid}`;

/** By what `POST /_sim/callbacks` calls them. */
export const webhooks = {
  'voice.status': form('/twilio/voice/status', 'CallSid', (occasion) => ({
    ...call(occasion),
    CallbackSource: 'call-progress-events',
    CallStatus: 'completed',
    CallDuration: '49',
    Duration: '1',
    SequenceNumber: '3',
    SipResponseCode: '200',
    Timestamp: twilioTime(occasion.now),
  })),
  'voice.recording': form('/twilio/voice/recording', 'RecordingSid', ({ accountSid, now, sid }) => {
    const recordingSid = sid('RE');
    return {
      AccountSid: accountSid,
      CallSid: sid('CA'),
      ErrorCode: '0',
      RecordingChannels: '2',
      RecordingDuration: '13',
      RecordingSid: recordingSid,
      RecordingSource: 'DialVerb',
      RecordingStartTime: twilioTime(now),
      RecordingStatus: 'completed',
      RecordingTrack: 'both',
      RecordingUrl: recordingUrl(accountSid, recordingSid),
    };
  }),
  'voice.transcription': form('/twilio/voice/transcription', 'TranscriptionSid', ({ accountSid, now, sid }) => ({
    AccountSid: accountSid,
    CallSid: sid('CA'),
    Final: 'true',
    LanguageCode: 'en-US',
    SequenceNumber: '2',
    Timestamp: now.toISOString(),
    Track: 'inbound_track',
    TranscriptionData: JSON.stringify({ transcript: 'Where is my order?', confidence: 0.98 }),
    TranscriptionEvent: 'transcription-content',
    TranscriptionSid: sid('GT'),
  })),
  // A service whose webhooks are of version v2; v1 posts the same names as a form.
  'verify.event': {
    path: '/twilio/verify/events',
    provider: 'twilio',
    payload: ({ accountSid, sid, params }) => ({
      json: {
        uuid: sid(''),
        type: 'factor.verified',
        account_sid: accountSid,
        service_sid: sid('VA'),
        entity_identity: sid(''),
        factor_sid: sid('YF'),
        factor_type: 'push',
        factor_friendly_name: 'Phone',
        ...params,
      },
    }),
    subjects: (payload) => {
      const { challenge_sid, factor_sid } = ('json' in payload ? payload.json : {}) as Record<string, string>;
      return [challenge_sid ?? factor_sid ?? ''];
    },
  },
  // What a flow's author lets its Make HTTP Request widget send; the account stands in the URL.
  'studio.event': form('/twilio/studio/events?accountSid={accountSid}', 'ExecutionSid', ({ sid }) => ({
    ExecutionSid: sid('FN'),
    FlowSid: sid('FW'),
    type: 'survey.answered',
    answer: 'yes',
  })),
  debugger: form('/twilio/debugger', 'Sid', ({ accountSid, now, sid }) => ({
    AccountSid: accountSid,
    Level: 'ERROR',
    ParentAccountSid: '',
    Payload: JSON.stringify({
      resource_sid: sid('CA'),
      service_sid: null,
      error_code: '11200',
      more_info: {
        msg: 'An attempt to retrieve content from https://example.com/twiml returned the HTTP status code 404',
        Msg: 'An attempt to retrieve content from https://example.com/twiml returned the HTTP status code 404',
        sourceComponent: '12000',
        ErrorCode: '11200',
        httpResponse: '404',
        url: 'https://example.com/twiml',
        LogLevel: 'ERROR',
      },
      webhook: { type: 'application/json', request: {} },
    }),
    PayloadType: 'application/json',
    Sid: sid('NO'),
    Timestamp: `${now.toISOString().slice(0, 19)}Z`,
  })),
  'event-streams': {
    path: '/twilio/events',
    provider: 'twilio',
    payload: (occasion) => ({ json: streamEvents(occasion) }),
    subjects: (payload) =>
      ('json' in payload ? (payload.json as StreamEvent[]) : []).map(({ data }) =>
        String(data['messageSid'] ?? data['verification_sid'] ?? data['sid']),
      ),
  },
  'sendgrid.events': {
    path: '/sendgrid/events',
    provider: 'sendgrid',
    payload: (occasion) => ({ events: emailEvents(occasion) }),
    subjects: (payload) =>
      'events' in payload ? payload.events.map((event) => (event as { sg_message_id: string }).sg_message_id) : [],
  },
  'sendgrid.inbound': {
    path: '/sendgrid/inbound',
    provider: 'sendgrid',
    payload: (occasion) => ({ parts: inboundEmail(occasion) }),
    subjects: (payload) => {
      const headers = 'parts' in payload ? payload.parts.find(({ name }) => name === 'headers') : undefined;
      return [/^Message-ID: (.+?)\r?$/m.exec(headers?.content ?? '')?.[1] ?? ''];
    },
  },
} satisfies Record<string, Webhook>;

export type WebhookKind = keyof typeof webhooks;

interface StreamEvent {
  readonly data: Readonly<Record<string, unknown>>;
}

/** A sink's batch: a message, a verification and an error. Source: Twilio, "Event types". */
function streamEvents({ accountSid, sender, now, sid, params }: Occasion): StreamEvent[] {
  const time = now.toISOString();
  const event = (type: string, schema: string, data: object) => ({
    specversion: '1.0',
    type,
    source: sid('AB'),
    id: sid('EZ'),
    time,
    dataschema: `https://events-schemas.twilio.com/${schema}`,
    datacontenttype: 'application/json',
    data: { ...data, ...params },
  });
  return [
    event('com.twilio.messaging.message.delivered', 'Messaging.MessageStatus/2', {
      accountSid,
      messageSid: sid('SM'),
      messageStatus: 'DELIVERED',
      eventName: 'com.twilio.messaging.message.delivered',
      from: sender,
      to: person,
      timestamp: time,
    }),
    event('com.twilio.accountsecurity.verify.verification.approved', 'AccountSecurity.VerifyEventStreamEvent/3', {
      account_sid: accountSid,
      service_sid: sid('VA'),
      verification_sid: sid('VE'),
      friendly_name: 'Login',
      created_at: time,
      verified_at: time,
      to: person,
      verification_status: 'APPROVED',
      country: 'US',
      code_length: 6,
      send_code_attempts: {
        count: 1,
        attempts: [{ time, channel: 'SMS', attempt_sid: sid('VL'), delivery_status: 'SENT' }],
      },
    }),
    event('com.twilio.error-logs.error.logged', 'ErrorLogs.Error/2', {
      sid: sid('NO'),
      account_sid: accountSid,
      level: 'ERROR',
      error_code: '30003',
      correlation_sid: sid('SM'),
      product_name: 'Programmable Messaging',
    }),
  ];
}

/** The way of an email and what its reader does, in one batch. Source: SendGrid, "Event Webhook Reference". */
function emailEvents({ now, sid, params }: Occasion): object[] {
  const id = sid('');
  const timestamp = Math.floor(now.getTime() / 1000);
  const browser = { useragent: 'Mozilla/5.0 (X11; Linux x86_64)', ip: '192.0.2.1' };
  const event = (name: string, more: object) => ({
    email: 'reader@example.com',
    timestamp,
    event: name,
    category: ['orders'],
    sg_event_id: sid(''),
    sg_message_id: `${id}.recvd-5b8c9d6f7-abcde-1-${timestamp}.0`,
    ...more,
    ...params,
  });
  const delivery = { 'smtp-id': `<${id}@geopod-ismtpd-1>` };
  return [
    event('processed', { ...delivery, send_at: 0 }),
    event('delivered', { ...delivery, response: '250 2.0.0 OK', ip: '192.0.2.25', tls: 1 }),
    event('open', { ...browser, sg_machine_open: false, sg_content_type: 'html' }),
    event('click', { ...browser, url: 'https://example.com/orders/42', url_offset: { index: 0, type: 'html' } }),
  ];
}

/** With an attachment. Source: SendGrid, "Inbound Parse: default parameters". */
function inboundEmail({ now, sid, params }: Occasion): Part[] {
  const from = 'Ada <ada@example.com>';
  const to = 'support@parse.example.net';
  const subject = 'Where is my order?';
  const fields = {
    headers: `Message-ID: <${sid('')}@mail.example.com>\r\nDate: ${twilioTime(now)}\r\nFrom: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\n`,
    dkim: '{@example.com : pass}',
    to,
    from,
    sender_ip: '192.0.2.71',
    envelope: JSON.stringify({ to: [to], from: 'ada@example.com' }),
    subject,
    text: 'Where is my order?\r\n',
    attachments: '1',
    'attachment-info': JSON.stringify({
      attachment1: { filename: 'order.txt', name: 'order.txt', type: 'text/plain' },
    }),
    charsets: JSON.stringify({ to: 'UTF-8', from: 'UTF-8', subject: 'UTF-8', text: 'UTF-8' }),
    SPF: 'pass',
    ...texts(params),
  };
  return [
    ...Object.entries(fields).map(([name, content]) => ({ name, content })),
    { name: 'attachment1', filename: 'order.txt', type: 'text/plain', content: 'Order 42' },
  ];
}
