import { Counter, Gauge, register } from 'prom-client';

// Registered once per process, even when a test loads this module again.
const gauge = (name: string, help: string) =>
  (register.getSingleMetric(name) as Gauge | undefined) ?? new Gauge({ name, help });
const counter = (name: string, help: string) =>
  (register.getSingleMetric(name) as Counter | undefined) ?? new Counter({ name, help });

export const pending = gauge(
  'signalbox_outbox_pending',
  'Committed events not published yet, an estimate beyond 10000; every replica reports it, take the max',
);
export const oldestSeconds = gauge(
  'signalbox_outbox_oldest_seconds',
  'Age of the oldest event not published yet; every replica reports it, take the max',
);
export const published = counter('signalbox_outbox_published_total', 'Events published by this process');
export const leader = gauge('signalbox_outbox_relay_leader', '1 while this process is the one that publishes');
export const failures = counter('signalbox_outbox_relay_failures_total', 'Times the relay stepped down over an error');
