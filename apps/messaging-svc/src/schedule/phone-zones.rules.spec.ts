import { describe, expect, it } from '@jest/globals';
import { phoneZones } from './phone-zones.data.ts';
import { zonesOfNumber } from './phone-zones.rules.ts';

describe('zonesOfNumber', () => {
  it.each([
    ['San Francisco', '+14155550199', ['America/Los_Angeles']],
    ['New York', '+12125550199', ['America/New_York']],
    ['Florida’s panhandle, in either zone', '+18505550199', ['America/Chicago', 'America/New_York']],
    ['the Navajo Nation or the rest of Arizona', '+19285550199', ['America/Denver', 'America/Phoenix']],
    ['an overlay of a split area', '+19305550199', ['America/Chicago', 'America/New_York']],
    ['Hawaii', '+18085550199', ['Pacific/Honolulu']],
    ['Berlin on WhatsApp', 'whatsapp:+4915123456789', ['Europe/Berlin']],
    ['a satellite phone', '+881612345678', ['Etc/UTC']],
  ])('%s', (_label, number, zones) => {
    expect(zonesOfNumber(number)).toEqual(zones);
  });

  it.each(['+18005550199', '+15005550006', '+18885550199'])('takes all of North America for %s', (number) => {
    const zones = zonesOfNumber(number);
    expect(zones).toEqual(expect.arrayContaining(['America/New_York', 'Pacific/Honolulu', 'America/St_Johns']));
  });

  it('has only zones that this runtime knows', () => {
    const zones = new Set(phoneZones.flatMap(([names]) => names.split('&')));
    expect(zones.size).toBeGreaterThan(250);
    for (const timeZone of zones) expect(() => new Intl.DateTimeFormat('en', { timeZone })).not.toThrow();
  });
});
