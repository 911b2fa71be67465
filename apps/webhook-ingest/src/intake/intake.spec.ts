import { describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { RecordTooLarge } from '@signalbox/kafka';
import { ProblemException } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant } from '@signalbox/tenants';
import { parseForm, sign } from '@signalbox/twilio';
import { accountSid, messageId, sid } from '../fixtures/callbacks.ts';
import { PublicUrl } from '../http/public-url.ts';
import type { RawFormRequest } from '../http/raw-form.ts';
import { normaliseMessageStatus } from '../twilio/normalise.rules.ts';
import { type CallbackStore, Intake } from './intake.ts';

const kind = { route: '/twilio/sms/status', topic: topics.twilioMessageCallbacks, normalise: normaliseMessageStatus };
const target = `/twilio/sms/status?messageId=${messageId}`;
const body = `MessageSid=${sid}&MessageStatus=sent&AccountSid=${accountSid}`;
const tenant = { name: 'demo', twilio: { accountSid, authTokens: ['next', 'current'] } } as Tenant;

function signed(authToken = 'current'): RawFormRequest {
  const form = parseForm(body);
  if (!form.ok) throw new Error(form.why);
  const signature = sign({ url: `https://hooks.example.com${target}`, params: form.params, authToken });
  return {
    raw: { url: target },
    body,
    headers: { 'x-twilio-signature': signature },
    ip: '192.0.2.1',
  } as unknown as RawFormRequest;
}

function intakeWith(publish: CallbackStore['publish'], lines: string[] = []): Intake {
  const logger = createLogger('intake-spec', { level: 'info', destination: { write: (line) => lines.push(line) } });
  const tenants = { byAccountSid: (given: string) => (given === accountSid ? tenant : undefined) };
  return new Intake(new PublicUrl('https://hooks.example.com'), tenants, { publish }, logger);
}

const answerOf = (promise: Promise<void>): Promise<unknown> =>
  promise.then(
    () => 'accepted',
    (error: unknown) =>
      error instanceof ProblemException ? { status: error.getStatus(), headers: error.headers } : error,
  );

describe('Intake', () => {
  it('returns only when the record is stored', async () => {
    const stored = Promise.withResolvers<void>();
    let answered = false;
    const taken = intakeWith(() => stored.promise)
      .take(kind, signed())
      .then(() => (answered = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    stored.resolve();
    await expect(taken).resolves.toBe(true);
  });

  it('answers 503 with Retry-After when it cannot be stored', async () => {
    const answer = await answerOf(intakeWith(() => Promise.reject(new Error('no broker'))).take(kind, signed()));
    expect(answer).toEqual({ status: 503, headers: { 'retry-after': '2' } });
  });

  it('answers 413 when the broker would not take a record of this size', async () => {
    const refused = () => Promise.reject(new RecordTooLarge('topic', 2_000_000));
    expect(await answerOf(intakeWith(refused).take(kind, signed()))).toMatchObject({ status: 413 });
  });

  it('publishes nothing that is not authentic, and says in the log why, without numbers', async () => {
    const lines: string[] = [];
    const published: unknown[] = [];
    const intake = intakeWith(async (_topic, record) => void published.push(record), lines);
    expect(await answerOf(intake.take(kind, signed('somebody else')))).toMatchObject({ status: 403 });
    expect(published).toEqual([]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      msg: 'callback refused',
      result: 'forged',
      why: 'mismatch',
      accountSid,
      url: `https://hooks.example.com${target}`,
    });
  });
});
