import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import twilio from 'twilio';

export interface ReceivedCallback {
  /** As the request line has it, query included. */
  url: string;
  form: Record<string, string>;
  status: string;
  idempotencyToken: string;
  contentType: string | undefined;
  headers: IncomingHttpHeaders;
  /** As it came. */
  body: string;
  /** By the official library, for the token given. */
  signedWith(authToken: string): boolean;
}

/** An HTTP server that takes callbacks and answers each with what `answer` says (default 204). */
export async function callbackReceiver() {
  const received: ReceivedCallback[] = [];
  let answer: (attempt: number) => number = () => 204;
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      received.push(callbackOf(request, body, origin));
      response.writeHead(answer(received.length)).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    received,
    of: (sid: string) => received.filter(({ form }) => form['MessageSid'] === sid),
    answerWith(with_: (attempt: number) => number) {
      answer = with_;
    },
    clear() {
      received.length = 0;
      answer = () => 204;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type CallbackReceiver = Awaited<ReturnType<typeof callbackReceiver>>;

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function callbackOf(request: IncomingMessage, body: string, origin: string): ReceivedCallback {
  const form = Object.fromEntries(new URLSearchParams(body));
  const url = `${origin}${request.url}`;
  const { headers } = request;
  return {
    url,
    form,
    status: form['MessageStatus'] ?? '',
    idempotencyToken: String(headers['i-twilio-idempotency-token']),
    contentType: headers['content-type'],
    headers,
    body,
    signedWith: (authToken) => twilio.validateRequest(authToken, String(headers['x-twilio-signature']), url, form),
  };
}
