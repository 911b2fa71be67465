import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

export interface EmailDemo {
  /** Base URL of email-svc. */
  readonly email: string;
  readonly simulator: string;
  /** API tokens that may send, and read. */
  readonly tokens: { readonly send: string; readonly read: string };
  /** Milliseconds. */
  readonly patience: number;
}

interface Story {
  readonly state: string;
  readonly error: { readonly code: string } | null;
  readonly history: readonly { readonly kind: string; readonly detail: { readonly to?: string } }[];
}

interface Step {
  readonly what: string;
  readonly to: string;
  readonly end: string;
  readonly code?: string;
}

/**
 * An email that arrives, one that bounces for good, and another one to that address, which is on the suppression list by then; shows
 * each one's way. Resolves to what was not as it should be.
 */
export async function demoEmail(demo: EmailDemo): Promise<string[]> {
  const { email, tokens, patience } = demo;
  const run = randomBytes(3).toString('hex');
  const steps: readonly Step[] = [
    { what: 'email', to: `delivered+${run}@demo.example`, end: 'delivered' },
    { what: 'email to nobody', to: `hard-bounce+${run}@demo.example`, end: 'bounced', code: 'hard_bounce' },
    { what: 'once more', to: `hard-bounce+${run}@demo.example`, end: 'rejected', code: 'suppressed' },
  ];
  const call = async <Body>(path: string, token: string, body?: object): Promise<Body> => {
    const response = await fetch(`${email}/v1/emails${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  };

  console.log('  emails:');
  const faults: string[] = [];
  for (const [index, { what, to, end, code }] of steps.entries()) {
    const request = {
      idempotencyKey: `demo-${run}-${index}`,
      to,
      subject: 'Your order has shipped',
      text: 'On Friday',
    };
    const { emailId } = await call<{ emailId: string }>('', tokens.send, request);
    const deadline = Date.now() + patience;
    let story = await call<Story>(`/${emailId}`, tokens.read);
    while (story.state !== end && Date.now() < deadline) {
      await delay(50);
      story = await call<Story>(`/${emailId}`, tokens.read);
    }
    const way = story.history.filter(({ kind }) => kind === 'state').map(({ detail }) => detail.to);
    console.log(`  ${what.padEnd(19)}${way.join(' › ')}${story.error ? `: ${story.error.code}` : ''}`);
    if (story.state !== end || story.error?.code !== code) {
      faults.push(`"${what}" is ${story.state} (${story.error?.code ?? 'no error'}), not ${end}`);
    }
  }
  return [...faults, ...(await warmUp(demo, run))];
}

interface Plan {
  readonly pool: string;
  readonly day: number;
  readonly lastDay: number;
  readonly cap: number | null;
  readonly used: number;
}

/** A newsletter through an IP pool that warms up: so many of today go through it, the rest through the old one. */
async function warmUp({ email, simulator, tokens, patience }: EmailDemo, run: string): Promise<string[]> {
  const get = async <Body>(url: string): Promise<Body> => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${tokens.read}` } });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  };
  const plan = async () =>
    (await get<{ pools: Plan[] }>(`${email}/v1/warmup`)).pools.find(({ pool }) => pool === 'fresh');
  const before = await plan();
  if (!before || before.cap === null) return ['there is no warm-up plan to show'];
  const recipients = Array.from({ length: 15 }, (_, index) => `delivered+news-${run}-${index}@demo.example`);
  for (const [index, to] of recipients.entries()) {
    const body = { idempotencyKey: `demo-${run}-news-${index}`, to, subject: 'News', text: 'All of it', lane: 'bulk' };
    const response = await fetch(`${email}/v1/emails`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.send}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, from: 'News <hello@news.demo.example>' }),
    });
    if (!response.ok) throw new Error(`newsletter: ${response.status} ${await response.text()}`);
  }
  const deadline = Date.now() + patience;
  const sentBy = async () => {
    const all = await get<{ to: string; pool: string | null }[]>(`${simulator}/_sim/emails`);
    const ours = all.filter(({ to }) => recipients.includes(to));
    const through = (name: string) => ours.filter(({ pool }) => pool === name).length;
    return { fresh: through('fresh'), main: through('main'), all: ours.length };
  };
  let sent = await sentBy();
  while (sent.all < recipients.length && Date.now() < deadline) {
    await delay(50);
    sent = await sentBy();
  }
  const after = (await plan()) ?? before;
  const { day, lastDay, cap, used } = after;
  console.log(
    `  IP warm-up         day ${day} of ${lastDay}: ${sent.fresh} of ${recipients.length} through the new pool (${used} of ${cap} today), ${sent.main} through the old one`,
  );
  const room = Math.min(recipients.length, before.cap - before.used);
  // At midnight the next day's room is there.
  const isFine = after.day !== before.day || (sent.fresh === room && sent.main === recipients.length - room);
  return isFine
    ? []
    : [
        `${sent.fresh} emails went through the new IP pool and ${sent.main} through the old one, not ${room} and the rest`,
      ];
}
