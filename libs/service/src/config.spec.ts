import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, commonConfig, envBoolean, readConfig } from './config.ts';

const schema = z.object({
  DATABASE_URL: z.url().meta({ description: 'postgres://…' }),
  API_SECRET: z.string().min(32),
  WORKERS: z.coerce.number().int().min(1).default(4),
  KAFKA_SSL: envBoolean.default(false),
});

const good = { DATABASE_URL: 'postgres://u:hunter2@db/x', API_SECRET: 'k'.repeat(32) };

describe('readConfig', () => {
  it('reads what the schema names, with its defaults', () => {
    expect(readConfig(schema, { ...good, KAFKA_SSL: 'true', HOME: '/root' })).toEqual({
      ...good,
      WORKERS: 4,
      KAFKA_SSL: true,
    });
  });

  it('takes an empty value as not set', () => {
    expect(readConfig(schema, { ...good, WORKERS: '', KAFKA_SSL: '' })).toMatchObject({ WORKERS: 4, KAFKA_SSL: false });
  });

  it.each<[string, Record<string, string>, string[]]>([
    [
      'what is missing, with what it should be',
      { API_SECRET: good.API_SECRET },
      ['DATABASE_URL: is required (postgres://…)'],
    ],
    ['a set but empty one', { ...good, API_SECRET: '' }, ['API_SECRET: is required']],
    [
      'every fault at once',
      { DATABASE_URL: 'hunter2', API_SECRET: 'hunter2', WORKERS: 'many', KAFKA_SSL: 'yes' },
      [
        'DATABASE_URL: Invalid URL (postgres://…)',
        'API_SECRET: Too small: expected string to have >=32 characters',
        'WORKERS: Invalid input: expected number, received NaN',
        'KAFKA_SSL: Invalid option: expected one of "0"|"1"|"true"|"false"',
      ],
    ],
  ])('names %s, and no value', (_label, env, faults) => {
    const error = thrownBy(() => readConfig(schema, env));
    expect(error.faults).toEqual(faults);
    expect(error.message).toBe(`configuration: ${faults.join('; ')}`);
    expect(error.message).not.toContain('hunter2');
  });
});

describe('commonConfig', () => {
  it.each([
    ['PORT', '70000'],
    ['LOG_LEVEL', 'loud'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['DRAIN_SECONDS', '-1'],
    ['SHUTDOWN_TIMEOUT_SECONDS', 'soon'],
  ])('refuses %s=%s', (name, value) => {
    expect(thrownBy(() => readConfig(commonConfig(8080), { [name]: value })).faults).toEqual([
      expect.stringMatching(new RegExp(`^${name}: `)),
    ]);
  });
});

function thrownBy(read: () => unknown): ConfigError {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}
