import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

export interface DeliverabilityDemo {
  /** Base URL of email-svc. */
  readonly email: string;
  readonly tokens: { readonly send: string; readonly admin: string };
  /** Milliseconds. */
  readonly patience: number;
}

interface Story {
  readonly state: string;
  readonly waiting: { readonly reason: string; readonly summary: string } | null;
}

/**
 * A stream of newsletters to one mailbox provider is stopped: one for it waits and says why, a code goes out all the same; lifted, the
 * newsletter is delivered. Resolves to what was not as it should be.
 */
export async function demoDeliverability({ email, tokens, patience }: DeliverabilityDemo): Promise<string[]> {
  const run = randomBytes(3).toString('hex');
  const call = async <Body>(method: string, path: string, token: string, body?: object): Promise<Body> => {
    const response = await fetch(`${email}/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  };
  const send = async (what: string, lane: string) => {
    const request = { idempotencyKey: `demo-${run}-${what}`, to: `delivered+${what}-${run}@hotmail.com`, lane };
    const { emailId } = await call<{ emailId: string }>('POST', 'emails', tokens.send, {
      ...request,
      subject: 'News of the week',
      text: 'There is some',
    });
    return emailId;
  };
  /** The story of an email once it is as it should be, or as it is when there is no more patience. */
  const storyOf = async (id: string, isIt: (story: Story) => boolean): Promise<Story> => {
    const deadline = Date.now() + patience;
    for (;;) {
      const story = await call<Story>('GET', `emails/${id}`, tokens.admin);
      if (isIt(story) || Date.now() > deadline) return story;
      await delay(50);
    }
  };
  const isDelivered = ({ state }: Story) => state === 'delivered';

  await call('POST', 'deliverability/stops', tokens.admin, {
    stream: 'bulk',
    mailboxProvider: 'outlook',
    why: 'shown in the demo',
  });
  const news = await send('news', 'bulk');
  const code = await storyOf(await send('code', 'critical'), isDelivered);
  const held = await storyOf(news, ({ waiting }) => waiting?.reason === 'stream_stopped');
  console.log(`  a newsletter       waits: ${held.waiting?.summary ?? held.state}`);
  await call('DELETE', 'deliverability/stops/bulk/outlook?why=shown', tokens.admin);
  const lifted = await storyOf(news, isDelivered);
  console.log(`  lifted             ${lifted.state}; a code meanwhile: ${code.state}`);
  return [
    ...(held.waiting?.reason === 'stream_stopped' ? [] : [`a newsletter in a stopped stream is ${held.state}`]),
    ...(isDelivered(code) ? [] : [`a code was held up: ${code.state}`]),
    ...(isDelivered(lifted) ? [] : [`a newsletter whose stream was lifted is ${lifted.state}`]),
  ];
}
