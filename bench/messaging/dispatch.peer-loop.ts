/** A bare loop over the twilio SDK: no database, no quotas, nothing kept. CLIENT: `undici`, or `axios` as the SDK comes. */
import { loadTenants, type Tenant } from '@signalbox/tenants';
import { statusCallbackUrl, twilioClient } from '@signalbox/twilio';
import twilio from 'twilio';
import { messageId, messagingServiceSid, recipient } from './messages.ts';
import { Meter } from './meter.ts';

const meter = new Meter(process.env);
const total = Number(process.env['TOTAL']);
const tenant = (await loadTenants(process.env['TENANTS_FILE'] ?? '')).byName('demo') as Tenant;
const client = process.env['CLIENT'] === 'axios' ? asItComes(tenant) : twilioClient(tenant);

let next = 0;
await Promise.all(Array.from({ length: Number(process.env['CONCURRENCY']) }, loop));

async function loop(): Promise<void> {
  while (next < total) {
    const index = next++;
    await client.messages.create({
      to: recipient(index),
      messagingServiceSid,
      body: 'Your order has shipped and will be with you tomorrow.',
      statusCallback: statusCallbackUrl(process.env['PUBLIC_BASE_URL'] ?? '', { messageId: messageId(index) }),
    });
    meter.add(1);
  }
}

/** The SDK knows no other host than Twilio's, so its own client is told the simulator's. */
function asItComes({ twilio: { accountSid, apiKey, baseUrl = '' } }: Tenant) {
  class ToSimulator extends twilio.RequestClient {
    override request<Data>(...[options]: Parameters<typeof twilio.RequestClient.prototype.request<Data>>) {
      return super.request<Data>({ ...options, uri: options.uri.replace('https://api.twilio.com', baseUrl) });
    }
  }
  return twilio(apiKey.sid, apiKey.secret, { accountSid, httpClient: new ToSimulator() });
}
