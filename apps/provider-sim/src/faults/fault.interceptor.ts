import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { concatMap, from, NEVER, type Observable, of } from 'rxjs';
import { TwilioError } from '../messages-api/twilio-error.ts';
import type { Operation } from './fault-plan.ts';
import { Faults } from './faults.ts';

/** A socket that nobody closes is closed then: an answer that never comes must not cost one for ever. */
const HANG_MS = 60_000;

/** Plays the fault plan around a handler of the REST API; the handler's name is the operation. */
@Injectable()
export class FaultInterceptor implements NestInterceptor, OnModuleDestroy {
  readonly #hanging = new Set<Socket>();

  constructor(protected readonly faults: Faults) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const operation = context.getHandler().name as Operation;
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const fault = this.faults.requestFault(operation);
    const latency = this.faults.latency(operation);
    if (!fault && !latency) return next.handle();

    const answer = () => {
      switch (fault) {
        case '429':
          throw this.tooManyRequests();
        case '500':
          return this.#serverError(reply);
        case 'timeoutBefore':
          return this.#hang(reply);
        case 'timeoutAfter':
          return next.handle().pipe(concatMap(() => this.#hang(reply)));
        case undefined:
          return next.handle();
      }
    };
    if (!latency) return answer();
    return from(sleep(latency.beforeMs)).pipe(
      concatMap(answer),
      concatMap((body) => from(sleep(latency.afterMs, body))),
    );
  }

  /** An answer that never comes would hold up the stop. */
  onModuleDestroy(): void {
    for (const socket of this.#hanging) socket.destroy();
  }

  protected tooManyRequests(): Error {
    const seconds = this.faults.plan.retryAfterSeconds;
    return new TwilioError(20429, { headers: seconds === undefined ? {} : { 'Retry-After': String(seconds) } });
  }

  protected serverFault(): Error {
    return new TwilioError(20500);
  }

  /** The provider's own error JSON, or the page of a proxy in front of it. */
  #serverError(reply: FastifyReply): Observable<string> {
    if (this.faults.chance(0.5)) throw this.serverFault();
    reply.status(500).type('text/html');
    return of('<html><body><h1>500 Internal Server Error</h1></body></html>');
  }

  #hang(reply: FastifyReply): Observable<never> {
    const { socket } = reply.raw;
    // Gone already when its client left while it waited.
    if (socket && !reply.raw.destroyed) {
      this.#hanging.add(socket);
      const timer = setTimeout(() => socket.destroy(), HANG_MS).unref();
      reply.raw.once('close', () => {
        clearTimeout(timer);
        this.#hanging.delete(socket);
      });
    }
    return NEVER;
  }
}
