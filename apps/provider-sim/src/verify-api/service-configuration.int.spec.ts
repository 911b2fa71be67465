import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Tenant, VerifyService } from '@signalbox/tenants';
import {
  applyVerifyServices,
  hasDrift,
  planVerifyServices,
  verifyServiceSid,
  VerifyServiceUnknown,
} from '@signalbox/twilio';
import type { Twilio } from 'twilio';
import { type RunningSimulator, runSimulator, verifyService } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;
let client: Twilio;
beforeAll(async () => {
  simulator = await runSimulator();
  client = simulator.client();
});
afterAll(() => simulator.stop());
beforeEach(() => simulator.reset());

const wanted = (changes: Partial<VerifyService> = {}): VerifyService => ({
  friendlyName: 'Shop',
  codeLength: 6,
  ttl: 'PT10M',
  customCode: false,
  events: true,
  ...changes,
});
const tenantWith = (services: Record<string, VerifyService>): Tenant => ({
  name: 'demo',
  twilio: {
    accountSid: `AC${'0'.repeat(31)}1`,
    apiKey: { sid: `SK${'0'.repeat(31)}1`, secret: 'secret-of-the-key' },
    authTokens: ['token'],
  },
  senders: [],
  messagingServices: {},
  apiTokens: [],
  verify: { services, defaultService: Object.keys(services)[0] },
});
const apply = async (tenant: Tenant, options: { deleteUnmanaged?: boolean } = {}) =>
  applyVerifyServices(await planVerifyServices(tenant, client), client, options);

describe('services as the tenant file has them', () => {
  it('are created and updated once: a second apply has nothing to do', async () => {
    const tenant = tenantWith({
      default: wanted({ sid: verifyService, friendlyName: 'Demo', customCode: true, doNotShareWarning: true }),
      shop: wanted({
        codeLength: 8,
        lookup: true,
        skipSmsToLandlines: true,
        pressKeyForCall: false,
        template: 'Code only',
      }),
    });
    const before = await planVerifyServices(tenant, client);
    expect(before.services.map(({ action }) => action)).toEqual(['update', 'create']);
    const applied = await apply(tenant);
    expect(applied).toMatchObject([
      { action: 'updated', name: 'default', sid: verifyService },
      { action: 'created', name: 'shop' },
    ]);
    const shop = await client.verify.v2.services(applied[1]?.sid ?? '').fetch();
    expect(shop).toMatchObject({
      friendlyName: 'Shop',
      codeLength: 8,
      lookupEnabled: true,
      skipSmsToLandlines: true,
      dtmfInputRequired: false,
      defaultTemplateSid: 'HJ00000000000000000000000000000001',
      verifyEventSubscriptionEnabled: true,
    });
    const after = await planVerifyServices(tenant, client);
    expect(after.services.map(({ action }) => action)).toEqual(['unchanged', 'unchanged']);
    expect(hasDrift(after)).toBe(false);
    expect(await apply(tenant)).toEqual([]);
  });

  it('show what somebody has changed by hand', async () => {
    const tenant = tenantWith({ default: wanted({ sid: verifyService, friendlyName: 'Demo' }) });
    await apply(tenant);
    await client.verify.v2.services(verifyService).update({ codeLength: 4 });
    const plan = await planVerifyServices(tenant, client);
    expect(plan.services).toMatchObject([{ differences: [{ field: 'codeLength', from: 4, to: 6 }] }]);
    expect(hasDrift(plan)).toBe(true);
  });

  it('leave others alone, unless they are to be deleted', async () => {
    const tenant = tenantWith({ shop: wanted() });
    expect(await apply(tenant)).toMatchObject([{ action: 'created', name: 'shop' }]);
    const names = async () => (await client.verify.v2.services.list()).map(({ friendlyName }) => friendlyName);
    expect(await names()).toEqual(['Shop', 'Demo']);
    expect(await apply(tenant, { deleteUnmanaged: true })).toEqual([
      { action: 'deleted', name: null, sid: verifyService },
    ]);
    expect(await names()).toEqual(['Shop']);
  });

  it('are not touched while one has a fault', async () => {
    const tenant = tenantWith({ shop: wanted(), other: wanted({ friendlyName: 'Other', template: 'Fancy' }) });
    await expect(apply(tenant)).rejects.toThrow('other: there is no template Fancy');
    expect(await client.verify.v2.services.list()).toHaveLength(1);
  });
});

describe('the SID of a service', () => {
  it('is that of the file, else of the only service of its name, looked up once', async () => {
    const tenant = tenantWith({ shop: wanted(), demo: wanted({ sid: verifyService, friendlyName: 'Demo' }) });
    expect(await verifyServiceSid(tenant, 'demo', client)).toBe(verifyService);
    await expect(verifyServiceSid(tenant, null, client)).rejects.toThrow(VerifyServiceUnknown);
    const [created] = await apply(tenant);
    expect(await verifyServiceSid(tenant, null, client)).toBe(created?.sid);
    await simulator.faults({ rates: { '500': 1 } });
    expect(await verifyServiceSid(tenant, 'shop', client)).toBe(created?.sid);
    await expect(verifyServiceSid(tenant, 'nobody', client)).rejects.toThrow('verify.services of demo has no nobody');
  });

  it('is not guessed where two have the name', async () => {
    await client.verify.v2.services.create({ friendlyName: 'Shop' });
    await client.verify.v2.services.create({ friendlyName: 'Shop' });
    await expect(verifyServiceSid(tenantWith({ shop: wanted() }), null, client)).rejects.toThrow('give its sid');
  });
});
