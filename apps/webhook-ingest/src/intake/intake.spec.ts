import { describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { type EventRecord, RecordTooLarge } from '@signalbox/kafka';
import { ProblemException } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { type CallbackStore, Intake, type Kept } from './intake.ts';

const topic = topics.twilioDebuggerCallbacks;
const record: EventRecord = { key: 'k', event: { id: '1', source: 's', type: 't', time: '', data: {} } };
const letter: Kept = { topic, unusable: { key: 'k', tenant: 'demo', value: '{', reason: 'not_json' } };

function intakeWith(publish: CallbackStore['publish'], deadLetter: CallbackStore['deadLetter'] = async () => {}) {
  return new Intake({ publish, deadLetter }, createLogger('intake-spec', { level: 'silent' }));
}

const answerOf = (promise: Promise<void>): Promise<unknown> =>
  promise.then(
    () => 'accepted',
    (error: unknown) =>
      error instanceof ProblemException ? { status: error.getStatus(), headers: error.headers } : error,
  );

describe('Intake', () => {
  it('returns only when everything is stored, dead letters too', async () => {
    const [stored, buried] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let answered = false;
    const intake = intakeWith(
      () => stored.promise,
      () => buried.promise,
    );
    const kept = intake.keep('/x', [{ topic, record }, letter]).then(() => (answered = true));
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    stored.resolve();
    await turn();
    expect(answered).toBe(false);
    buried.resolve();
    await expect(kept).resolves.toBe(true);
  });

  it.each<[string, Kept[], Error, object]>([
    [
      'it cannot be stored',
      [{ topic, record }],
      new Error('no broker'),
      { status: 503, headers: { 'retry-after': '2' } },
    ],
    [
      'one of many cannot be stored',
      [letter, { topic, record }],
      new Error('no broker'),
      { status: 503, headers: { 'retry-after': '2' } },
    ],
    [
      'the broker would not take a record of this size',
      [{ topic, record }],
      new RecordTooLarge('topic', 2_000_000),
      { status: 413 },
    ],
  ])('refuses when %s', async (_label, kept, error, answer) => {
    expect(await answerOf(intakeWith(() => Promise.reject(error)).keep('/x', kept))).toMatchObject(answer);
  });

  it('has nothing to do for an empty batch', async () => {
    expect(await answerOf(intakeWith(() => Promise.reject(new Error('no'))).keep('/x', []))).toBe('accepted');
  });
});
