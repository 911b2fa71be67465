import { Readable } from 'node:stream';
import { Module, type ModuleMetadata } from '@nestjs/common';
import { startService, TOKEN_DIRECTORY } from '@signalbox/service';
import { z } from 'zod';

/** Whose a token is, and what it may do. */
export interface TestToken {
  readonly tenant: object;
  readonly name?: string;
  readonly scopes: readonly string[];
}

export interface TestApiOptions extends Pick<ModuleMetadata, 'controllers' | 'providers'> {
  /** By token; the first is the one that calls use. */
  readonly tokens: Readonly<Record<string, TestToken>>;
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the answer is none. */
  readonly json: Body;
}

export interface TestApi {
  readonly url: string;
  /** @param body an object goes as JSON, a string or a stream as CSV */
  call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<Answer<Body>>;
  stop(): Promise<void>;
}

@Module({})
class SpecModule {}

/** Controllers of a service behind the HTTP server that every service has, without the rest of it. */
export async function testApi({ controllers, providers = [], tokens }: TestApiOptions): Promise<TestApi> {
  const [usual] = Object.keys(tokens);
  const directory = { byApiToken: (token: string) => (Object.hasOwn(tokens, token) ? tokens[token] : undefined) };
  const service = await startService(
    {
      name: 'spec',
      port: 0,
      config: z.object({}),
      module: () => ({
        module: SpecModule,
        controllers,
        providers: [{ provide: TOKEN_DIRECTORY, useValue: directory }, ...providers],
      }),
      openapi: { title: 'spec' },
    },
    { PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'silent' },
  );
  return {
    url: service.url,
    stop: () => service.stop(),
    async call<Body>(method: string, path: string, body?: unknown, token = usual) {
      const csv = typeof body === 'string' || body instanceof Readable;
      const response = await fetch(`${service.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': csv ? 'text/csv' : 'application/json' }),
        },
        ...(body !== undefined && { body: csv ? (body as string) : JSON.stringify(body), duplex: 'half' }),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
      const json = (isJson ? JSON.parse(text) : undefined) as Body;
      return { status: response.status, headers: response.headers, text, json };
    },
  };
}
