import { describe as suite, expect, it } from '@jest/globals';
import type { SipTrunk } from '@signalbox/tenants';
import { isStrong, lintTrunks } from './lint.rules.ts';
import { type Action, describe, planTrunks, type Present } from './plan.rules.ts';

const trunk = (changes: Partial<SipTrunk> = {}): SipTrunk => ({
  domainName: 'office.pstn.twilio.com',
  secure: true,
  transferMode: 'disable-all',
  originationUrls: [{ url: 'sip:pbx.example.com;transport=tls', priority: 10, weight: 10, enabled: true }],
  ipAccessLists: { office: ['192.0.2.0/28', '198.51.100.7'] },
  credentialLists: { pbx: { pbx: 'env:PBX_PASSWORD' } },
  ...changes,
});
const nothing: Present = { trunks: [], accessLists: [], credentialLists: [] };
/** As Twilio has it after an apply. */
const present: Present = {
  trunks: [
    {
      sid: 'TK1',
      friendlyName: 'office',
      domainName: 'office.pstn.twilio.com',
      secure: true,
      transferMode: 'disable-all',
      originationUrls: [
        { sid: 'OU1', sipUrl: 'sip:pbx.example.com;transport=tls', priority: 10, weight: 10, enabled: true },
      ],
      accessLists: ['AL1'],
      credentialLists: ['CL1'],
    },
  ],
  accessLists: [
    {
      sid: 'AL1',
      friendlyName: 'office',
      blocks: [
        { sid: 'IP1', block: '192.0.2.0/28' },
        { sid: 'IP2', block: '198.51.100.7/32' },
      ],
    },
  ],
  credentialLists: [{ sid: 'CL1', friendlyName: 'pbx', users: [{ sid: 'CR1', username: 'pbx' }] }],
};
const planned = (changes: Partial<SipTrunk>, at = present, options = {}) =>
  planTrunks({ office: trunk(changes) }, at, options).actions.map(describe);

suite('the plan', () => {
  it('of a new trunk makes its lists, then the trunk, then attaches and leads', () => {
    expect(planned({}, nothing)).toEqual([
      'create IP access list office',
      'let 192.0.2.0/28 in by office',
      'let 198.51.100.7/32 in by office',
      'create credential list pbx',
      'add user pbx to pbx',
      'create trunk office',
      'attach office to trunk office',
      'attach pbx to trunk office',
      'lead trunk office to sip:pbx.example.com;transport=tls',
    ]);
  });

  it('of what is there is empty', () => {
    expect(planTrunks({ office: trunk() }, present)).toEqual({ actions: [], unmanaged: [], faults: [] });
  });

  it.each<[string, Partial<SipTrunk>, string[]]>([
    [
      'another address',
      { ipAccessLists: { office: ['192.0.2.0/28', '198.51.100.8'] } },
      ['let 198.51.100.7/32 in no more by office', 'let 198.51.100.8/32 in by office'],
    ],
    [
      'another user',
      { credentialLists: { pbx: { other: 'env:X' } } },
      ['remove user pbx from pbx', 'add user other to pbx'],
    ],
    [
      'another list',
      { ipAccessLists: { branch: ['192.0.2.1'] } },
      [
        'create IP access list branch',
        'let 192.0.2.1/32 in by branch',
        'detach AL1 from trunk office',
        'attach branch to trunk office',
      ],
    ],
    ['another setting', { transferMode: 'sip-only' }, ['set transferMode to sip-only of trunk office']],
    ['no domain, which cannot be taken back', { domainName: undefined }, []],
    [
      'another weight',
      {
        originationUrls: [{ url: 'sip:pbx.example.com;transport=tls', priority: 10, weight: 20, enabled: true }],
      },
      ['change priority, weight or use of sip:pbx.example.com;transport=tls of trunk office'],
    ],
    ['no URL', { originationUrls: [] }, ['lead trunk office to sip:pbx.example.com;transport=tls no more']],
  ])('of %s changes that alone', (_label, changes, expected) => {
    expect(planned(changes)).toEqual(expected);
  });

  it('sets passwords only when asked to, and never tells them', () => {
    expect(planned({}, present, { setPasswords: true })).toEqual(['set the password of pbx in pbx']);
    const { actions } = planTrunks({ office: trunk() }, nothing);
    expect(actions.map((action: Action) => describe(action)).join()).not.toContain('PBX_PASSWORD');
  });

  it('leaves alone what the file does not speak of, and tells it', () => {
    expect(planTrunks({}, present)).toEqual({ actions: [], unmanaged: ['office'], faults: [] });
  });

  it('is not made where a name could mean two things', () => {
    const twice = { ...present, trunks: [...present.trunks, ...present.trunks] };
    expect(planTrunks({ office: trunk() }, twice).faults).toEqual(['office: Twilio has 2 trunks called office']);
    const other = trunk({ friendlyName: 'other', ipAccessLists: { office: ['192.0.2.9'] } });
    expect(planTrunks({ office: trunk(), other }, present).faults).toEqual([
      "other: office is another trunk's list with other members",
    ]);
  });
});

suite('the lint', () => {
  const rules = (changes: Partial<SipTrunk>) =>
    lintTrunks({ office: trunk(changes) }).map(({ level, rule }) => `${level} ${rule}`);

  it.each<[string, Partial<SipTrunk>, string[]]>([
    ['a safe trunk', {}, []],
    ['an open list', { ipAccessLists: { all: ['0.0.0.0/0'] } }, ['error open-access']],
    [
      'half of all addresses',
      { ipAccessLists: { all: ['0.0.0.0/1', '128.0.0.0/1'] } },
      ['error open-access', 'error open-access'],
    ],
    ['many addresses', { ipAccessLists: { all: ['192.0.2.0/20'] } }, ['warning wide-access']],
    ['private addresses', { ipAccessLists: { all: ['192.168.1.1'] } }, ['warning private-address']],
    ['no encryption', { secure: false }, ['error insecure-trunk']],
    [
      'plain signalling',
      { originationUrls: [{ url: 'sip:pbx.example.com', priority: 1, weight: 1, enabled: true }] },
      ['error plain-signalling'],
    ],
    ['sips', { originationUrls: [{ url: 'sips:pbx.example.com', priority: 1, weight: 1, enabled: true }] }, []],
    [
      'a password in a URL',
      {
        originationUrls: [{ url: 'sips:pbx:secret@pbx.example.com', priority: 1, weight: 1, enabled: true }],
      },
      ['error secret-in-url'],
    ],
    ['nobody kept out', { ipAccessLists: {}, credentialLists: {} }, ['error open-termination']],
    ['transfers to anywhere', { transferMode: 'enable-all' }, ['warning transfer-to-anywhere']],
  ])('of %s', (_label, changes, expected) => {
    expect(rules(changes)).toEqual(expected);
  });

  it.each([
    ['IWasAtSignal2018', true],
    ['short1A', false],
    ['nodigitsAtAllHere', false],
    ['alllowercase123456', false],
  ])('knows a strong password: %s', (password, strong) => {
    expect(isStrong(password)).toBe(strong);
  });
});
