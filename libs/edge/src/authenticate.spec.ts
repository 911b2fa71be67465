import { describe, expect, it } from '@jest/globals';
import type { Tenant } from '@signalbox/tenants';
import { sign } from '@signalbox/twilio';
import { authenticate } from './authenticate.ts';

const url = 'https://hooks.example.com/twilio/studio/events';

/** Tenants that tell how many of them have been tried. */
function accounts(count: number) {
  const tried = new Set<number>();
  const all = Array.from({ length: count }, (_, i) => {
    const accountSid = `AC${String(i).padStart(32, '0')}`;
    return {
      name: `t${i}`,
      twilio: {
        accountSid,
        get authTokens() {
          tried.add(i);
          return [`next-${i}`, `token-${i}`];
        },
      },
    } as unknown as Tenant;
  });
  return { all, tried, byAccountSid: (sid: string) => all[Number(sid.slice(2))] };
}

const params = (fields: number, bytes: number) =>
  Object.fromEntries(Array.from({ length: fields }, (_, i) => [`p${i}`, 'x'.repeat(bytes)]));

function check(tenants: ReturnType<typeof accounts>, form: Record<string, string>, authToken: string, query = '') {
  const callback = { route: '/twilio/studio/events', freeForm: true };
  const signature = sign({ url: url + query, params: form, authToken });
  const checked = authenticate(
    { callback, urls: [url + query], body: new URLSearchParams(form).toString(), signature },
    tenants,
  );
  return checked.ok ? checked.signer.name : checked.cause;
}

describe('a form that need not name its account', () => {
  it('is tried with every tenant while it is small', () => {
    const tenants = accounts(300);
    expect(check(tenants, params(10, 50), 'token-299')).toBe('t299');
    expect(check(tenants, params(10, 50), 'guess')).toBe('forged');
    expect(tenants.tried.size).toBe(300);
  });

  it('is tried with a few when it is large, whoever sends it', () => {
    const tenants = accounts(300);
    expect(check(tenants, params(900, 250), 'guess')).toBe('forged');
    expect(tenants.tried.size).toBeLessThan(12);
    expect(check(tenants, params(900, 250), 'token-0')).toBe('t0');
  });

  it.each([
    ['itself', { AccountSid: `AC${'250'.padStart(32, '0')}` }, ''],
    ['its URL', {}, `?accountSid=AC${'250'.padStart(32, '0')}`],
  ])('is tried with the one that is named by %s, however large', (_label, more, query) => {
    const tenants = accounts(300);
    expect(check(tenants, { ...params(900, 250), ...more }, 'token-250', query)).toBe('t250');
    expect([...tenants.tried]).toEqual([250]);
  });
});
