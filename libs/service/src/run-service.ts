import { type Logger, createLogger, isError } from '@signalbox/telemetry';
import type { z } from 'zod';
import type { ConfigError } from './config.ts';
import { type RunningService, type ServiceOptions, startService } from './service.ts';

/**
 * The one way a process starts. It ends with exit code 0 after a graceful stop (SIGTERM, SIGINT); with 1 when it cannot
 * start, on an uncaught error, when the stop takes longer than `SHUTDOWN_TIMEOUT_SECONDS`, and on a second signal.
 */
export async function runService<Schema extends z.ZodObject>(options: ServiceOptions<Schema>): Promise<void> {
  // Its own logger: an uncaught error must reach the log even when the configuration names no valid level.
  const logger = createLogger(options.name, { level: 'info' });
  process.on('uncaughtException', (err) => exitWith(logger, err, 'uncaught exception'));
  process.on('unhandledRejection', (err) => exitWith(logger, err, 'unhandled rejection'));
  let service: RunningService;
  try {
    service = await startService(options);
  } catch (error) {
    exitWith(logger, error, `${options.name} cannot start`);
    return;
  }
  stopOnSignal(service);
}

function exitWith(logger: Logger, error: unknown, what: string): void {
  const faults = faultsOf(error);
  if (faults) {
    logger.fatal({ faults }, `${what}: ${(error as Error).message}`);
  } else {
    logger.fatal({ err: error }, `${what}: ${isError(error) ? error.message : String(error)}`);
  }
  process.exit(1);
}

/** A stack says nothing about a bad configuration, whether of the environment or of a file read at start. */
function faultsOf(error: unknown): readonly unknown[] | undefined {
  const { faults } = error as Partial<ConfigError>;
  return isError(error) && Array.isArray(faults) ? faults : undefined;
}

function stopOnSignal(service: RunningService): void {
  let stopping = false;
  const onSignal = (signal: string): void => {
    if (stopping) {
      service.logger.fatal({ signal }, 'second signal: exiting at once');
      process.exit(1);
    }
    stopping = true;
    void stopInTime(service, signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

async function stopInTime(service: RunningService, signal: string): Promise<void> {
  const seconds = service.config.SHUTDOWN_TIMEOUT_SECONDS;
  const timer = setTimeout(() => {
    service.logger.fatal({ open: openResources() }, `not stopped within ${seconds} s`);
    process.exit(1);
  }, seconds * 1000);
  try {
    await service.stop(signal);
    clearTimeout(timer);
    process.exit(0);
  } catch (err) {
    service.logger.fatal({ err }, 'the stop failed');
    process.exit(1);
  }
}

/** What keeps the process alive, by kind: `{ TCPSocketWrap: 3, Timeout: 1 }`. */
function openResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
