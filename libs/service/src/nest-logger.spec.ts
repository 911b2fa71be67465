import { describe, expect, it } from '@jest/globals';
import { createLogger } from '@signalbox/telemetry';
import { NestLogger } from './nest-logger.ts';

function capture() {
  const lines: unknown[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { nest: new NestLogger(createLogger('test-svc', { level: 'trace', destination })), lines };
}

describe('NestLogger', () => {
  it.each<[string, (nest: NestLogger) => void, object]>([
    [
      'chatter is for debugging',
      (nest) => nest.log('Mapped {/v1}', 'RouterExplorer'),
      { level: 'debug', msg: 'Mapped {/v1}', context: 'RouterExplorer' },
    ],
    ['warnings', (nest) => nest.warn('careful', 'Injector'), { level: 'warn', msg: 'careful', context: 'Injector' }],
    [
      'errors keep their stack',
      (nest) => nest.error(new TypeError('to +14155550199'), 'Rpc'),
      { level: 'error', msg: 'to +1415•••199', err: { type: 'TypeError', stack: expect.any(String) } },
    ],
    ['verbose', (nest) => nest.verbose('x'), { level: 'trace', msg: 'x' }],
    ['fatal', (nest) => nest.fatal('x', 'App'), { level: 'fatal', msg: 'x' }],
  ])('%s', (_label, write, line) => {
    const { nest, lines } = capture();
    write(nest);
    expect(lines).toMatchObject([line]);
  });

  it.each(['ExceptionHandler', 'NestApplication'])('leaves the failed start to who reports it (%s)', (context) => {
    const { nest, lines } = capture();
    nest.error(new Error('no provider'), context);
    expect(lines).toEqual([]);
  });
});
