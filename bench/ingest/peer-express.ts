/** Peer (b): what handbooks show, Express with the twilio middleware's check and deduplication in memory. */
import express from 'express';
import twilio from 'twilio';

const token = process.env['AUTH_TOKEN'] ?? '';
const base = process.env['PUBLIC_BASE_URL'] ?? '';
const seen = new Set<string>();
const app = express();
app.use(express.urlencoded({ extended: false }));
app.post('/twilio/sms/status', (request, response) => {
  const signature = request.header('x-twilio-signature') ?? '';
  const params = request.body as Record<string, string>;
  if (!twilio.validateRequest(token, signature, base + request.originalUrl, params)) {
    response.sendStatus(403);
    return;
  }
  seen.add(`${params['MessageSid']}:${params['MessageStatus']}`);
  response.sendStatus(204);
});
app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
app.listen(Number(process.env['PORT']), '127.0.0.1');
