/**
 * Callers, as a process of their own: each begins a call and answers four documents, going where the last one leads, every
 * request signed. At full speed, or RATE calls a second. Prints one line of JSON.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { quantile } from '../rounds.ts';

export interface LoadResult {
  /** Documents a second. */
  readonly rate: number;
  readonly documents: number;
  /** Not answered 200 with a document that leads on. */
  readonly failed: number;
  /** Milliseconds, from when the request was due. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const { TARGET = '', VOICE_PUBLIC_BASE_URL: base = '', ACCOUNT_SID = '', AUTH_TOKEN = '', RATE } = process.env;
const connections = Number(process.env['CONNECTIONS'] ?? 64);
const seconds = Number(process.env['DURATION'] ?? 8);
const answers = ['2', '1', '2'];
const pool = new Pool(TARGET, { connections });
const latencies: number[] = [];
let failed = 0;

const start = performance.now();
await (RATE === undefined ? atFullSpeed() : atRate(Number(RATE)));
const elapsed = (performance.now() - start) / 1000;
await pool.close();
latencies.sort((a, b) => a - b);
const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantile(latencies, q));
console.log(JSON.stringify({ rate: latencies.length / elapsed, documents: latencies.length, failed, p50, p95, p99 }));

async function atFullSpeed(): Promise<void> {
  const end = start + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) await call(performance.now());
    }),
  );
}

/** An open loop: a slow answer holds no other caller back. */
async function atRate(rate: number): Promise<void> {
  const running: Promise<void>[] = [];
  const total = rate * seconds;
  for (let begun = 0; begun < total;) {
    const due = Math.min(total, Math.ceil(((performance.now() - start) / 1000) * rate));
    for (; begun < due; begun++) running.push(call(start + (begun / rate) * 1000));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
}

async function call(dueAt: number): Promise<void> {
  const callSid = `CA${randomBytes(16).toString('hex')}`;
  let path = '/twilio/voice/inbound';
  let due = dueAt;
  for (const digits of [undefined, ...answers]) {
    const document = await post(path, callSid, digits);
    const action = /action="([^"#]+)/.exec(document)?.[1];
    if (action === undefined) {
      failed++;
      return;
    }
    latencies.push(performance.now() - due);
    path = action.replaceAll('&amp;', '&').slice(base.length);
    due = performance.now();
  }
}

async function post(path: string, callSid: string, digits: string | undefined): Promise<string> {
  // In the order of their names, as they are signed.
  const params: [string, string][] = [
    ['AccountSid', ACCOUNT_SID],
    ['ApiVersion', '2010-04-01'],
    ['CallSid', callSid],
    ['CallStatus', 'in-progress'],
    ['Called', '+14155550100'],
    ['Caller', '+14155550199'],
    ...(digits === undefined ? [] : [['Digits', digits] as [string, string]]),
    ['Direction', 'inbound'],
    ['From', '+14155550199'],
    ['FromCountry', 'US'],
    ['To', '+14155550100'],
    ['ToCountry', 'US'],
  ];
  const signature = createHmac('sha1', AUTH_TOKEN)
    .update(base + path + params.flat().join(''))
    .digest('base64');
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature };
  try {
    const body = new URLSearchParams(params).toString();
    const answer = await pool.request({ method: 'POST', path, headers, body });
    const text = await answer.body.text();
    return answer.statusCode === 200 ? text : '';
  } catch {
    return '';
  }
}
