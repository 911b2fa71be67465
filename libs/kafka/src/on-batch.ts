import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { applyDecorators, Catch, UseFilters } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { EventOf, Topic } from '@signalbox/contracts';
import type { Batch } from './batch.ts';

/** Ties `@OnBatch` handlers to `BatchTransport`, so that another transport in the same application leaves them alone. */
export const batchTransport = Symbol('signalbox.batch');

/** Nest's own filter would log the error and flatten it to "Internal server error" before retry or dead letter is decided. */
@Catch()
class LetThrough implements ExceptionFilter {
  catch(error: unknown, _host: ArgumentsHost): never {
    throw error;
  }
}

type BatchHandler<T extends Topic> = (batch: Batch<EventOf<T>>, tx: never) => Promise<void>;

/**
 * Marks a controller method as the handler of a topic (or of several): `(batch, tx) => Promise<void>`.
 *
 * What it writes with `tx` is committed when it returns and rolled back when it throws; offsets, retries and dead letters
 * are the transport's. It may see a record again after a crash or a rebalance, so it has to be idempotent.
 */
export function OnBatch<T extends Topic>(...topics: [T, ...T[]]) {
  return <H extends BatchHandler<T>>(target: object, key: string, descriptor: TypedPropertyDescriptor<H>): void => {
    // Without parameter metadata Nest passes on the first argument only, and the transaction would be undefined.
    Payload()(target, key, 0);
    Ctx()(target, key, 1);
    applyDecorators(
      EventPattern(
        topics.map(({ name }) => name),
        batchTransport,
        { onBatch: `${target.constructor.name}.${key}` },
      ),
      UseFilters(new LetThrough()),
    )(target, key, descriptor as TypedPropertyDescriptor<unknown>);
  };
}
