import { describe, expect, it } from '@jest/globals';
import { logLevel } from 'kafkajs';
import { type KafkaLogger, logBridge, ownNamespace } from './logger.ts';

function lines() {
  const written: [string, object, string][] = [];
  const at = (level: string) => (fields: object, message: string) => void written.push([level, fields, message]);
  const logger: KafkaLogger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const write = logBridge(logger)(logLevel.INFO);
  const log = (namespace: string, level: logLevel, message: string, fields: object = {}) =>
    write({ namespace, level, label: '', log: { timestamp: '', logger: 'kafkajs', message, ...fields } });
  return { written, log };
}

describe('logBridge', () => {
  it.each([
    ['a rebalance', 'Runner', logLevel.WARN, 'The group is rebalancing, re-joining', {}, 'debug'],
    [
      'a coordinator that is not there yet',
      'Connection',
      logLevel.ERROR,
      'Response GroupCoordinator(key: 10, version: 2)',
      { error: 'The group coordinator is not available' },
      'debug',
    ],
    ['a kafkajs retry', 'BrokerPool', logLevel.ERROR, 'Failed to connect to seed broker', { retryCount: 1 }, 'warn'],
    ['what kafkajs gives up on', 'Consumer', logLevel.ERROR, 'Crash: KafkaJSNonRetriableError', {}, 'error'],
    ['chatter', 'Consumer', logLevel.INFO, 'Starting', {}, 'debug'],
    ['our own info', ownNamespace, logLevel.INFO, 'hello', {}, 'info'],
  ] as const)('writes %s at its level', (_label, namespace, level, message, fields, expected) => {
    const { written, log } = lines();
    log(namespace, level, message, fields);
    expect(written.map(([to, , text]) => [to, text])).toEqual([[expected, message]]);
  });

  it('warns once of what every connection reports again and again', () => {
    const { written, log } = lines();
    for (let i = 0; i < 50; i++) log('Connection', logLevel.ERROR, 'Connection error: ECONNREFUSED', { broker: i });
    log('Connection', logLevel.ERROR, 'Connection timeout', {});
    expect(written.filter(([level]) => level === 'warn').map(([, , message]) => message)).toEqual([
      'Connection error: ECONNREFUSED',
      'Connection timeout',
    ]);
    expect(written).toHaveLength(51);
  });
});
