import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type { Twilio } from 'twilio';
import { type Exchange, faultsOf } from '../../test/openapi/twilio-description.ts';
import { type RunningSimulator, runSimulator } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;
let client: Twilio;
const exchanges: Exchange[] = [];

function record(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (request.url.startsWith('/2010')) {
      exchanges.push({
        method: request.method,
        path: request.url.split('?')[0] as string,
        query: { ...(request.query as object) },
        form: request.body as Record<string, unknown> | undefined,
        status: reply.statusCode,
        body: typeof payload === 'string' ? payload : '',
      });
    }
    done(null, payload);
  });
}

beforeAll(async () => {
  simulator = await runSimulator({ observe: record });
  client = simulator.client();
});
afterAll(() => simulator.stop());
beforeEach(async () => {
  await simulator.reset();
  exchanges.length = 0;
});

it('keeps lists of addresses and credentials, as Twilio describes them', async () => {
  const access = await client.sip.ipAccessControlLists.create({ friendlyName: 'office' });
  const addresses = client.sip.ipAccessControlLists(access.sid).ipAddresses;
  const address = await addresses.create({ friendlyName: 'a', ipAddress: '192.0.2.0', cidrPrefixLength: 28 });
  expect(await addresses.list()).toMatchObject([{ ipAddress: '192.0.2.0', cidrPrefixLength: 28 }]);
  await client.sip.ipAccessControlLists(access.sid).ipAddresses(address.sid).remove();
  expect(await addresses.list()).toEqual([]);
  expect(await client.sip.ipAccessControlLists.list()).toMatchObject([{ friendlyName: 'office' }]);

  const list = await client.sip.credentialLists.create({ friendlyName: 'pbx' });
  const credentials = client.sip.credentialLists(list.sid).credentials;
  await expect(credentials.create({ username: 'pbx', password: 'weak' })).rejects.toMatchObject({ code: 21240 });
  const credential = await credentials.create({ username: 'pbx', password: 'IWasAtSignal2018' });
  await client.sip.credentialLists(list.sid).credentials(credential.sid).update({ password: 'IWasAtSignal2019' });
  expect(await credentials.list()).toMatchObject([{ username: 'pbx' }]);
  await client.sip.credentialLists(list.sid).credentials(credential.sid).remove();
  expect(await client.sip.credentialLists.list()).toMatchObject([{ sid: list.sid }]);
  expect(exchanges.flatMap(faultsOf)).toEqual([]);
});

it('keeps trunks with where they lead and who may use them', async () => {
  const trunk = await client.trunking.v1.trunks.create({ friendlyName: 'office', domainName: 'a.pstn.twilio.com' });
  expect(trunk).toMatchObject({ secure: false, transferMode: 'disable-all', domainName: 'a.pstn.twilio.com' });
  const own = client.trunking.v1.trunks(trunk.sid);
  expect(await own.update({ secure: true })).toMatchObject({ secure: true });
  const url = await own.originationUrls.create({
    sipUrl: 'sip:pbx.example.com;transport=tls',
    priority: 1,
    weight: 2,
    enabled: true,
    friendlyName: 'pbx',
  });
  expect(await own.originationUrls(url.sid).update({ weight: 5 })).toMatchObject({ weight: 5, priority: 1 });
  const access = await client.sip.ipAccessControlLists.create({ friendlyName: 'office' });
  const list = await client.sip.credentialLists.create({ friendlyName: 'pbx' });
  await own.ipAccessControlLists.create({ ipAccessControlListSid: access.sid });
  await own.credentialsLists.create({ credentialListSid: list.sid });
  expect(await own.ipAccessControlLists.list()).toMatchObject([{ friendlyName: 'office' }]);
  expect(await own.credentialsLists.list()).toMatchObject([{ friendlyName: 'pbx' }]);
  await own.ipAccessControlLists(access.sid).remove();
  await own.credentialsLists(list.sid).remove();
  await own.originationUrls(url.sid).remove();
  expect([
    await own.ipAccessControlLists.list(),
    await own.credentialsLists.list(),
    await own.originationUrls.list(),
  ]).toEqual([[], [], []]);
  expect(await client.trunking.v1.trunks.list()).toMatchObject([{ sid: trunk.sid, secure: true }]);
});

it('turns pages', async () => {
  for (const name of ['a', 'b', 'c']) await client.trunking.v1.trunks.create({ friendlyName: name });
  const first = await client.trunking.v1.trunks.page({ pageSize: 2 });
  const second = await first.nextPage();
  expect([...first.instances, ...(second?.instances ?? [])].map(({ friendlyName }) => friendlyName)).toEqual([
    'a',
    'b',
    'c',
  ]);
});
