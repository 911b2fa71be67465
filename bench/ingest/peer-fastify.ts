/** Peer (a), the limit: a bare Fastify server that checks the signature by the twilio library, and keeps nothing. */
import Fastify from 'fastify';
import twilio from 'twilio';

const token = process.env['AUTH_TOKEN'] ?? '';
const base = process.env['PUBLIC_BASE_URL'] ?? '';
const server = Fastify();
server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
  done(null, Object.fromEntries(new URLSearchParams(String(body))));
});
server.post('/twilio/sms/status', (request, reply) => {
  const signature = String(request.headers['x-twilio-signature'] ?? '');
  const valid = twilio.validateRequest(token, signature, base + request.url, request.body as Record<string, string>);
  return reply.code(valid ? 204 : 403).send();
});
server.get('/healthz', () => ({ status: 'ok' }));
await server.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
