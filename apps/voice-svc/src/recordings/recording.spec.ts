import { describe, expect, it } from '@jest/globals';
import { examples, type TwilioRecordingStatus, type TwilioTranscriptionEvent } from '@signalbox/contracts';
import { apiHost } from './media.ts';
import { rangeOf } from './range.rules.ts';
import { advance, priced, proven, type Recording } from './recording.ts';
import { retentionMs } from './retention.rules.ts';
import { transcriptionEvent } from './transcription.ts';

const recordingSid = 'RE00000000000000000000000000000001';
const told = (status: string): TwilioRecordingStatus => ({
  ...examples['twilio.recording.status.v1'],
  resourceSid: recordingSid,
  status,
  receivedAt: '2026-11-24T18:00:00.000Z',
  params: { RecordingSid: recordingSid, RecordingDuration: '13', RecordingChannels: '2', RecordingSource: 'DialVerb' },
});
const after = (status: string, before: Recording | null = null, keepMs: number | null = null) =>
  advance(before, told(status), null, keepMs)?.recording;

describe('a recording', () => {
  it('is deleted when the tenant has kept it long enough, counted from its first callback', () => {
    const begun = after('in-progress', null, 86_400_000);
    const done = advance(
      begun ?? null,
      { ...told('completed'), receivedAt: '2026-11-24T19:00:00.000Z' },
      null,
      86_400_000,
    );
    expect(done?.recording).toMatchObject({
      state: 'completed',
      sequence: 2,
      durationSeconds: 13,
      channels: 2,
      source: 'DialVerb',
      deleteAt: '2026-11-25T18:00:00.000Z',
    });
    expect(done?.event?.event.data).toMatchObject({ state: 'completed', previousState: 'in-progress', sequence: 2 });
    expect(after('completed')?.deleteAt).toBeNull();
  });

  it.each([
    ['completed', 'in-progress'],
    ['completed', 'completed'],
    ['absent', 'completed'],
  ])('that is %s does not go back to %s', (state, late) => {
    expect(after(late, after(state))).toBeUndefined();
  });

  it('that two tenants name is told of under an id of each', () => {
    const ids = ['demo', 'stranger'].map(
      (tenant) => advance(null, { ...told('completed'), tenant }, null, null)?.event?.event.id,
    );
    expect(ids).toEqual([`demo/${recordingSid}.1`, `stranger/${recordingSid}.1`]);
  });

  it.each(['deleted', 'status-of-tomorrow'])('never becomes %s because a callback says so', (status) => {
    expect(after(status)).toBeUndefined();
  });

  it('is deleted only with a proof, which its event has', () => {
    const { recording, event } = proven(after('completed') as Recording, 404, new Date('2026-11-25T18:00:00.000Z'));
    expect(recording).toMatchObject({ state: 'deleted', sequence: 2, proofStatus: 404 });
    expect(event?.event.data).toMatchObject({
      state: 'deleted',
      previousState: 'completed',
      proof: { fetchStatus: 404, at: '2026-11-25T18:00:00.000Z' },
    });
  });

  it('is deleted as soon as somebody has wanted it gone, whatever is told of it since', () => {
    const begun = { ...(after('in-progress', null, 86_400_000) as Recording), deleteAt: '2026-11-24T18:30:00.000Z' };
    expect(after('completed', begun, 86_400_000)?.deleteAt).toBe('2026-11-24T18:30:00.000Z');
    expect(after('completed', begun, null)?.deleteAt).toBe('2026-11-24T18:30:00.000Z');
  });

  it('no longer says whose it was when that person was erased and it is gone', () => {
    const { recording, event } = proven({ ...(after('completed') as Recording), erased: true }, 404, new Date());
    expect(recording).toMatchObject({
      callId: null,
      callSid: null,
      conferenceSid: null,
      source: null,
      state: 'deleted',
    });
    expect(event?.event.data).toMatchObject({ callSid: told('completed').callSid, state: 'deleted' });
  });

  it('tells what it costs', () => {
    const step = priced(after('completed') as Recording, '-0.0025', 'USD', new Date());
    expect(step.event?.event.data).toMatchObject({ state: 'completed', price: '-0.0025', sequence: 2 });
  });

  it('is kept for ever where the tenant says nothing', () => {
    expect(retentionMs(undefined)).toBeNull();
    expect(retentionMs({ numbers: {}, httpHeaders: {}, recordings: { retention: 'P30D' } })).toBe(30 * 86_400_000);
  });
});

describe('the host it comes from', () => {
  it.each([
    [{}, 'api.twilio.com'],
    [{ region: 'ie1' }, 'api.ie1.twilio.com'],
    [{ edge: 'dublin' }, 'api.dublin.us1.twilio.com'],
    [{ edge: 'dublin', region: 'ie1' }, 'api.dublin.ie1.twilio.com'],
  ])('of %j is %s', (account, host) => {
    expect(apiHost(account)).toBe(host);
  });
});

describe('a part of it', () => {
  it.each([
    ['bytes=0-3', { start: 0, end: 3 }],
    ['bytes=4-', { start: 4, end: 9 }],
    ['bytes=4-100', { start: 4, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-100', { start: 0, end: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-2', undefined],
    ['bytes=0-1,4-5', undefined],
    ['items=0-1', undefined],
    ['bytes=-', undefined],
    [undefined, undefined],
  ])('%s of ten bytes is %j', (header, expected) => {
    expect(rangeOf(header, 10)).toEqual(expected);
  });
});

describe('a transcription', () => {
  const event = (params: Record<string, string>, status: string) => {
    const data: TwilioTranscriptionEvent = { ...examples['twilio.transcription.event.v1'], status, params };
    return transcriptionEvent('id', data, null)?.event.data;
  };

  it('of a recording is its text', () => {
    expect(event({ TranscriptionText: 'Call me', RecordingSid: recordingSid }, 'completed')).toMatchObject({
      text: 'Call me',
      final: true,
      recordingId: recordingSid,
    });
  });

  it('in real time is what was said so far', () => {
    const said = { TranscriptionEvent: 'transcription-content', Final: 'false', LanguageCode: 'en-US' };
    const data = JSON.stringify({ transcript: 'Where is', confidence: 0.9 });
    expect(event({ ...said, TranscriptionData: data }, 'transcription-content')).toMatchObject({
      text: 'Where is',
      confidence: 0.9,
      final: false,
      language: 'en-US',
    });
    expect(event({ ...said, TranscriptionData: 'no json' }, 'transcription-content')).toMatchObject({
      text: 'no json',
    });
    expect(event({ TranscriptionEvent: 'transcription-started' }, 'transcription-started')).toBeUndefined();
  });
});
