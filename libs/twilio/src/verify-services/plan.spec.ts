import { describe, expect, it } from '@jest/globals';
import type { VerifyService } from '@signalbox/tenants';
import { describePlan, hasDrift, planServices, type ServiceAtTwilio } from './plan.rules.ts';

const sid = (last: number) => `VA${String(last).padStart(32, '0')}`;
const templates = [{ sid: `HJ${'1'.padStart(32, '0')}`, friendlyName: 'Code only' }];
const wanted = (changes: Partial<VerifyService> = {}): VerifyService => ({
  friendlyName: 'Demo',
  codeLength: 6,
  ttl: 'PT10M',
  customCode: false,
  events: true,
  ...changes,
});
const present = (changes: Partial<ServiceAtTwilio> = {}): ServiceAtTwilio => ({
  sid: sid(1),
  friendlyName: 'Demo',
  codeLength: 6,
  customCode: false,
  template: null,
  doNotShareWarning: false,
  lookup: false,
  skipSmsToLandlines: false,
  pressKeyForCall: true,
  events: true,
  ...changes,
});
const plan = (file: Record<string, VerifyService>, twilio: ServiceAtTwilio[]) => planServices(file, twilio, templates);

describe('a service of the tenant file', () => {
  it.each<[string, VerifyService, ServiceAtTwilio[], object]>([
    ['is unchanged when all is as written', wanted(), [present()], { action: 'unchanged', sid: sid(1) }],
    [
      'is found by its SID, whatever it is called',
      wanted({ sid: sid(1) }),
      [present({ friendlyName: 'Old' })],
      {
        action: 'update',
        differences: [{ field: 'friendlyName', from: 'Old', to: 'Demo' }],
      },
    ],
    [
      'keeps what the file does not speak of',
      wanted(),
      [present({ lookup: true, doNotShareWarning: true })],
      {
        action: 'unchanged',
      },
    ],
    [
      'is updated in what differs',
      wanted({ codeLength: 8, doNotShareWarning: true }),
      [present()],
      {
        action: 'update',
        differences: [
          { field: 'codeLength', from: 6, to: 8 },
          { field: 'doNotShareWarning', from: false, to: true },
        ],
      },
    ],
    [
      'names its template by name',
      wanted({ template: 'Code only' }),
      [present()],
      {
        differences: [{ field: 'template', from: null, to: templates[0]?.sid }],
      },
    ],
    [
      'names its template by SID',
      wanted({ template: templates[0]?.sid }),
      [present({ template: templates[0]?.sid ?? '' })],
      {
        action: 'unchanged',
      },
    ],
    [
      'is created where there is none',
      wanted(),
      [],
      {
        action: 'create',
        sid: null,
        differences: [
          { field: 'friendlyName', from: undefined, to: 'Demo' },
          { field: 'codeLength', from: undefined, to: 6 },
          { field: 'customCode', from: undefined, to: false },
          { field: 'events', from: undefined, to: true },
        ],
      },
    ],
  ])('%s', (_label, file, twilio, expected) => {
    expect(plan({ default: file }, twilio)).toMatchObject({ services: [{ name: 'default', ...expected }], faults: [] });
  });

  it.each<[string, Record<string, VerifyService>, ServiceAtTwilio[], string]>([
    [
      'a SID the account has not',
      { default: wanted({ sid: sid(9) }) },
      [present()],
      `default: the account has no service ${sid(9)}`,
    ],
    [
      'a name two services have',
      { default: wanted() },
      [present(), present({ sid: sid(2) })],
      'default: 2 services are called Demo: give its sid',
    ],
    [
      'an unknown template',
      { default: wanted({ template: 'Fancy' }) },
      [present()],
      'default: there is no template Fancy',
    ],
    [
      'a service that is another entry already',
      { default: wanted({ sid: sid(1), friendlyName: undefined }), login: wanted() },
      [present()],
      `login: ${sid(1)} is another entry's service already`,
    ],
  ])('has a fault with %s', (_label, file, twilio, fault) => {
    const result = plan(file, twilio);
    expect(result.faults).toEqual([fault]);
    expect(hasDrift(result)).toBe(true);
  });
});

it('lists what the file does not speak of, which is no drift', () => {
  const result = plan({ default: wanted() }, [present(), present({ sid: sid(2), friendlyName: 'Old' })]);
  expect(result.services.map(({ action }) => action)).toEqual(['unchanged', 'unmanaged']);
  expect(hasDrift(result)).toBe(false);
});

it('is readable', () => {
  const file = {
    default: wanted({ codeLength: 8 }),
    login: wanted({ friendlyName: 'Login' }),
    shop: wanted({ sid: sid(9) }),
  };
  expect(describePlan('demo', plan(file, [present(), present({ sid: sid(2), friendlyName: 'Old' })]))).toBe(
    [
      'verify services of demo:',
      `~ update    default "Demo" ${sid(1)}`,
      '    codeLength: 6 -> 8',
      '+ create    login "Login"',
      '    friendlyName: "Login"',
      '    codeLength: 6',
      '    customCode: false',
      '    events: true',
      `? unmanaged - "Old" ${sid(2)}`,
      `! shop: the account has no service ${sid(9)}`,
    ].join('\n'),
  );
});
