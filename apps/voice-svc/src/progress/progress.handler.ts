import { Controller, Inject } from '@nestjs/common';
import {
  type EventOf,
  topics,
  type TwilioCallStatus,
  type TwilioRecordingStatus,
  type TwilioTranscriptionEvent,
} from '@signalbox/contracts';
import { type Batch, OnBatch } from '@signalbox/kafka';
import { failpoints, onCommit, Outbox, type Transaction, writeAll } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { type Call, remark, type Step, unchanged } from '../call/call.ts';
import { eventKey, idsOfProviderSids, knownEvents, lock, providerKey, save } from '../call/call.store.ts';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { settledByReports } from '../dispatch/attempt.store.ts';
import { conferenceEventOf, conferenceWrites, toOutgoing } from '../facts/conference.ts';
import { factsOf, isProgress, text, whole } from '../facts/facts.rules.ts';
import { factsWrite } from '../facts/facts.store.ts';
import { firstSeen } from '../facts/seen.store.ts';
import { callbackOutcomes, countConferenceEvent, countSteps, doubleCalls, recordingChanges } from '../metrics.ts';
import { retentionMs } from '../recordings/retention.rules.ts';
import { advance as advanceRecording, type RecordingStep } from '../recordings/recording.ts';
import { keyOf, lockRecordings, recordingsWrite } from '../recordings/recording.store.ts';
import { transcriptionEvent } from '../recordings/transcription.ts';
import { advance, type ProviderReport, type ReportOutcome } from './progress.rules.ts';

type Callback = EventOf<typeof topics.twilioCallCallbacks>;
interface Told<Data> {
  readonly id: string;
  readonly data: Data;
}

/** All that the provider tells of calls: their progress, conferences, recordings, transcriptions. */
@Controller()
export class ProgressHandler {
  readonly #tenants: TenantDirectory;
  readonly #config: Pick<VoiceConfig, 'PRICE_POLL_MS' | 'CALLBACK_OVERDUE_MS'>;
  readonly #outbox = new Outbox();

  constructor(@Inject(TenantDirectory) tenants: TenantDirectory, @Inject(CONFIG) config: VoiceConfig) {
    this.#tenants = tenants;
    this.#config = config;
  }

  @OnBatch(topics.twilioCallCallbacks)
  async applyCallbacks(batch: Batch<Callback>, tx: Transaction): Promise<void> {
    const now = new Date();
    const statuses: Told<TwilioCallStatus>[] = [];
    const recordings: Told<TwilioRecordingStatus>[] = [];
    const transcriptions: Told<TwilioTranscriptionEvent>[] = [];
    for (const { event } of batch) {
      if (event.type === 'twilio.call.status.v1') statuses.push(event);
      else if (event.type === 'twilio.recording.status.v1') recordings.push(event);
      else transcriptions.push(event);
    }
    const owners = await ownersOf(tx, [...statuses, ...recordings, ...transcriptions]);
    await this.#applyProgress(tx, statuses, owners, now);
    await this.#applyConferences(tx, statuses, now);
    await this.#applyRecordings(tx, recordings, owners, now);
    await this.#tellTranscriptions(tx, transcriptions, owners, now);
    onCommit(tx, () => failpoints.reached('progress.committed'));
  }

  async #applyProgress(
    tx: Transaction,
    statuses: readonly Told<TwilioCallStatus>[],
    owners: Owners,
    now: Date,
  ): Promise<void> {
    const ours: { callback: Told<TwilioCallStatus>; call: Call }[] = [];
    let strays = 0;
    for (const callback of statuses.filter(({ data }) => isProgress(data) || data.status === 'amd-detected')) {
      const call = owners.callOf(callback.data);
      if (call) ours.push({ callback, call });
      else strays++;
    }
    const seen = await knownEvents(
      tx,
      ours.map(({ callback, call }) => ({ callId: call.id, eventId: callback.id })),
    );
    const steps = new Map<string, Step>();
    const outcomes: (ReportOutcome | 'repeated')[] = [];
    let doubles = 0;
    for (const { callback, call } of ours) {
      const key = eventKey(call.id, callback.id);
      if (seen.has(key)) {
        outcomes.push('repeated');
        continue;
      }
      seen.add(key);
      const before = steps.get(call.id) ?? unchanged(call);
      const { step, outcome } = advance(before, reportOf(callback.data), now);
      outcomes.push(outcome);
      const { providerSid } = before.call;
      if (outcome !== 'earlier' && providerSid !== null && providerSid !== callback.data.resourceSid) doubles++;
      steps.set(call.id, remark(step, lineOf(callback, outcome)));
    }
    const all = [...steps.values()];
    const askAt = new Date(now.getTime() + this.#config.PRICE_POLL_MS);
    const facts = statuses.flatMap(({ data }) => factsOf(data, owners.callOf(data)?.id ?? null) ?? []);
    await save(tx, all, [await settledByReports(tx, all, now), factsWrite(facts, askAt)]);
    onCommit(tx, () => {
      countSteps(all);
      for (const outcome of outcomes) callbackOutcomes.inc({ outcome });
      callbackOutcomes.inc({ outcome: 'unmatched' }, strays);
      doubleCalls.inc(doubles);
    });
  }

  async #applyConferences(tx: Transaction, statuses: readonly Told<TwilioCallStatus>[], now: Date): Promise<void> {
    const told = statuses.flatMap(({ id, data }) => conferenceEventOf(id, data) ?? []);
    const events = await firstSeen(tx, told, now);
    await writeAll(tx, conferenceWrites(events));
    await this.#outbox.append(tx, events.map(toOutgoing));
    onCommit(tx, () => {
      for (const { data } of events) countConferenceEvent(data.kind);
    });
  }

  async #applyRecordings(
    tx: Transaction,
    callbacks: readonly Told<TwilioRecordingStatus>[],
    owners: Owners,
    now: Date,
  ): Promise<void> {
    const known = await lockRecordings(
      tx,
      callbacks.map(({ data }) => ({ tenant: data.tenant, recordingSid: data.resourceSid })),
    );
    const steps: RecordingStep[] = [];
    for (const { data } of callbacks) {
      const before = known.get(keyOf({ tenant: data.tenant, recordingSid: data.resourceSid })) ?? null;
      const keepMs = retentionMs(this.#tenants.byName(data.tenant)?.voice);
      const step = advanceRecording(before, data, owners.callOf(data)?.id ?? null, keepMs);
      if (!step) continue;
      known.set(keyOf(step.recording), step.recording);
      steps.push(step);
    }
    await writeAll(tx, [recordingsWrite(steps, new Date(now.getTime() + this.#config.PRICE_POLL_MS))]);
    await this.#outbox.append(
      tx,
      steps.flatMap(({ event }) => event ?? []),
    );
    onCommit(tx, () => {
      for (const { recording } of steps) recordingChanges.inc({ state: recording.state });
    });
  }

  async #tellTranscriptions(
    tx: Transaction,
    callbacks: readonly Told<TwilioTranscriptionEvent>[],
    owners: Owners,
    now: Date,
  ): Promise<void> {
    const first = await firstSeen(tx, callbacks, now);
    await this.#outbox.append(
      tx,
      first.flatMap(({ id, data }) => transcriptionEvent(id, data, owners.callOf(data)?.id ?? null) ?? []),
    );
  }
}

interface Owned {
  readonly tenant: string;
  readonly correlationId: string | null;
  readonly resourceSid: string;
  readonly callSid?: string | null;
}

interface Owners {
  /** Our call that this speaks of, as it was locked; undefined when it is none, or another tenant's. */
  callOf(data: Owned): Call | undefined;
}

/** Finds and locks the calls by our id from the callback URL, else by the provider's. */
async function ownersOf(tx: Transaction, callbacks: readonly Told<Owned>[]): Promise<Owners> {
  const named = ({ tenant, callSid, resourceSid }: Owned) => ({ tenant, callSid: callSid ?? resourceSid });
  const strangers = callbacks.flatMap(({ data }) => (data.correlationId === null ? [named(data)] : []));
  const idOf = await idsOfProviderSids(tx, strangers);
  const idFor = (data: Owned) => data.correlationId ?? idOf.get(providerKey(named(data)));
  const calls = await lock(
    tx,
    callbacks.flatMap(({ data }) => idFor(data) ?? []),
  );
  return {
    callOf(data) {
      const call = calls.get(idFor(data) ?? '');
      // A signature vouches for its own tenant only.
      return call?.tenant === data.tenant ? call : undefined;
    },
  };
}

function reportOf({ resourceSid, status, errorCode, params }: TwilioCallStatus): ProviderReport {
  const answeredBy = text(params['AnsweredBy']);
  const durationSeconds = whole(params['CallDuration']);
  const sipResponseCode = whole(params['SipResponseCode']);
  return {
    resourceSid,
    status,
    errorCode,
    ...(answeredBy !== null && { answeredBy }),
    ...(durationSeconds !== null && { durationSeconds }),
    ...(sipResponseCode !== null && { sipResponseCode }),
  };
}

function lineOf({ id, data }: Told<TwilioCallStatus>, outcome: ReportOutcome) {
  const { status, sequence, errorCode, resourceSid: providerSid, providerTime } = data;
  return {
    at: data.receivedAt,
    kind: 'callback' as const,
    eventId: id,
    detail: { status, sequence, outcome, errorCode, providerSid, providerTime },
  };
}
