/** Peer (c): Nest as its documentation has it, `ClientKafka.emit` per request, answered when the record is acknowledged. */
import 'reflect-metadata';
import { type DynamicModule, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientKafka, ClientsModule, Transport } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { lastValueFrom } from 'rxjs';
import twilio from 'twilio';

const token = process.env['AUTH_TOKEN'] ?? '';
const base = process.env['PUBLIC_BASE_URL'] ?? '';
const topic = process.env['TOPIC'] ?? '';

class Root {}
Module({})(Root);

const clients: DynamicModule = ClientsModule.register([
  {
    name: 'KAFKA',
    transport: Transport.KAFKA,
    options: {
      client: { clientId: 'bench', brokers: (process.env['KAFKA_BROKERS'] ?? '').split(',') },
      producerOnlyMode: true,
      send: { acks: -1 },
    },
  },
]);

const app: INestApplication = await NestFactory.create<NestFastifyApplication>(
  { module: Root, imports: [clients] },
  new FastifyAdapter(),
  { logger: false },
);
const client = app.get<ClientKafka>('KAFKA', { strict: false });
await client.connect();
await app.init();
const server = app.getHttpAdapter().getInstance() as FastifyInstance;
server.post('/twilio/sms/status', async (request, reply) => {
  const signature = String(request.headers['x-twilio-signature'] ?? '');
  // Nest's parser makes an object without a prototype, which neither library takes.
  const params = { ...(request.body as Record<string, string>) };
  if (!twilio.validateRequest(token, signature, base + request.url, params)) return reply.code(403).send();
  await lastValueFrom(client.emit(topic, { key: params['MessageSid'], value: params }));
  return reply.code(204).send();
});
server.get('/healthz', () => ({ status: 'ok' }));
await app.listen(Number(process.env['PORT']), '127.0.0.1');
