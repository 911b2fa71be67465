import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger, type LoggerOptions } from './logger.ts';
import { type Telemetry, startTelemetry, withSpan } from './tracing.ts';

type Line = Record<string, unknown> & { err?: Record<string, unknown> };

function capture(options: LoggerOptions = {}) {
  const lines: Line[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Line) };
  return { logger: createLogger('test-svc', { level: 'info', destination, ...options }), lines };
}

describe('createLogger', () => {
  let telemetry: Telemetry;
  beforeAll(() => {
    telemetry = startTelemetry({ service: 'test-svc', env: {} });
  });
  afterAll(() => telemetry.shutdown());

  it('writes time, level, service and what the caller gives', () => {
    const { logger, lines } = capture();
    logger.child({ tenant: 'demo' }).warn({ messageId: 'm1' }, 'queued');
    logger.debug('below the level');
    expect(lines).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        service: 'test-svc',
        tenant: 'demo',
        messageId: 'm1',
        msg: 'queued',
      },
    ]);
  });

  it('adds the ids of the active span, and none outside one', () => {
    const { logger, lines } = capture();
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    withSpan('work', { parent }, () => logger.info('inside'));
    logger.info('outside');
    expect(lines[0]).toMatchObject({ trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331' });
    expect(lines[1]).not.toHaveProperty('trace_id');
  });

  it('masks numbers in the message, in fields, in bindings and in an error with its stack and causes', () => {
    const { logger, lines } = capture();
    const cause = new Error('no route to +14155550198');
    const err = Object.assign(new Error('cannot reach +14155550199', { cause }), { code: '23505' });
    logger
      .child({ from: 'whatsapp:+14155550197' })
      .error({ err, request: { to: ['+14155550196'] } }, 'send to %s', '+14155550195');
    const text = JSON.stringify(lines);
    expect(text).not.toMatch(/\+1415555/);
    expect(text.match(/\+1415•••19[5-9]/g)).toHaveLength(7);
    expect(lines[0]?.err).toMatchObject({ type: 'Error', errorCode: '23505', message: 'cannot reach +1415•••199' });
  });

  it('says of an error only what it is: not the request, row or parameters a driver hangs on it', () => {
    const { logger, lines } = capture();
    const driverError = Object.assign(new Error('insert failed'), {
      parameters: ['Hello Jane'],
      query: 'INSERT',
      config: { auth: 'x' },
    });
    logger.error(driverError);
    logger.error({ error: new AggregateError([new Error('one'), new Error('two')], 'all failed') });
    expect(Object.keys(lines[0]?.err ?? {})).toEqual(['type', 'message', 'stack']);
    expect(lines[1]?.['error']).toMatchObject({
      message: 'all failed',
      errors: [{ message: 'one' }, { message: 'two' }],
    });
  });

  it('redacts bodies, codes and credentials wherever they are', () => {
    const { logger, lines } = capture();
    logger.info({
      command: { body: 'Hi', to: '+14155550199' },
      code: '123456',
      headers: { authorization: 'Bearer abc' },
    });
    expect(lines[0]).toMatchObject({
      command: { body: '[redacted]' },
      code: '[redacted]',
      headers: { authorization: '[redacted]' },
    });
  });
});
