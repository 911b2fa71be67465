import { type LogEntry, logLevel, type logCreator } from 'kafkajs';

/** The part of a pino logger this library needs. */
export interface KafkaLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What kafkajs reports loudly although it is how starting up, rebalancing and being idempotent look like. */
const expected = [
  /rebalancing/i,
  /coordinator is not aware of this member/i,
  /coordinator (is )?not available/i,
  /coordinator is loading/i,
  /not the (correct )?coordinator/i,
  /specified group generation id is not valid/i,
  /there is no leader for this topic-partition/i,
  /not the leader for that topic-partition/i,
  /does not host this topic-partition/i,
  /limiting retries for the idempotent producer/i,
  /another concurrent operation on the same transaction/i,
  /the producer session has ended/i,
];

type Level = keyof KafkaLogger;

const levels: Partial<Record<logLevel, Level>> = {
  [logLevel.ERROR]: 'error',
  [logLevel.WARN]: 'warn',
  [logLevel.INFO]: 'debug',
  [logLevel.DEBUG]: 'debug',
};

/** kafkajs retries by itself most of what it logs as an error, so that is a warning here; what it gives up on is rejected to us. */
function levelOf(level: logLevel, message: string, fields: Record<string, unknown>): Level {
  const said = `${message} ${typeof fields['error'] === 'string' ? fields['error'] : ''}`;
  if (expected.some((pattern) => pattern.test(said))) return 'debug';
  if (level === logLevel.ERROR && ('retryCount' in fields || 'retryTime' in fields)) return 'warn';
  if (level === logLevel.ERROR && message.startsWith('Response ')) return 'warn';
  if (level === logLevel.ERROR && message.startsWith('Connection ')) return 'warn';
  return levels[level] ?? 'debug';
}

/** Logger namespace of this library's own lines, which are passed on as they are. */
export const ownNamespace = 'Signalbox';

const ownLevels: Partial<Record<logLevel, Level>> = { ...levels, [logLevel.INFO]: 'info' };

/** A broker that is away is reported by every connection that tries it, several times a second. */
const quietMs = 10_000;

/** Carries kafkajs's log lines over to ours, at the level they deserve, and repeated warnings once in ten seconds. */
export function logBridge(logger: KafkaLogger): logCreator {
  const warned = new Map<string, number>();
  const isRepeated = (line: string, now: number): boolean => {
    if (now - (warned.get(line) ?? Number.NEGATIVE_INFINITY) < quietMs) return true;
    if (warned.size > 100) warned.clear();
    warned.set(line, now);
    return false;
  };
  return () =>
    ({ namespace, level, log }: LogEntry) => {
      const { message, timestamp: _timestamp, logger: _logger, ...fields } = log;
      if (namespace === ownNamespace) {
        logger[ownLevels[level] ?? 'debug'](fields, message);
        return;
      }
      const deserved = levelOf(level, message, fields);
      const shown = deserved === 'warn' && isRepeated(`${namespace} ${message}`, Date.now()) ? 'debug' : deserved;
      logger[shown]({ kafkajs: namespace, ...fields }, message);
    };
}
