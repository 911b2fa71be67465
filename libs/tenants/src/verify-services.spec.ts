import { describe, expect, it } from '@jest/globals';
import { verifyServices } from './verify-services.ts';

const sid = `VA${'0'.repeat(32)}`;

describe('verify.services', () => {
  it('has what verify-svc relies on, and leaves the rest to Twilio', () => {
    expect(verifyServices.parse({ default: { sid } })).toEqual({
      default: { sid, codeLength: 6, ttl: 'PT10M', customCode: false, events: true },
    });
  });

  it.each<[string, Record<string, object>, string, RegExp]>([
    ['neither SID nor name', { default: {} }, 'default.friendlyName', /is needed where there is no sid/],
    ['a SID of another kind', { default: { sid: sid.replace('VA', 'MG') } }, 'default.sid', /must be a SID/],
    ['a name too long', { default: { friendlyName: 'n'.repeat(31) } }, 'default.friendlyName', /1 to 30 letters/],
    ['a link for a name', { default: { friendlyName: 'shop.example' } }, 'default.friendlyName', /1 to 30 letters/],
    ['too many digits', { default: { friendlyName: 'A1 B2 345' } }, 'default.friendlyName', /more than 4 digits/],
    ['a code too short', { default: { sid, codeLength: 3 } }, 'default.codeLength', />=4/],
    ['a code too long', { default: { sid, codeLength: 11 } }, 'default.codeLength', /<=10/],
    ['a lifetime that is none', { default: { sid, ttl: '10 minutes' } }, 'default.ttl', /Invalid ISO duration/],
    ['a lifetime too long', { default: { sid, ttl: 'P2D' } }, 'default.ttl', /at most a day/],
    [
      'skipping without lookup',
      { default: { sid, skipSmsToLandlines: true } },
      'default.skipSmsToLandlines',
      /needs lookup/,
    ],
    ['one service twice', { default: { sid }, login: { sid } }, 'login.sid', /already used by default/],
    [
      'one name twice',
      { default: { friendlyName: 'Demo' }, login: { friendlyName: 'Demo' } },
      'login.friendlyName',
      /already used by default/,
    ],
  ])('is refused with %s', (_label, services, path, message) => {
    const issues = verifyServices.safeParse(services).error?.issues ?? [];
    expect(issues.map((issue) => issue.path.join('.'))).toContain(path);
    expect(issues.map((issue) => issue.message).join('\n')).toMatch(message);
  });
});
