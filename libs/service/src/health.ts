import { isError, maskAll } from '@signalbox/telemetry';
import type { FastifyInstance } from 'fastify';

export type HealthCheck = () => void | Promise<void>;

export interface Readiness {
  ready: boolean;
  /** Check → `ok`, or why not. */
  checks: Record<string, string>;
}

/**
 * Whether this process should get work. Inject it and register what the service cannot work without; do not register
 * what it survives, or a broker's outage takes every replica out of rotation.
 */
export class Health {
  readonly #checks = new Map<string, HealthCheck>();
  #phase: 'starting' | 'running' | 'stopping' = 'starting';
  #running: Promise<Readiness> | undefined;

  constructor(private readonly timeoutMs = 2000) {}

  /** A check passes by returning; what it throws is the reason shown in `/readyz`. */
  register(name: string, check: HealthCheck): void {
    if (this.#checks.has(name)) throw new Error(`readiness check ${name} is registered twice`);
    this.#checks.set(name, check);
  }

  started(): void {
    this.#phase = 'running';
  }

  stopping(): void {
    this.#phase = 'stopping';
  }

  get isStopping(): boolean {
    return this.#phase === 'stopping';
  }

  /** Concurrent callers share one run, so that probing cannot load what it probes. */
  readiness(): Promise<Readiness> {
    if (this.#phase === 'stopping') return Promise.resolve({ ready: false, checks: { service: 'stopping' } });
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #run(): Promise<Readiness> {
    const results = await Promise.all([...this.#checks].map(([name, check]) => this.#outcome(name, check)));
    const phase = this.#phase === 'running' ? [] : [['service', this.#phase] as const];
    const checks = Object.fromEntries([...phase, ...results]);
    return { ready: Object.values(checks).every((result) => result === 'ok'), checks };
  }

  async #outcome(name: string, check: HealthCheck): Promise<readonly [string, string]> {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${this.timeoutMs} ms`)), this.timeoutMs);
    try {
      await Promise.race([Promise.resolve().then(check), timeout]);
      return [name, 'ok'];
    } catch (error) {
      return [name, maskAll(isError(error) ? error.message || error.name : String(error))];
    } finally {
      clearTimeout(timer);
    }
  }
}

/** `/healthz`: the event loop turns; it asks nothing else, or an outage elsewhere gets this process killed. `/readyz`: 503 with reasons. */
export function serveHealth(server: FastifyInstance, health: Health): void {
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const { ready, checks } = await health.readiness();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', checks });
  });
}
