import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request of mail/send, as the SDK makes it. */
export interface SentMail {
  readonly from: { email: string; name?: string };
  readonly reply_to?: { email: string };
  readonly subject?: string;
  readonly content?: { type: string; value: string }[];
  readonly template_id?: string;
  readonly categories?: string[];
  readonly ip_pool_name?: string;
  readonly asm?: { group_id: number };
  readonly attachments?: { filename: string; content: string }[];
  readonly personalizations: {
    to: { email: string; name?: string }[];
    subject?: string;
    custom_args: { sb_message_id: string };
    dynamic_template_data?: object;
    headers?: Record<string, string>;
  }[];
}

/** What to answer: an HTTP status, with a body and headers if need be; or nothing at all, before or after it was taken. */
export type StubAnswer =
  | number
  | 'no answer, not taken'
  | 'no answer, taken'
  | { readonly status: number; readonly body?: object; readonly headers?: Record<string, string> };

interface Entry {
  readonly email: string;
  readonly created: number;
}

/** A domain that SendGrid has, and which of its DNS records it finds. */
export interface StubDomain {
  readonly domain: string;
  readonly records: Readonly<Record<string, boolean>>;
}

const json = { 'content-type': 'application/json' };

/** As much of SendGrid as a service needs to be sent against: mail/send with answers to order, and suppression lists. */
export async function sendgridStub() {
  const taken: SentMail[] = [];
  const calls: { readonly method: string; readonly path: string; readonly body: unknown }[] = [];
  const lists = new Map<string, Entry[]>();
  let members: { email: string; group_id: number; created_at: number }[] = [];
  let answer: (mail: SentMail, apiKey: string) => StubAnswer = () => 202;
  let templates: { id: string; name: string }[] = [];
  let domains: StubDomain[] = [];
  let pools: string[] = [];
  let unsubscribes: number | undefined;
  let gate: Promise<unknown> = Promise.resolve();
  let number = 0;

  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const body: unknown = text === '' ? undefined : JSON.parse(text);
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://stub');
      if (pathname === '/v3/mail/send') {
        const mail = body as SentMail;
        send(mail, answer(mail, (request.headers.authorization ?? '').slice('Bearer '.length)), response);
        return;
      }
      calls.push({ method: request.method ?? '', path: pathname, body });
      await gate;
      if (pathname.startsWith('/v3/whitelabel/domains')) {
        const [status, found] = whitelabel(pathname, searchParams.get('domain'));
        response.writeHead(status, json).end(JSON.stringify(found));
        return;
      }
      const list = /^\/v3\/suppression\/(\w+)$/.exec(pathname)?.[1];
      const since = Number(searchParams.get('start_time') ?? 0);
      const found = list
        ? (lists.get(list) ?? []).filter(({ created }) => created >= since)
        : pathname === '/v3/asm/suppressions'
          ? members
          : pathname === '/v3/asm/groups'
            ? [{ id: 7, unsubscribes: unsubscribes ?? members.length }]
            : pathname === '/v3/templates'
              ? { result: templates }
              : pathname === '/v3/ips/pools'
                ? pools.map((name) => ({ name }))
                : {};
      response.writeHead(request.method === 'DELETE' ? 204 : 200, json).end(JSON.stringify(found));
    })();
  });

  function whitelabel(pathname: string, name: string | null): [number, object] {
    const id = /\/(\d+)\/validate$/.exec(pathname)?.[1];
    const domain = domains[Number(id)];
    if (id === undefined) {
      const all = domains.map((one, index) => ({ id: index, domain: one.domain, valid: true }));
      return [200, all.filter((one) => name === null || one.domain === name)];
    }
    if (!domain) return [404, { errors: [{ message: 'resource not found' }] }];
    const { records } = domain;
    return [
      200,
      {
        valid: Object.values(records).every(Boolean),
        validation_results: Object.fromEntries(
          Object.entries(records).map(([record, valid]) => [record, { valid, reason: valid ? null : 'not found' }]),
        ),
      },
    ];
  }

  function send(mail: SentMail, how: StubAnswer, response: ServerResponse): void {
    if (how === 'no answer, not taken') return;
    const {
      status,
      body = {},
      headers = {},
    } = typeof how === 'object' ? how : { status: how === 'no answer, taken' ? 202 : how };
    if (status === 202) taken.push(mail);
    if (how === 'no answer, taken') return;
    const sid = `sid-${number++}`;
    response.writeHead(status, { ...json, ...(status === 202 && { 'x-message-id': sid }), ...headers });
    response.end(status === 202 ? '' : JSON.stringify(body));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Calls of mail/send that were accepted, in order. */
    taken,
    /** Calls of other routes. */
    calls,
    lists,
    /** Calls of other routes are not answered before this. */
    answerAfter: (moment: Promise<unknown>): void => void (gate = moment),
    setMembers: (all: typeof members) => (members = all),
    /** What the groups say of themselves; default: their members. */
    setUnsubscribes: (count: number) => (unsubscribes = count),
    setTemplates: (all: typeof templates) => (templates = all),
    setDomains: (all: typeof domains) => (domains = all),
    /** Names of IP pools. */
    setPools: (all: typeof pools) => (pools = all),
    answerWith: (with_: typeof answer) => (answer = with_),
    /** Each recipient of an accepted call, in order. */
    recipients: () => taken.flatMap(({ personalizations }) => personalizations.map(({ to }) => to[0]?.email ?? '')),
    reset() {
      taken.length = 0;
      calls.length = 0;
      lists.clear();
      members = [];
      unsubscribes = undefined;
      templates = [];
      pools = [];
      answer = () => 202;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type SendgridStub = Awaited<ReturnType<typeof sendgridStub>>;
