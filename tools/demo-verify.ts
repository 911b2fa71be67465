import { randomInt } from 'node:crypto';

export interface VerifyDemo {
  /** Base URL of verify-svc. */
  readonly verify: string;
  readonly simulator: string;
  /** An API token that may send. */
  readonly token: string;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/**
 * A code is sent, a wrong one and the right one are checked, and a second start meets the limit; shows each answer. Resolves to what
 * was not as it should be.
 */
export async function demoVerification({ verify, simulator, token }: VerifyDemo): Promise<string[]> {
  // Of its own in each demo: a recipient gets five codes an hour.
  const to = `+1415${randomInt(2_000_000, 9_999_999)}`;
  const post = async (path: string, body: object): Promise<Answer> => {
    const response = await fetch(`${verify}/v1/verifications${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  };
  const start = () => post('', { idempotencyKey: crypto.randomUUID(), to, channel: 'sms', purpose: 'demo' });

  const started = await start();
  const id = String(started.body['verificationId']);
  const listed = await fetch(`${simulator}/_sim/verifications?to=${encodeURIComponent(to)}`);
  const [sent] = (await listed.json()) as { code: string }[];
  const code = sent?.code ?? '';
  const wrong = await post(`/${id}/check`, { code: `${(Number(code.at(0)) + 1) % 10}${code.slice(1)}` });
  const right = await post(`/${id}/check`, { code });
  const again = await start();

  const said = ({ body }: Answer, field: string) => String(body[field]);
  console.log('  a verification, and a start too soon after it:');
  const faults: string[] = [];
  const show = (what: string, { status, body }: Answer, words: string, isRight: boolean) => {
    console.log(`  ${what.padEnd(19)}${String(status).padEnd(5)}${words}`);
    if (!isRight) faults.push(`"${what}" was answered ${status} ${JSON.stringify(body)}`);
  };
  show(
    'start',
    started,
    `${said(started, 'state')} by ${said(started, 'channel')}`,
    started.body['state'] === 'pending',
  );
  show('wrong code', wrong, `${said(wrong, 'checksLeft')} checks left`, wrong.body['approved'] === false);
  show('right code', right, said(right, 'state'), right.body['approved'] === true);
  show('start again', again, `in ${said(again, 'retryAfter')} s`, again.status === 429);
  return faults;
}
