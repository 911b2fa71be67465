import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventRecord } from '@signalbox/kafka';
import { RecordTooLarge } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import type { Message } from 'kafkajs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DurablePublisher } from './durable-publisher.ts';
import { Spool, SpoolFull } from './spool.ts';

/** A broker that can be told to answer, to refuse or to stay silent; keeps what it took. */
class Broker {
  mode: 'up' | 'down' | 'silent' = 'up';
  readonly log: string[] = [];
  readonly deadLetters: Message[] = [];
  /** Takes no such value on an ordinary topic. */
  tooLarge: string | undefined;
  readonly #silent: (() => void)[] = [];

  async send(topic: string, messages: readonly Message[]): Promise<void> {
    if (this.mode === 'down') throw new Error('no broker');
    if (topic.endsWith('.dlq')) {
      this.deadLetters.push(...messages);
      return;
    }
    if (messages.some(({ value }) => String(value) === this.tooLarge)) throw new RecordTooLarge(topic, 3_000_000);
    if (this.mode === 'silent') await new Promise<void>((resolve) => this.#silent.push(resolve));
    this.log.push(...messages.map(({ value }) => String(value)));
  }

  /** Answers what it had left unanswered, late. */
  speak(): void {
    this.mode = 'up';
    for (const answer of this.#silent.splice(0)) answer();
  }
}

const topic = { name: 'topic' };
const event = (n: number, data: unknown = n): EventRecord => ({
  key: 'key',
  event: { id: String(n), source: '//spec', type: 'spec.v1', time: '2026-11-24T18:00:00Z', data },
});

let folder: string;
let broker: Broker;
let publisher: DurablePublisher;
let spool: Spool;

function open(maxBytes = 1_000_000): void {
  spool = new Spool(join(folder, 'callbacks.db'), maxBytes);
  const producer = { send: broker.send.bind(broker) };
  publisher = new DurablePublisher(producer, spool, createLogger('spec', { level: 'silent' }), {
    patienceMs: 50,
    drainBatch: 3,
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'publisher-'));
  broker = new Broker();
  open();
});
afterEach(async () => {
  await publisher.close();
  await rm(folder, { recursive: true });
});

const publish = (...numbers: number[]) => Promise.all(numbers.map((n) => publisher.publish(topic, event(n))));

describe('DurablePublisher', () => {
  it('goes to the broker while it answers', async () => {
    await publish(1, 2, 3);
    expect([broker.log, spool.records]).toEqual([['1', '2', '3'], 0]);
  });

  it('goes to the spool when the broker refuses, and in order to the broker when it is back', async () => {
    broker.mode = 'down';
    await publish(1, 2);
    await publish(3, 4, 5, 6, 7);
    expect([publisher.spooling, spool.records, broker.log]).toEqual([true, 7, []]);
    broker.mode = 'up';
    await eventually(() => expect(publisher.spooling).toBe(false));
    await publish(8);
    expect([broker.log, spool.records]).toEqual([['1', '2', '3', '4', '5', '6', '7', '8'], 0]);
  });

  it('goes to the spool when the broker is silent, what waits before what comes', async () => {
    broker.mode = 'silent';
    const waiting = publish(1, 2);
    await eventually(() => expect(publisher.spooling).toBe(true));
    await Promise.all([waiting, publish(3)]);
    expect(spool.peek(10).map(({ value }) => value)).toEqual(['1', '2', '3']);
    broker.speak();
    await eventually(() => expect(publisher.spooling).toBe(false));
    expect(broker.log.filter((value, i, all) => all.indexOf(value) === i)).toEqual(['1', '2', '3']);
  });

  it('drains what an earlier run has left, before what comes', async () => {
    broker.mode = 'down';
    await publish(1, 2);
    await publisher.close();
    open();
    expect(publisher.spooling).toBe(true);
    const next = publish(3);
    broker.mode = 'up';
    await next;
    await eventually(() => expect(publisher.spooling).toBe(false));
    expect(broker.log).toEqual(['1', '2', '3']);
  });

  it('rejects when the spool is full and the broker away', async () => {
    await publisher.close();
    open(10);
    broker.mode = 'down';
    await publisher.publish(topic, event(1, 'x'.repeat(20)));
    await expect(publisher.publish(topic, event(2))).rejects.toBeInstanceOf(SpoolFull);
  });

  it('keeps an acknowledged record that its topic finds too large: in the dead letters, with the reason', async () => {
    broker.mode = 'down';
    await Promise.all([1, 2, 3].map((n) => publisher.publish(topic, event(n))));
    broker.tooLarge = '2';
    broker.mode = 'up';
    await eventually(() => expect(publisher.spooling).toBe(false));
    expect(broker.log).toEqual(['1', '3']);
    expect(broker.deadLetters).toEqual([
      expect.objectContaining({
        key: 'key',
        value: '2',
        headers: expect.objectContaining({
          ce_id: '2',
          sb_dlq_topic: 'topic',
          sb_dlq_reason: 'record of 3000000 bytes is too large for topic',
        }) as unknown,
      }),
    ]);
  });

  it('refuses what no topic would take, in both states', async () => {
    const large = event(1, 'x'.repeat(1_000_001));
    await expect(publisher.publish(topic, large)).rejects.toBeInstanceOf(RecordTooLarge);
    broker.mode = 'down';
    await publish(2);
    await expect(publisher.publish(topic, large)).rejects.toBeInstanceOf(RecordTooLarge);
  });

  it('keeps order per key and loses nothing while the broker comes and goes', async () => {
    const modes = ['down', 'up', 'silent', 'up'] as const;
    for (let n = 0; n < 400; n += 10) {
      const mode = modes[Math.floor(n / 40) % 4] ?? 'up';
      if (mode === 'up') broker.speak();
      else broker.mode = mode;
      await publish(...Array.from({ length: 10 }, (_, i) => n + i));
    }
    broker.speak();
    await eventually(() => expect(publisher.spooling).toBe(false));
    const firsts = broker.log.map(Number).filter((value, i, all) => all.indexOf(value) === i);
    expect(firsts).toEqual(Array.from({ length: 400 }, (_, n) => n));
  });
});
