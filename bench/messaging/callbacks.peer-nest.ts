/** Nest as its documentation has it: `@EventPattern` on its own Kafka server, a TypeORM entity found and saved per message. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, type MicroserviceOptions, Payload, Transport } from '@nestjs/microservices';
import { DataSource, EntitySchema } from 'typeorm';
import { Meter } from './meter.ts';

interface Message {
  id: string;
  state: string;
  updatedAt: Date;
}

const Messages = new EntitySchema<Message>({
  name: 'Message',
  tableName: 'messages',
  columns: {
    id: { type: 'uuid', primary: true },
    state: { type: 'text' },
    updatedAt: { name: 'updated_at', type: 'timestamptz' },
  },
});

const meter = new Meter(process.env);
const url = process.env['DATABASE_URL'];
const dataSource = await new DataSource({ type: 'postgres', url, entities: [Messages] }).initialize();
const messages = dataSource.getRepository(Messages);

class Callbacks {
  async apply(callback: { correlationId: string; status: string; receivedAt: string }): Promise<void> {
    const message = await messages.findOne({ where: { id: callback.correlationId } });
    if (message && message.state !== 'delivered') {
      message.state = callback.status;
      message.updatedAt = new Date(callback.receivedAt);
      await messages.save(message);
    }
    meter.add(1);
  }
}
// Written as calls: Node runs this file as it is, and does not run decorators.
const apply = Object.getOwnPropertyDescriptor(Callbacks.prototype, 'apply') ?? {};
EventPattern(process.env['TOPIC'])(Callbacks.prototype, 'apply', apply);
Payload()(Callbacks.prototype, 'apply', 0);
Controller()(Callbacks);

class Root {}
Module({ controllers: [Callbacks] })(Root);

const app = await NestFactory.createMicroservice<MicroserviceOptions>(Root, {
  logger: false,
  abortOnError: false,
  transport: Transport.KAFKA,
  options: {
    client: { brokers: [process.env['KAFKA_BROKERS'] ?? ''] },
    consumer: { groupId: process.env['KAFKA_GROUP_ID'] ?? '' },
    subscribe: { fromBeginning: true },
  },
});
await app.listen();
