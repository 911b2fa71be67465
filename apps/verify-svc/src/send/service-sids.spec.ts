import { describe, expect, it } from '@jest/globals';
import type { Tenant } from '@signalbox/tenants';
import { ServiceNotLookedUp, ServiceSids } from './service-sids.ts';

const sid = `VA${'1'.repeat(32)}`;
const tenant = (name: string, services: object = { login: { friendlyName: 'Login' } }) =>
  ({ name, verify: { defaultService: 'login', services } }) as unknown as Tenant;
const sms = { channel: 'sms' as const };

/** Twilio as the look-ups meet it: answers each when the spec says so. */
function sids(tenants: Tenant[]) {
  const asked: PromiseWithResolvers<string | null>[] = [];
  const provider = {
    serviceSid() {
      const answer = Promise.withResolvers<string | null>();
      asked.push(answer);
      return answer.promise;
    },
  };
  return { services: new ServiceSids(provider, { all: tenants }), asked };
}

describe('the SID of a service', () => {
  it('is looked up before it is needed, once', async () => {
    const demo = tenant('demo');
    const { services, asked } = sids([demo]);
    const ready = services.lookUp();
    expect(() => services.of(demo, sms)).toThrow(ServiceNotLookedUp);
    asked[0]?.resolve(sid);
    await ready;
    expect(services.of(demo, sms)).toBe(sid);
    expect(services.of(demo, { ...sms, service: 'login' })).toBe(sid);
    await services.lookUp();
    expect(asked).toHaveLength(1);
  });

  it('is waited for by whoever needs it while it is looked up for the first time', async () => {
    const { services, asked } = sids([tenant('demo')]);
    void services.lookUp();
    const order: string[] = [];
    const second = services.lookUp().then(() => order.push('looked up'));
    await new Promise(setImmediate);
    order.push('answered');
    asked[0]?.resolve(sid);
    await second;
    expect(order).toEqual(['answered', 'looked up']);
    expect(asked).toHaveLength(1);
  });

  it('is looked up anew for a tenant that has changed', async () => {
    const tenants = [tenant('demo')];
    const { services, asked } = sids(tenants);
    const first = services.lookUp();
    asked[0]?.resolve(sid);
    await first;
    const [changed] = (tenants[0] = tenant('demo')) && tenants;
    void services.lookUp();
    expect(asked).toHaveLength(2);
    expect(() => services.of(changed ?? tenant('demo'), sms)).toThrow(ServiceNotLookedUp);
  });

  it('that cannot be looked up is a reason to try again, and keeps the commands of nobody else', async () => {
    const [demo, other] = [tenant('demo'), tenant('other')];
    const { services, asked } = sids([demo, other]);
    const ready = services.lookUp();
    const away = new Error('Twilio is away');
    asked[0]?.reject(away);
    asked[1]?.resolve(sid);
    await ready;
    expect(services.of(other, sms)).toBe(sid);
    expect(() => services.of(demo, sms)).toThrow(expect.objectContaining({ name: 'ServiceNotLookedUp', cause: away }));
    // Not asked again at once, and not waited for.
    await services.lookUp();
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['the file names it', { login: { sid } }, sms, sid],
    ['nobody knows the service', { other: {} }, sms, null],
    ['the channel needs none', { login: {} }, { channel: 'totp' as const }, null],
  ])('is not looked up where %s', (_label, entries, command, expected) => {
    const demo = tenant('demo', entries);
    expect(sids([demo]).services.of(demo, command)).toBe(expected);
  });
});
