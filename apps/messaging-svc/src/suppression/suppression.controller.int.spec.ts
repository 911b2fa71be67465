import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TRANSACT } from '@signalbox/domain-service';
import { testApi, type TestApi } from '@signalbox/testing/http';
import { DataSource } from 'typeorm';
import { tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase } from '../../test/database.ts';
import { number, optOut, person, service, suppressionEvents, suppressNow } from '../../test/suppression.ts';
import { InboundController } from '../inbound/inbound.controller.ts';
import { SuppressionController } from './suppression.controller.ts';
import type { ImportReport } from './suppression.schemas.ts';

let database: MessagingDatabase;
let api: TestApi;

beforeAll(async () => {
  database = await messagingDatabase();
  api = await testApi({
    controllers: [SuppressionController, InboundController],
    providers: [
      { provide: TRANSACT, useValue: database.transact },
      { provide: DataSource, useValue: database.dataSource },
    ],
    tokens: Object.fromEntries(
      ['admin', 'send', 'read'].map((scope) => [`${scope}-token`, { tenant, scopes: [scope] }]),
    ),
  });
});
afterAll(async () => {
  await api.stop();
  await database.close();
});
beforeEach(() => database.dataSource.query('truncate outbox, suppressions, suppression_changes, sender_pools'));

const call = <Body = Record<string, unknown>>(method: string, path: string, body?: unknown, token?: string) =>
  api.call<Body>(method, `/v1${path}`, body, token);

const at = (path: string) => `/suppressions/${encodeURIComponent(path)}`;

describe('PUT and DELETE', () => {
  it('opt out and in again, once each, with an event', async () => {
    const put = await call('PUT', '/suppressions', {
      recipient: '+1 (415) 555-0199',
      scope: 'default',
      source: 'ticket 7',
    });
    expect(put).toMatchObject({
      status: 200,
      json: {
        recipient: person,
        channel: 'sms',
        scope: service,
        state: 'opted_out',
        reason: 'api',
        source: 'ticket 7',
        sequence: 1,
      },
    });
    expect((await call('PUT', at(person), { scope: service, source: 'again' })).json).toMatchObject({
      sequence: 1,
      source: 'ticket 7',
    });
    expect((await call('PUT', at(person), {})).json).toMatchObject({ scope: '*' });
    expect((await call('GET', at(person))).json).toMatchObject({ recipient: person, suppressed: true });

    const lifted = await call<{ suppressions: { scope: string }[] }>('DELETE', `${at(person)}?scope=default`);
    expect(lifted.json.suppressions).toMatchObject([{ scope: service, state: 'opted_in', sequence: 2 }]);
    expect((await call('GET', at(person))).json).toMatchObject({ suppressed: true });
    expect((await call('DELETE', at(person))).json).toMatchObject({ suppressions: [{ scope: '*' }] });
    expect((await call('DELETE', at(person))).json).toEqual({ suppressions: [] });
    const story = await call<{ history: unknown[] }>('GET', at(person));
    expect(story.json).toMatchObject({ suppressed: false });
    expect(story.json.history).toHaveLength(4);
    expect(await suppressionEvents(database)).toHaveLength(4);
  });

  it('knows WhatsApp from SMS', async () => {
    await call('PUT', at(`whatsapp:${person}`), {});
    await call('PUT', at(person), { channel: 'rcs' });
    expect((await call('GET', '/suppressions?channel=whatsapp')).json).toMatchObject({
      suppressions: [{ recipient: `whatsapp:${person}`, channel: 'whatsapp' }],
    });
    expect((await call('GET', '/suppressions?channel=mms')).json).toMatchObject({
      suppressions: [{ recipient: person, channel: 'sms' }],
    });
  });

  it.each([
    ['PUT', '/suppressions', { recipient: 'banana' }, 422],
    ['PUT', '/suppressions', { recipient: '4155550199' }, 422],
    ['PUT', '/suppressions', { recipient: person, scope: 'defualt' }, 422],
    ['PUT', '/suppressions', {}, 400],
    ['PUT', '/suppressions', { recipient: person, channel: 'pigeon' }, 400],
    ['GET', '/suppressions?cursor=nonsense', undefined, 400],
    ['GET', '/suppressions?limit=0', undefined, 400],
    ['GET', '/suppressions?recipient=banana', undefined, 422],
    ['GET', '/suppressions/drift?since=yesterday', undefined, 400],
    ['DELETE', '/suppressions/banana', undefined, 422],
    ['POST', '/suppressions/import', { recipient: person }, 415],
    ['GET', '/inbound?cursor=nonsense', undefined, 400],
  ])('%s %s %j is answered %d with a problem', async (method, path, body, status) => {
    const answer = await call(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await suppressionEvents(database)).toEqual([]);
  });

  it.each([
    ['GET', '/suppressions', 'send-token', 403],
    ['GET', '/suppressions', 'nobody', 401],
    ['GET', '/suppressions/drift', 'read-token', 200],
    ['GET', '/suppressions/export', 'read-token', 200],
    ['GET', at(person), 'read-token', 200],
    ['GET', '/inbound', 'read-token', 200],
    ['PUT', at(person), 'read-token', 403],
    ['PUT', '/suppressions', 'send-token', 403],
    ['DELETE', at(person), 'send-token', 403],
    ['POST', '/suppressions/import', 'read-token', 403],
  ])('%s %s with %s is answered %d', async (method, path, token, status) => {
    expect((await call(method, path, method === 'PUT' ? { recipient: person } : undefined, token)).status).toBe(status);
  });
});

describe('the list', () => {
  it('is read page by page without gap or repeat, other tenants left out', async () => {
    const people = Array.from({ length: 25 }, (_, index) => `+1415555${1000 + index}`);
    await suppressNow(
      database,
      ...people.flatMap((recipient) => [optOut({ recipient }), optOut({ recipient, scope: '*' })]),
      optOut({ tenant: 'other' }),
      optOut({ recipient: '+14155559999', state: 'opted_in' }),
    );
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = await call<{ suppressions: { recipient: string; scope: string }[]; nextCursor: string | null }>(
        'GET',
        `/suppressions?limit=7${query}`,
      );
      seen.push(...page.json.suppressions.map(({ recipient, scope }) => `${recipient} ${scope}`));
      cursor = page.json.nextCursor;
    }
    expect(seen).toEqual(people.flatMap((recipient) => [`${recipient} *`, `${recipient} ${service}`]));
    expect((await call('GET', `/suppressions?recipient=${person}`)).json).toEqual({
      suppressions: [],
      nextCursor: null,
    });
    expect((await call('GET', '/suppressions?recipient=+14155551000&scope=*')).json).toMatchObject({
      suppressions: [{ recipient: '+14155551000', scope: '*' }],
    });
  });

  it('is described in OpenAPI', async () => {
    const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    expect(Object.keys(document.paths).sort()).toEqual([
      '/v1/inbound',
      '/v1/suppressions',
      '/v1/suppressions/drift',
      '/v1/suppressions/export',
      '/v1/suppressions/import',
      '/v1/suppressions/{recipient}',
    ]);
    const operations = Object.values(document.paths).flatMap(
      (path) => Object.values(path) as { operationId: string }[],
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  });
});

describe('CSV', () => {
  const importCsv = async (csv: string | Readable) => {
    const answer = await call<ImportReport>('POST', '/suppressions/import', csv);
    return { status: answer.status, report: answer.json };
  };

  it('is imported line by line, each fault reported where it stands', async () => {
    const { status, report } = await importCsv(
      [
        '\ufeffRecipient, Channel ,scope,note',
        `${person},sms,default,fine`,
        `"+1 (415) 555-0198",,,"two\nlines"`,
        `'+14155550197,mms,${number},apostrophe of a spreadsheet`,
        `whatsapp:${person},,,`,
        '',
        'banana,,,',
        `${person},pigeon,,`,
        `${person},sms,defualt,`,
        '4155550199,,,',
        `${person},sms,default,again`,
        `+14155550196`,
        `+14155550195,sms,*,too,many,cells`,
        `"+14155550194,,,never closed`,
      ].join('\r\n'),
    );
    expect(status).toBe(200);
    expect(report).toMatchObject({ lines: 12, added: 6, unchanged: 1, faulty: 5 });
    expect(report.faults).toMatchObject([
      { line: 8, detail: expect.stringContaining('recipient') },
      { line: 9, detail: expect.stringContaining('channel') },
      { line: 10, detail: expect.stringContaining('scope') },
      { line: 11, detail: expect.stringContaining('recipient') },
      { line: 15 },
    ]);
    expect(JSON.stringify(report)).not.toContain('4155550');
    const events = await suppressionEvents(database);
    expect(events.map(({ recipient, scope, reason }) => [recipient, scope, reason])).toEqual([
      [person, service, 'import'],
      ['+14155550198', '*', 'import'],
      ['+14155550197', number, 'import'],
      [`whatsapp:${person}`, '*', 'import'],
      ['+14155550196', '*', 'import'],
      ['+14155550195', '*', 'import'],
    ]);
  });

  it('is refused as a whole without its header', async () => {
    expect((await importCsv(`${person}\n+14155550198\n`)).status).toBe(422);
    expect((await importCsv('')).status).toBe(200);
    expect(await suppressionEvents(database)).toEqual([]);
  });

  it('never opts anybody in', async () => {
    await suppressNow(database, optOut());
    const { report } = await importCsv(`recipient,scope,state\n${person},default,opted_in\n`);
    expect(report).toMatchObject({ lines: 1, added: 0, faulty: 1 });
    expect((await call('GET', at(person))).json).toMatchObject({ suppressed: true });
  });

  it('survives a quote that is never closed in front of a long file', async () => {
    const rest = Array.from({ length: 5_000 }, (_, index) => `+1415${String(5_550_000 + index)}`).join('\n');
    const { status, report } = await importCsv(`recipient\n"${rest}\n`);
    expect(status).toBe(200);
    expect(report.faulty).toBeGreaterThan(0);
  });

  it('streams: more than any body limit, in chunks, and again without effect', async () => {
    const rows = 12_000;
    const file = () =>
      Readable.from(
        (function* () {
          yield 'recipient,scope,source\n';
          for (let index = 0; index < rows; index++) yield `+1415${5_550_000 + index},default,${'x'.repeat(40)}\n`;
        })(),
      );
    expect((await importCsv(file())).report).toMatchObject({ lines: rows, added: rows, unchanged: 0, faulty: 0 });
    expect((await importCsv(file())).report).toMatchObject({ lines: rows, added: 0, unchanged: rows });
    const exported = await call('GET', '/suppressions/export');
    expect(exported.text.trimEnd().split('\r\n')).toHaveLength(rows + 1);
  });

  it('that was exported can be imported, and does nothing in a spreadsheet', async () => {
    await suppressNow(
      database,
      optOut({ source: '=HYPERLINK("http://evil.example","a")' }),
      optOut({ recipient: '+14155550198', scope: number, source: '@SUM(1)' }),
      optOut({ recipient: 'whatsapp:US.1234', channel: 'whatsapp', scope: '*', source: 'a,b\n"c"' }),
      optOut({ recipient: '+14155550197' }),
      optOut({ recipient: '+14155550197', state: 'opted_in' }),
    );
    const exported = await call('GET', '/suppressions/export', undefined, 'read-token');
    expect(exported.headers.get('content-type')).toContain('text/csv');
    expect(exported.headers.get('content-disposition')).toContain('attachment');
    expect(exported.text).toContain(`"'=HYPERLINK(""http://evil.example"",""a"")"`);
    expect(exported.text).toContain(`'@SUM(1)`);
    expect(exported.text).not.toContain('+14155550197');
    expect(exported.text.split('\r\n')[1]).toMatch(/^\+14155550198,sms,\+14155550100,opted_out,api,/);

    await database.dataSource.query('truncate suppressions, suppression_changes, outbox');
    expect((await importCsv(exported.text)).report).toMatchObject({ lines: 3, added: 3, faulty: 0 });
    const events = await suppressionEvents(database);
    expect(events.map(({ recipient }) => recipient).sort()).toEqual(['+14155550198', person, 'whatsapp:US.1234']);
    expect(events.find(({ recipient }) => recipient === person)?.source).toBe('=HYPERLINK("http://evil.example","a")');
  });
});
