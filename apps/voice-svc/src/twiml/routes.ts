import {
  authenticate,
  callbacks,
  claimedUrls,
  closeUnread,
  diagnose,
  PublicUrl,
  Refusals,
  type VerifiedCallback,
} from '@signalbox/edge';
import { ProblemException } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { counter } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { readStatusCallback } from '@signalbox/twilio';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Params } from '../flow/interpret.rules.ts';
import type { CallRequest, Conversation } from '../session/conversation.ts';

const tokenIndexes = counter(
  'signalbox_callback_token_index_total',
  'Authentic callbacks, by which of the secrets signed them; 0 is the first',
  ['tenant', 'scheme', 'index'],
);

const formLimit = 256 * 1024;
const inbound = '/twilio/voice/inbound';
const twiml = '/twilio/voice/twiml/:flow';
const menu = '/twilio/voice/menu/:step';

export interface TwimlOptions {
  readonly tenants: TenantDirectory;
  readonly conversation: Conversation;
  readonly base: string;
  readonly unauthenticatedPerMinute: number;
  readonly logger: Logger;
}

type Form = FastifyRequest<{ Body: string | undefined; Params: Record<string, string> }>;

/**
 * The routes that Twilio asks for TwiML, on Fastify itself: a caller is waiting, and there is nothing to inject. What is not
 * Twilio's is refused; everything else is answered with a document.
 */
export function serveTwiml(server: FastifyInstance, options: TwimlOptions): void {
  const { tenants, conversation, logger } = options;
  const publicUrl = new PublicUrl(options.base);
  const refusals = new Refusals(logger, options.unauthenticatedPerMinute);

  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
      done(null, body),
    );
    closeUnread(scope);
    for (const base of new Set(['', publicUrl.basePath])) {
      route(base + inbound, (call, request) => answerInbound(conversation, call, request));
      route(base + twiml, (call, request) =>
        conversation.begin(call, request.params['flow'] ?? '', readStatusCallback(request.raw.url ?? '').correlationId),
      );
      route(base + menu, (call, request) => conversation.advance(call, ...placeIn(request)));
      route(`${base}${menu}/wait`, (call, request) => conversation.wait(call, ...placeIn(request)));
      route(`${base}${menu}/announce/:agent`, (call, request) =>
        conversation.announce(call, request.params['agent'] ?? '', ...placeIn(request)),
      );
    }

    function route(path: string, answer: (call: CallRequest, request: Form) => Promise<string>): void {
      const label = path.slice(path.indexOf('/twilio'));
      scope.post(path, { bodyLimit: formLimit }, async (request, reply) => {
        const document = await answer(proven(request as Form, label), request as Form);
        callbacks.inc({ route: label, result: 'accepted' });
        return send(reply, document);
      });
    }
  });

  /** @throws ProblemException when the request is not Twilio's */
  function proven(request: Form, path: string): CallRequest {
    const body = request.body ?? '';
    const header = request.headers['x-twilio-signature'];
    const target = request.raw.url ?? '';
    const received = {
      callback: { route: path },
      urls: [publicUrl.of(target)] as const,
      body,
      signature: typeof header === 'string' ? header : undefined,
    };
    const checked = authenticate(received, tenants);
    if (!checked.ok) {
      const { cause, signedUrl } = refusals.isLimited(request.ip)
        ? { cause: checked.cause, signedUrl: undefined }
        : diagnose(checked, received, claimedUrls(target, request.headers), tenants);
      const details = {
        why: checked.why,
        accountSid: checked.accountSid?.slice(0, 40),
        url: received.urls[0].slice(0, 300),
        ...(signedUrl !== undefined && { signedUrl: signedUrl.slice(0, 300) }),
      };
      throw refusals.refuse({ route: path, cause, source: request.ip, details });
    }
    tokenIndexes.inc({ tenant: checked.signer.name, scheme: checked.scheme, index: checked.tokenIndex });
    const params = paramsOf(checked);
    const callSid = params['CallSid'] ?? '';
    // A text field of the database; a signed request without it is no request of a call.
    if (!/^[\w-]{1,100}$/.test(callSid))
      throw refusals.refuse({
        route: path,
        cause: 'malformed',
        source: request.ip,
        authentic: true,
        details: { why: 'no CallSid', tenant: checked.signer.name },
      });
    return { tenant: checked.signer, callSid, params, body };
  }
}

/** Of a repeated name the last one counts, as everywhere. */
function paramsOf({ content }: VerifiedCallback): Params {
  if (!('params' in content)) return {};
  const params: Record<string, string | undefined> = {};
  for (const name in content.params) {
    const value = content.params[name];
    params[name] = typeof value === 'object' ? value.at(-1) : value;
  }
  return params;
}

const menuUrl = /\/twilio\/voice\/menu\/(\d{1,6})[/?]/;
const placeOf = (url: string) => /[?&]at=([\w-]+)/.exec(url)?.[1] ?? '';

/** Of a number's fallback URL, too: then the call goes on where the document could not be had. */
function answerInbound(conversation: Conversation, call: CallRequest, { raw }: Form): Promise<string> {
  const { tenant, params } = call;
  const failed = params['ErrorUrl'] ?? '';
  const step = menuUrl.exec(failed)?.[1];
  if (step !== undefined) return conversation.resume(call, Number(step), placeOf(failed));
  const { voice } = tenant;
  const to = params['To'] ?? '';
  const flow = voice && Object.hasOwn(voice.numbers, to) ? voice.numbers[to] : voice?.defaultFlow;
  return conversation.begin(call, flow, readStatusCallback(raw.url ?? '').correlationId);
}

function placeIn({ params, raw }: Form): [step: number, sealed: string] {
  const { step = '' } = params;
  if (!/^\d{1,6}$/.test(step)) throw new ProblemException(404, 'Not Found', 'There is no such step');
  return [Number(step), placeOf(raw.url ?? '')];
}

function send(reply: FastifyReply, document: string): FastifyReply {
  // What a caller is told is theirs.
  return reply.header('content-type', 'text/xml; charset=utf-8').header('cache-control', 'no-store').send(document);
}
