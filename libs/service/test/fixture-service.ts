import { once } from 'node:events';
import { Controller, Get, Module, type OnApplicationShutdown } from '@nestjs/common';
import { z } from 'zod';
import { runService } from '../src/index.ts';

/** A service with a fault of each kind, for tests that need a process, its signals and its exit code. */
@Controller()
class FaultsController implements OnApplicationShutdown {
  /** Answers when the test lets it go. */
  @Get('slow')
  async slow() {
    process.send?.('slow is under way');
    await once(process, 'message');
    return { done: true };
  }

  @Get('bug')
  bug() {
    throw new TypeError('bug with +14155550199');
  }

  @Get('uncaught')
  uncaught() {
    setImmediate(() => {
      throw new Error('nobody caught this');
    });
    return {};
  }

  @Get('rejected')
  rejected() {
    void Promise.reject(new Error('nobody awaited this'));
    return {};
  }

  onApplicationShutdown() {
    process.send?.('hooks ran');
  }
}

@Module({ controllers: [FaultsController] })
class FixtureModule {}

await runService({
  name: 'fixture-svc',
  port: 0,
  config: z.object({ MUST_HAVE: z.string(), FAIL: z.string().optional() }),
  module: ({ config }) => {
    if (config.FAIL) throw new Error(`cannot reach ${config.FAIL}`);
    return FixtureModule;
  },
});
