import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

export interface EmailDemo {
  /** Base URL of email-svc. */
  readonly email: string;
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
export async function demoEmail({ email, tokens, patience }: EmailDemo): Promise<string[]> {
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
  return faults;
}
