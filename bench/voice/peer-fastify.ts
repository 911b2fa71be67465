/** Peer, the limit: a bare Fastify server that answers everything with one document, and checks and keeps nothing. */
import Fastify from 'fastify';

const base = process.env['VOICE_PUBLIC_BASE_URL'] ?? '';
const next = `${base}/twilio/voice/menu/1?at=${'x'.repeat(160)}`;
const document = `<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="${next}" input="dtmf" timeout="5" actionOnEmptyResult="true" finishOnKey="" bargeIn="true" numDigits="1"><Say voice="Polly.Joanna-Neural">For orders, press 1. For help with a product, press 2. To hear this again, press star.</Say></Gather><Redirect>${next}</Redirect></Response>`;
const server = Fastify();
server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
  done(null, body),
);
server.post('/*', (_request, reply) => reply.header('content-type', 'text/xml; charset=utf-8').send(document));
server.get('/healthz', () => ({ status: 'ok' }));
await server.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
