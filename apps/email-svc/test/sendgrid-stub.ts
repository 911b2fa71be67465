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

const json = { 'content-type': 'application/json' };

/** As much of SendGrid as a service needs to be sent against: mail/send with answers to order, and suppression lists. */
export async function sendgridStub() {
  const taken: SentMail[] = [];
  const calls: { readonly method: string; readonly path: string; readonly body: unknown }[] = [];
  const lists = new Map<string, Entry[]>();
  let members: { email: string; group_id: number; created_at: number }[] = [];
  let answer: (mail: SentMail, apiKey: string) => StubAnswer = () => 202;
  let templates: { id: string; name: string }[] = [];
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
      const list = /^\/v3\/suppression\/(\w+)$/.exec(pathname)?.[1];
      const since = Number(searchParams.get('start_time') ?? 0);
      const found = list
        ? (lists.get(list) ?? []).filter(({ created }) => created >= since)
        : pathname === '/v3/asm/suppressions'
          ? members
          : pathname === '/v3/templates'
            ? { result: templates }
            : {};
      response.writeHead(request.method === 'DELETE' ? 204 : 200, json).end(JSON.stringify(found));
    })();
  });

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
    setMembers: (all: typeof members) => (members = all),
    setTemplates: (all: typeof templates) => (templates = all),
    answerWith: (with_: typeof answer) => (answer = with_),
    /** Each recipient of an accepted call, in order. */
    recipients: () => taken.flatMap(({ personalizations }) => personalizations.map(({ to }) => to[0]?.email ?? '')),
    reset() {
      taken.length = 0;
      calls.length = 0;
      lists.clear();
      members = [];
      templates = [];
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
