/** A step of the demo: an authenticator is enrolled and used, and a pumping run is stopped while a user beside it gets in. */
import { randomInt, randomUUID } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

export interface DemoSystem {
  /** Base URL of verify-svc. */
  readonly verify: string;
  readonly simulator: string;
  /** An API token with the scope send. */
  readonly token: string;
}

/** @returns what went wrong */
export async function showAuthenticator(system: DemoSystem): Promise<string[]> {
  console.log('demo: an authenticator app, and a pumping run');
  return [...(await enrolAndUse(system)), ...(await pump(system))];
}

async function enrolAndUse(system: DemoSystem): Promise<string[]> {
  const subject = randomUUID();
  const enrolled = await post(system, '/v1/totp/factors', { subject, issuer: 'Signalbox demo', account: 'demo' });
  const factor = String(enrolled['factorId']);
  const app = new TOTP({ secret: Secret.fromBase32(String(enrolled['secret'])) });
  const activated = await post(system, `/v1/totp/factors/${factor}/verify`, {
    code: app.generate({ timestamp: Date.now() - 30_000 }),
  });
  const code = app.generate();
  const start = { idempotencyKey: randomUUID(), channel: 'totp', subject };
  const { verificationId } = await post(system, '/v1/verifications', start);
  const check = () => post(system, `/v1/verifications/${String(verificationId)}/check`, { code });
  const first = await check();
  const again = await post(system, `/v1/totp/factors/${factor}/check`, { code });
  const recoveryCodes = (activated['recoveryCodes'] ?? []) as string[];
  console.log(
    `  enrolled by QR code, ${recoveryCodes.length} recovery codes; its code: ${said(first)}; the same code again: ${said(again)}`,
  );
  return first['approved'] === true && again['approved'] === false
    ? []
    : ['the code of an authenticator is not right once'];
}

/** 200 neighbours that nobody answers for, and one user who types the code in. */
async function pump(system: DemoSystem): Promise<string[]> {
  const first = 994_501_000_000 + randomInt(1_000_000);
  const attack = Array.from({ length: 200 }, (_, index) => `+${first + index}`);
  const user = `+99455${randomInt(2_000_000, 9_999_999)}`;
  const begin = (to: string) => post(system, '/v1/verifications', { idempotencyKey: randomUUID(), to, channel: 'sms' });
  for (const to of attack.slice(0, 100)) await begin(to);
  const { verificationId } = await begin(user);
  const [sent] = await atProvider(system, user);
  const checked = await post(system, `/v1/verifications/${String(verificationId)}/check`, { code: sent?.code ?? '' });
  for (const to of attack.slice(100)) await begin(to);
  const reached = (await atProvider(system)).filter(({ to }) => attack.includes(to)).length;
  console.log(
    `  ${attack.length} neighbouring numbers: ${reached} codes sent, then none; a user of the same country: ${said(checked)}`,
  );
  const faults = [];
  if (reached > 50) faults.push(`${reached} codes were sent to a pumping run`);
  if (checked['approved'] !== true) faults.push('a user beside a pumping run did not get in');
  return faults;
}

const said = (answer: Readonly<Record<string, unknown>>) => (answer['approved'] === true ? 'approved' : 'refused');

async function post({ verify, token }: DemoSystem, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${verify}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok)
    throw new Error(`POST ${path.replace(/[0-9a-f-]{36}/, '…')}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

/** A look behind the provider's counter. */
async function atProvider({ simulator }: DemoSystem, to?: string): Promise<{ to: string; code: string }[]> {
  const query = to === undefined ? '' : `?to=${encodeURIComponent(to)}`;
  return (await (await fetch(`${simulator}/_sim/verifications${query}`)).json()) as { to: string; code: string }[];
}
