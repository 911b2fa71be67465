import type { Tenant } from '@signalbox/tenants';
import { Client } from '@sendgrid/client';
import { type MailDataRequired, MailService } from '@sendgrid/mail';
import { SendgridApiError, type SendgridFault, SendgridTransportError } from './errors.ts';

export interface SendgridClientOptions {
  /** Milliseconds from the call to the end of the answer. Default 10 s. */
  readonly timeoutMs?: number;
}

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** From `/v3/` on, with its query. */
  readonly path: string;
  readonly body?: object;
}

/** Calls reject with `SendgridApiError` or `SendgridTransportError`, nothing else. */
export interface SendgridClient {
  /** Hands one request of mail/send over; resolves to its `X-Message-Id`, null when the answer has none (sandbox). */
  send(mail: MailDataRequired): Promise<string | null>;
  /** Any other route; resolves to the decoded body. */
  call<Body = unknown>(request: RestRequest): Promise<Body>;
}

const clients = new WeakMap<Tenant, SendgridClient>();

/**
 * The official SDK for a tenant, with a client of its own: the module's default one has one key for the whole process. Made
 * once per tenant object, so a reload that changes the tenant also makes a new client; the first call's options hold.
 * @throws TypeError for a tenant without `sendgrid.apiKey`
 */
export function sendgridClient(tenant: Tenant, options: SendgridClientOptions = {}): SendgridClient {
  let client = clients.get(tenant);
  if (!client) clients.set(tenant, (client = create(tenant, options)));
  return client;
}

function create({ name, sendgrid }: Tenant, { timeoutMs = 10_000 }: SendgridClientOptions): SendgridClient {
  if (!sendgrid?.apiKey) throw new TypeError(`tenant ${name} has no sendgrid.apiKey`);
  const client = new Client();
  client.setApiKey(sendgrid.apiKey);
  // The types know less than the client: it hands its defaults on to axios.
  const defaults: unknown = {
    timeout: timeoutMs,
    ...(sendgrid.baseUrl !== undefined && { baseUrl: sendgrid.baseUrl }),
  };
  client.setDefaultRequest(defaults as Parameters<Client['createRequest']>[0]);
  const mailer = new MailService();
  mailer.setClient(client);
  return {
    async send(mail) {
      const [response] = await answered(mailer.send(mail));
      return headerOf(response.headers, 'x-message-id') ?? null;
    },
    async call<Body>({ method, path, body }: RestRequest) {
      const answer: readonly unknown[] = await answered(client.request({ method, url: path, ...(body && { body }) }));
      return answer[1] as Body;
    },
  };
}

interface Refusal {
  readonly response?: { readonly headers?: unknown; readonly body?: unknown };
  readonly code?: unknown;
}

async function answered<R>(call: Promise<R>): Promise<R> {
  try {
    return await call;
  } catch (error) {
    const { response, code } = error as Refusal;
    if (response && typeof code === 'number') {
      throw new SendgridApiError(code, faultsOf(response.body), retryAfterMs(code, response.headers));
    }
    const why = typeof code === 'string' ? code : 'UNKNOWN';
    // Not the error itself: it holds the request, with the key and the email.
    const cause = new Error(error instanceof Error ? error.message : String(error));
    if (error instanceof Error) Object.assign(cause, { name: error.name, stack: error.stack });
    throw new SendgridTransportError(neverLeft.has(why) ? 'not_sent' : 'in_doubt', why, { cause });
  }
}

/** The connection did not come about. */
const neverLeft = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function faultsOf(body: unknown): SendgridFault[] {
  const errors: unknown = typeof body === 'object' && body !== null ? (body as { errors?: unknown }).errors : undefined;
  if (!Array.isArray(errors)) return [];
  return errors.map((error: { message?: unknown; field?: unknown } | null) => ({
    message: typeof error?.message === 'string' ? error.message : '',
    field: typeof error?.field === 'string' ? error.field : null,
  }));
}

function retryAfterMs(status: number, headers: unknown): number | null {
  const seconds = Number(headerOf(headers, 'retry-after') ?? NaN);
  if (seconds >= 0) return seconds * 1000;
  if (status !== 429) return null;
  const reset = Number(headerOf(headers, 'x-ratelimit-reset') ?? NaN);
  return Number.isFinite(reset) ? Math.max(0, reset * 1000 - Date.now()) : null;
}

function headerOf(headers: unknown, name: string): string | undefined {
  const value: unknown =
    typeof headers === 'object' && headers !== null ? (headers as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
