import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import twilio from 'twilio';

export interface TwimlRequest {
  readonly path: string;
  readonly form: Record<string, string>;
  readonly token: string;
  /** By the official library, for the token given. */
  signedWith(authToken: string): boolean;
}

export interface TwimlAnswer {
  readonly status?: number;
  readonly contentType?: string;
  readonly delayMs?: number;
  readonly body?: string;
}

type Answer = (request: TwimlRequest, attempt: number) => string | TwimlAnswer;

const xml = (verbs: string) => `<?xml version="1.0" encoding="UTF-8"?><Response>${verbs}</Response>`;

/** An application that answers calls: each path with its verbs, or with a whole answer; 204 for status callbacks. */
export async function twimlServer() {
  let answers: Record<string, string | Answer> = {};
  const received: TwimlRequest[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
      const path = (request.url ?? '').split('?')[0] ?? '';
      const url = `${origin}${request.url}`;
      const signature = String(request.headers['x-twilio-signature']);
      const seen: TwimlRequest = {
        path,
        form,
        token: String(request.headers['i-twilio-idempotency-token']),
        signedWith: (authToken) => twilio.validateRequest(authToken, signature, url, form),
      };
      received.push(seen);
      const configured = answers[path] ?? { status: 204 };
      const attempt = received.filter((one) => one.path === path).length;
      const answer = typeof configured === 'function' ? configured(seen, attempt) : configured;
      const {
        status = 200,
        contentType = 'text/xml',
        delayMs = 0,
        body = '',
      }: TwimlAnswer = typeof answer === 'string' ? { body: xml(answer) } : answer;
      if (delayMs > 0) await sleep(delayMs);
      response.writeHead(status, { 'content-type': contentType }).end(body);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    received,
    at: (path: string) => received.filter((request) => request.path === path),
    answer(with_: Record<string, string | Answer>) {
      answers = with_;
    },
    clear() {
      answers = {};
      received.length = 0;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type TwimlServer = Awaited<ReturnType<typeof twimlServer>>;
