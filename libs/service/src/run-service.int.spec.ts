import { afterEach, describe, expect, it } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { fileURLToPath } from 'node:url';

type Line = Record<string, unknown> & { level: string; msg: string };

const fixture = fileURLToPath(new URL('../test/fixture-service.ts', import.meta.url));
const hooks = new URL('../test/swc-hooks.mjs', import.meta.url).href;

/** A service in a process of its own: what it logs, what it says, and how it ends. */
class Run {
  readonly lines: Line[] = [];
  readonly said: string[] = [];
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();

  constructor(env: Record<string, string> = {}) {
    this.#child = fork(fixture, {
      execArgv: ['--conditions=@signalbox/source', '--import', hooks],
      env: { PATH: process.env['PATH'], HOST: '127.0.0.1', MUST_HAVE: 'x', ...env },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts.map((part) => JSON.parse(part) as Line));
      this.#listeners.forEach((check) => check());
    });
    this.#child.on('message', (message: string) => {
      this.said.push(message);
      this.#listeners.forEach((check) => check());
    });
    this.exit = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  /** Waits until the condition holds; the exit of the process ends the wait. */
  async until<T>(condition: () => T | undefined): Promise<T> {
    for (;;) {
      const { promise: changed, resolve } = Promise.withResolvers<void>();
      this.#listeners.add(resolve);
      const value = condition();
      if (value !== undefined) return value;
      const ended = await Promise.race([changed.then(() => false), this.exit.then(() => true)]);
      this.#listeners.delete(resolve);
      if (ended) throw new Error(`ended before that: ${JSON.stringify(this.lines)}`);
    }
  }

  url(): Promise<string> {
    return this.until(() => this.lines.find((line) => line['url'])?.['url'] as string | undefined);
  }

  says(message: string): Promise<true> {
    return this.until(() => this.said.includes(message) || undefined);
  }

  logs(text: string): Promise<Line> {
    return this.until(() => this.lines.find((line) => line.msg.includes(text)));
  }

  letGo(): void {
    this.#child.send('let go');
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

const runs: Run[] = [];
function run(env?: Record<string, string>): Run {
  const started = new Run(env);
  runs.push(started);
  return started;
}

afterEach(async () => {
  for (const started of runs.splice(0)) {
    started.kill('SIGKILL');
    await started.exit;
  }
});

describe('runService', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s finishes the request under way, runs the hooks and exits 0',
    async (signal) => {
      const service = run();
      const url = await service.url();
      const slow = fetch(`${url}/slow`);
      await service.says('slow is under way');
      service.kill(signal);
      await service.logs('is stopping');
      await refusesConnections(url);
      service.letGo();
      expect(await (await slow).json()).toEqual({ done: true });
      expect(await service.exit).toBe(0);
      expect(service.said).toContain('hooks ran');
      expect(service.lines.map((line) => line.level)).not.toContain('error');
    },
  );

  it('exits 1 and names what is open when the stop takes too long', async () => {
    const service = run({ SHUTDOWN_TIMEOUT_SECONDS: '0.2' });
    const slow = fetch(`${await service.url()}/slow`).catch(() => 'cut off');
    await service.says('slow is under way');
    service.kill('SIGTERM');
    expect(await service.exit).toBe(1);
    expect(service.lines.at(-1)).toMatchObject({
      level: 'fatal',
      msg: 'not stopped within 0.2 s',
      open: { TCPSocketWrap: expect.any(Number) },
    });
    expect(await slow).toBe('cut off');
  });

  it('exits 1 at once on a second signal', async () => {
    const service = run();
    void fetch(`${await service.url()}/slow`).catch(() => undefined);
    await service.says('slow is under way');
    service.kill('SIGTERM');
    await service.logs('is stopping');
    service.kill('SIGTERM');
    expect(await service.exit).toBe(1);
    expect(service.said).not.toContain('hooks ran');
  });

  it.each([
    ['uncaught', 'uncaught exception: nobody caught this'],
    ['rejected', 'unhandled rejection: nobody awaited this'],
  ])('exits 1 on what was %s, with the error in the log', async (path, msg) => {
    const service = run();
    await fetch(`${await service.url()}/${path}`).catch(() => undefined);
    expect(await service.exit).toBe(1);
    expect(service.lines.at(-1)).toMatchObject({ level: 'fatal', msg, err: { stack: expect.any(String) } });
  });

  it.each<[string, Record<string, string>, object]>([
    [
      'names every fault of the configuration, without a stack or a value',
      { MUST_HAVE: '', PORT: 'secret', LOG_LEVEL: 'secret' },
      {
        msg: expect.stringMatching(
          /^fixture-svc cannot start: configuration: PORT: .*; LOG_LEVEL: .*; MUST_HAVE: is required$/,
        ),
        faults: expect.any(Array),
      },
    ],
    [
      'names what it could not reach',
      { FAIL: 'the broker' },
      { msg: 'fixture-svc cannot start: cannot reach the broker' },
    ],
  ])('a failed start %s, in one line', async (_label, env, line) => {
    const service = run(env);
    expect(await service.exit).toBe(1);
    expect(service.lines).toEqual([expect.objectContaining({ level: 'fatal', ...line })]);
    expect(JSON.stringify(service.lines)).not.toContain('secret');
  });

  it('says in one line that its port is taken', async () => {
    const port = new URL(await run().url()).port;
    const second = run({ PORT: port });
    expect(await second.exit).toBe(1);
    expect(second.lines).toEqual([
      expect.objectContaining({ msg: `fixture-svc cannot start: port ${port} is already in use` }),
    ]);
  });

  it('logs a bug once, with its route and trace and without the number, and answers with the trace id', async () => {
    const service = run();
    const answer = (await (await fetch(`${await service.url()}/bug`)).json()) as { traceId: string };
    const line = await service.logs('request failed');
    expect(line).toMatchObject({
      level: 'error',
      method: 'GET',
      route: '/bug',
      trace_id: answer.traceId,
      err: { type: 'TypeError', message: 'bug with +1415•••199' },
    });
    service.kill('SIGTERM');
    await service.exit;
    expect(service.lines.filter((one) => one.level === 'error')).toHaveLength(1);
  });

  it('sends its spans to the collector before it ends', async () => {
    const received: string[] = [];
    const collector = createServer((request, response) => {
      request.setEncoding('latin1').on('data', (chunk: string) => received.push(chunk));
      request.on('end', () => response.end());
    });
    await once(collector.listen(0, '127.0.0.1'), 'listening');
    const { port } = collector.address() as AddressInfo;
    const service = run({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
    await fetch(`${await service.url()}/bug`);
    service.kill('SIGTERM');
    expect(await service.exit).toBe(0);
    expect(received.join('')).toMatch(/fixture-svc[^]*GET \/bug/);
    collector.close();
  });

  it('ends also when the collector is away', async () => {
    const service = run({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', SHUTDOWN_TIMEOUT_SECONDS: '15' });
    await fetch(`${await service.url()}/bug`);
    service.kill('SIGTERM');
    expect(await service.exit).toBe(0);
    expect(service.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: expect.stringMatching(/tracing|spans/) }),
    );
  });
});

async function refusesConnections(url: string): Promise<void> {
  const { port, hostname } = new URL(url);
  for (;;) {
    const socket = connect(Number(port), hostname);
    const refused = await once(socket, 'connect').then(
      () => false,
      () => true,
    );
    socket.destroy();
    if (refused) return;
  }
}
