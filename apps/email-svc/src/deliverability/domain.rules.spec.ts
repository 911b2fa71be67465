import { describe, expect, it } from '@jest/globals';
import { tenant } from '../../test/builders.ts';
import {
  type DmarcAnswer,
  domainsOfTenant,
  readDmarc,
  type RecordCheck,
  reportOf,
  type SendgridCheck,
  upwards,
} from './domain.rules.ts';

const domain = 'news.shop.example';
const answer = (records: readonly string[], at = domain, error: string | null = null): DmarcAnswer => ({
  at,
  records,
  error,
});
const record = (name: string, valid = true): RecordCheck => ({ name, valid, reason: valid ? null : 'not found' });
const found = (records: readonly RecordCheck[]): SendgridCheck => ({
  verdict: records.every(({ valid }) => valid) ? 'valid' : 'invalid',
  domain,
  records,
  why: null,
});
const valid = found([record('mail_cname'), record('dkim1'), record('dkim2')]);
const dmarc = readDmarc(domain, [answer(['v=DMARC1; p=none'])]);
const codes = (sendgrid: SendgridCheck, what = dmarc, of = domain) =>
  reportOf(of, sendgrid, what).faults.map(({ code }) => code);

describe('readDmarc', () => {
  it.each([
    ['a record', ['v=DMARC1; p=reject; rua=mailto:d@shop.example'], 'valid', 'reject'],
    ['one among others', ['google-site-verification=abc', 'v=DMARC1;p=quarantine'], 'valid', 'quarantine'],
    ['blanks and capitals', ['v = DMARC1 ; P = NONE'], 'valid', 'none'],
    ['no policy', ['v=DMARC1; rua=mailto:d@shop.example'], 'invalid', null],
    ['a policy that there is not', ['v=DMARC1; p=maybe'], 'invalid', null],
    ['two records', ['v=DMARC1; p=none', 'v=DMARC1; p=reject'], 'invalid', null],
    ['something else', ['v=spf1 -all'], 'missing', null],
    ['another version', ['v=DMARC10; p=none'], 'missing', null],
    ['nothing', [], 'missing', null],
  ] as const)('%s: %s', (_label, records, verdict, policy) => {
    expect(readDmarc(domain, [answer([...records])])).toMatchObject({ verdict, policy });
  });

  it('takes what stands above the domain, with the policy that is for subdomains', () => {
    const above = answer(['v=DMARC1; p=reject; sp=none'], 'shop.example');
    expect(readDmarc(domain, [answer([]), above])).toMatchObject({ at: 'shop.example', policy: 'none' });
    expect(readDmarc('shop.example', [above])).toMatchObject({ at: 'shop.example', policy: 'reject' });
  });

  it('does not take a look-up that failed for a missing record', () => {
    expect(readDmarc(domain, [answer([], domain, 'ETIMEOUT')])).toMatchObject({ verdict: 'unknown', why: 'ETIMEOUT' });
  });
});

describe('a report', () => {
  it.each([
    ['all is well', [], valid],
    ['no DKIM key', ['dkim_invalid'], found([record('mail_cname'), record('dkim1', false), record('dkim2')])],
    ['no return path', ['spf_invalid'], found([record('mail_cname', false), record('dkim1'), record('dkim2')])],
    ['set by hand', ['spf_invalid'], found([record('subdomain_spf', false), record('dkim'), record('mail_server')])],
    [
      'some other record',
      ['not_validated'],
      found([record('mail_server', false), record('dkim'), record('subdomain_spf')]),
    ],
    ['not at SendGrid', ['not_authenticated'], { ...found([]), verdict: 'missing', domain: null }],
    ['SendGrid away', ['sendgrid_unknown'], { ...found([]), verdict: 'unknown', domain: null, why: 'HTTP 403' }],
  ] as const)('%s: %j', (_label, expected, sendgrid) => {
    expect(codes(sendgrid)).toEqual(expected);
  });

  it.each([
    ['dmarc_missing', []],
    ['dmarc_invalid', [answer(['v=DMARC1'])]],
    ['dmarc_unknown', [answer([], domain, 'ESERVFAIL')]],
  ] as const)('tells of %s', (code, answers) => {
    expect(codes(valid, readDmarc(domain, answers))).toEqual([code]);
  });

  it('says why something could not be found out', () => {
    const report = reportOf(domain, { ...valid, verdict: 'unknown', why: 'HTTP 403' }, dmarc);
    expect(report).toMatchObject({ spf: 'unknown', dkim: 'unknown' });
    expect(report.faults[0]?.title).toMatch(/HTTP 403$/);
  });

  it('does not let anybody send from the domain of a mailbox provider', () => {
    expect(codes(valid, dmarc, 'gmail.com')).toEqual(['free_mail']);
  });
});

it('goes upwards to two labels', () => {
  expect(upwards('a.b.shop.example')).toEqual(['a.b.shop.example', 'b.shop.example', 'shop.example']);
  expect(upwards('localhost')).toEqual(['localhost']);
});

it('knows the domains that a tenant file sends from', () => {
  const sendgrid = {
    from: 'Shop <no-reply@Shop.example>',
    quotas: { senders: { 'news.shop.example': { rate: 1 }, 'a@shop.example': { rate: 2 } } },
  };
  expect(domainsOfTenant({ ...tenant, sendgrid })).toEqual(['shop.example', 'news.shop.example']);
  expect(domainsOfTenant({})).toEqual([]);
});
