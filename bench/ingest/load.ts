/** The load, as a process of its own: at full speed, or at RATE requests a second. Prints one line of JSON. */
import autocannon from 'autocannon';
import { Pool } from 'undici';
import { quantile } from '../rounds.ts';
import { type SignedCallback, signedCallbacks } from './callbacks.ts';

export interface LoadResult {
  /** Answered 2xx, per second. */
  readonly rate: number;
  readonly ok: number;
  readonly other: number;
  /** Milliseconds, from when the request was due. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const { TARGET = '', PUBLIC_BASE_URL = '', ACCOUNT_SID = '', AUTH_TOKEN = '', RATE } = process.env;
const connections = Number(process.env['CONNECTIONS'] ?? 64);
const seconds = Number(process.env['DURATION'] ?? 8);
const requests = signedCallbacks(4_000, PUBLIC_BASE_URL, ACCOUNT_SID, AUTH_TOKEN);

console.log(JSON.stringify(RATE === undefined ? await fullSpeed() : await atRate(Number(RATE))));

async function fullSpeed(): Promise<LoadResult> {
  const options = { url: TARGET, connections, duration: seconds, requests: requests as autocannon.Request[] };
  const { latency, duration, non2xx, errors, timeouts, '2xx': ok } = await autocannon(options);
  return {
    rate: ok / duration,
    ok,
    other: non2xx + errors + timeouts,
    p50: latency.p50,
    p95: latency.p97_5,
    p99: latency.p99,
  };
}

/** An open loop: a slow answer does not hold the next request back, as Twilio would not wait either. */
async function atRate(rate: number): Promise<LoadResult> {
  const pool = new Pool(TARGET, { connections });
  const latencies: number[] = [];
  let other = 0;
  const start = performance.now();
  const total = rate * seconds;
  const running: Promise<void>[] = [];
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.ceil(((performance.now() - start) / 1000) * rate));
    for (; sent < due; sent++) running.push(send(sent, start + (sent / rate) * 1000));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
  const elapsed = (performance.now() - start) / 1000;
  await pool.close();
  const sorted = latencies.sort((a, b) => a - b);
  const at = (q: number) => quantile(sorted, q);
  return { rate: sorted.length / elapsed, ok: sorted.length, other, p50: at(0.5), p95: at(0.95), p99: at(0.99) };

  async function send(index: number, dueAt: number): Promise<void> {
    const { method, path, headers, body } = requests[index % requests.length] as SignedCallback;
    try {
      const answer = await pool.request({ method, path, headers, body });
      await answer.body.dump();
      if (answer.statusCode < 200 || answer.statusCode > 299) other++;
      else latencies.push(performance.now() - dueAt);
    } catch {
      other++;
    }
  }
}
