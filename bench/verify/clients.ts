import type { Tenant } from '@signalbox/tenants';
import { twilioClient } from '@signalbox/twilio';
import twilio, { type Twilio } from 'twilio';
import { Agent, request } from 'undici';

export interface Started {
  readonly to: string;
  /** What a check names it by. */
  readonly id: string;
}

/** One way to have a code sent and checked. */
export interface VerifyClient {
  start(to: string): Promise<Started>;
  /** @throws when the code is not right */
  check(started: Started, code: string): Promise<void>;
}

export const serviceSid = 'VA00000000000000000000000000000001';

/** The SDK as it comes, over axios; it knows no other host than Twilio's, so its own client is told the simulator's. */
export function sdkAsItComes({ twilio: { accountSid, apiKey, baseUrl = '' } }: Tenant): VerifyClient {
  class ToSimulator extends twilio.RequestClient {
    override request<Data>(...[options]: Parameters<typeof twilio.RequestClient.prototype.request<Data>>) {
      return super.request<Data>({ ...options, uri: options.uri.replace('https://verify.twilio.com', baseUrl) });
    }
  }
  return bare(twilio(apiKey.sid, apiKey.secret, { accountSid, httpClient: new ToSimulator() }));
}

/** The SDK over undici, which is what verify-svc calls the provider with. */
export function sdkOnUndici(tenant: Tenant): VerifyClient {
  return bare(twilioClient(tenant));
}

function bare(client: Twilio): VerifyClient {
  const service = client.verify.v2.services(serviceSid);
  return {
    async start(to) {
      const { sid } = await service.verifications.create({ to, channel: 'sms' });
      return { to, id: sid };
    },
    async check({ id }, code) {
      const { status } = await service.verificationChecks.create({ verificationSid: id, code });
      if (status !== 'approved') throw new Error(`the check says ${status}`);
    },
  };
}

/** verify-svc as a product service calls it. */
export function overHttp(url: string, token: string): VerifyClient {
  const dispatcher = new Agent({ connections: 100 });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  async function post<Answer>(path: string, body: object): Promise<Answer> {
    const answer = await request(`${url}/v1/verifications${path}`, {
      method: 'POST',
      dispatcher,
      headers,
      body: JSON.stringify(body),
    });
    if (answer.statusCode >= 300) throw new Error(`${path} ${answer.statusCode} ${await answer.body.text()}`);
    return (await answer.body.json()) as Answer;
  }
  return {
    async start(to) {
      const idempotencyKey = `bench-${to}`;
      const asked = { idempotencyKey, to, channel: 'sms', subject: to, purpose: 'login' };
      const { verificationId, state } = await post<{ verificationId: string; state: string }>('', asked);
      if (state !== 'pending') throw new Error(`the start is ${state}`);
      return { to, id: verificationId };
    },
    async check({ id }, code) {
      const { approved } = await post<{ approved: boolean }>(`/${id}/check`, { code });
      if (!approved) throw new Error('the check does not approve');
    },
  };
}
