import { describe, expect, it } from '@jest/globals';
import { Health } from './health.ts';

function running(timeoutMs?: number): Health {
  const health = new Health(timeoutMs);
  health.started();
  return health;
}

describe('Health', () => {
  it('is ready when every check passes', async () => {
    const health = running();
    health.register('database', () => undefined);
    health.register('kafka', async () => undefined);
    expect(await health.readiness()).toEqual({ ready: true, checks: { database: 'ok', kafka: 'ok' } });
  });

  it('says what is wrong, each check for itself, and shows no number', async () => {
    const health = running(20);
    health.register('database', async () => Promise.reject(new Error('connection refused')));
    health.register('kafka', () => new Promise(() => undefined));
    health.register('sender', () => {
      throw new Error('+14155550100 is suspended');
    });
    health.register('spool', () => undefined);
    expect(await health.readiness()).toEqual({
      ready: false,
      checks: {
        database: 'connection refused',
        kafka: 'no answer within 20 ms',
        sender: '+1415•••100 is suspended',
        spool: 'ok',
      },
    });
  });

  it('is not ready before it has started, nor when it stops', async () => {
    const health = new Health();
    expect(await health.readiness()).toEqual({ ready: false, checks: { service: 'starting' } });
    health.started();
    expect((await health.readiness()).ready).toBe(true);
    health.stopping();
    expect(await health.readiness()).toEqual({ ready: false, checks: { service: 'stopping' } });
  });

  it('runs the checks once for concurrent probes', async () => {
    const health = running();
    let runs = 0;
    health.register('database', () => void (runs += 1));
    await Promise.all([health.readiness(), health.readiness()]);
    expect(runs).toBe(1);
    await health.readiness();
    expect(runs).toBe(2);
  });

  it('refuses a name twice', () => {
    const health = running();
    health.register('database', () => undefined);
    expect(() => health.register('database', () => undefined)).toThrow('database is registered twice');
  });
});
