import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export interface VoiceDemo {
  /** Base URL of voice-svc. */
  readonly voice: string;
  readonly simulator: string;
  /** API tokens that may send, and read. */
  readonly tokens: { readonly send: string; readonly read: string };
}

interface Story {
  readonly state: string;
  readonly history: readonly { readonly kind: string; readonly detail: { readonly to?: string } }[];
}

const patienceMs = 30_000;

/** Somebody is called and hears a text; shows the way of the call. Resolves to what was not as it should be. */
export async function demoCall({ voice, simulator, tokens }: VoiceDemo): Promise<string[]> {
  const to = `+1415${randomInt(2_000_000, 9_999_999)}`;
  const say = 'Your table is ready';
  const answer = await fetch(`${voice}/v1/calls`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.send}`, 'content-type': 'application/json' },
    body: JSON.stringify({ idempotencyKey: crypto.randomUUID(), to, say, lane: 'critical' }),
  });
  const { callId } = (await answer.json()) as { callId?: string };
  if (callId === undefined) return [`a call was answered ${answer.status}`];

  const story = await ended(`${voice}/v1/calls/${callId}`, tokens.read);
  const [heard] = (await (await fetch(`${simulator}/_sim/calls?to=${encodeURIComponent(to)}`)).json()) as {
    body: string;
  }[];
  const states = story.history.flatMap(({ kind, detail }) => (kind === 'state' ? (detail.to ?? []) : []));
  console.log(`  a call: ${states.join(' → ')}; who answered heard "${heard?.body ?? ''}"`);
  return story.state === 'completed' && heard?.body === say
    ? []
    : [`the call is ${story.state} after ${states.join(', ')}`];
}

async function ended(url: string, token: string): Promise<Story> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const story = (await response.json()) as Story;
    if (/completed|busy|no-answer|failed|canceled|rejected/.test(story.state) || Date.now() > deadline) return story;
    await sleep(100);
  }
}

interface Caller {
  readonly sid: string;
  readonly status: string;
  readonly errors: readonly unknown[];
  readonly transcript: readonly {
    readonly heard?: string;
    readonly pressed?: string;
    readonly said?: string;
    readonly event?: string;
  }[];
}

/** Somebody calls the hotline, goes through its menus into the queue, and is fetched by an agent; every second request is doubled. */
export async function demoCaller({ voice, simulator, tokens }: VoiceDemo): Promise<string[]> {
  const post = async (url: string, body: object, token?: string) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
    return answer.headers.get('content-type')?.includes('json') ? ((await answer.json()) as { sid?: string }) : {};
  };
  await post(`${simulator}/_sim/faults`, { callbacks: { duplicate: 0.5 } });
  try {
    const script = [{ press: '9' }, { say: 'help please' }, { press: '1' }, { press: '1' }, { wait: 300 }];
    const call = { kind: 'call', from: '+14155550199', to: '+14155550100', script };
    const { sid = '' } = await post(`${simulator}/_sim/inbound`, call);
    await reached(({ transcript }) => transcript.some(({ event }) => event?.startsWith('waits') === true));
    const to = `+1415${randomInt(2_000_000, 9_999_999)}`;
    await post(`${voice}/v1/calls`, { idempotencyKey: crypto.randomUUID(), to, flow: 'agent' }, tokens.send);
    const caller = await reached(({ status }) => status === 'completed');
    console.log('  a caller, by the flow config/flows/demo/support.yaml:');
    for (const { heard, pressed, said, event } of caller.transcript)
      console.log(`    ${heard ?? (pressed ? `» ${pressed}` : said ? `» "${said}"` : `(${event ?? ''})`)}`);
    const connected = caller.transcript.some(({ event }) => event === 'is connected');
    return connected && caller.errors.length === 0 ? [] : ['the caller did not get to an agent'];

    async function reached(isThere: (caller: Caller) => boolean): Promise<Caller> {
      const deadline = Date.now() + patienceMs;
      for (;;) {
        const all = (await (await fetch(`${simulator}/_sim/calls`)).json()) as Caller[];
        const found = all.find((one) => one.sid === sid);
        if (found && (isThere(found) || Date.now() > deadline)) return found;
        await sleep(100);
      }
    }
  } finally {
    await post(`${simulator}/_sim/faults`, {});
  }
}
