import { expect } from '@jest/globals';
import type { RunInfo } from '@signalbox/testing/platform';

/** A verification as the simulator has it, behind the counter. */
export interface AtProvider {
  readonly sid: string;
  readonly to: string;
  readonly code: string;
  readonly status: string;
  readonly channel: string;
  readonly checks: number;
  readonly sends: number;
  readonly attempts: readonly { channel: string }[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { verificationId: string; state: string };
}

export interface Story {
  readonly verificationId: string;
  readonly state: string;
  readonly sequence: number;
  readonly refused: string | null;
  readonly checks: number;
  readonly attempts: readonly { channel: string; why: string; state: string; delivery: string | null }[];
  readonly history: readonly { kind: string; detail: Record<string, unknown> }[];
}

/** What a product team does, and a look behind the provider's counter. */
export class VerifyClient {
  #numbers = 0;

  /** @param range the middle of the numbers handed out: `+1415<range>0000` and so on */
  constructor(
    private readonly info: () => RunInfo,
    private readonly range: string,
  ) {}

  /** One that nobody has used. */
  number(): string {
    // Far from each other, so that they do not look like an attack on neighbours.
    return `+1${this.range}${String(2_000_000 + ((this.#numbers++ * 104_729) % 7_999_999))}`;
  }

  async api(path: string, body?: object, service = 'verify-svc', method = body ? 'POST' : 'GET'): Promise<Answer> {
    const { services, tokens } = this.info();
    const response = await fetch(`${services[service]}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokens.admin}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
  }

  start(to: string, more: object = {}, service?: string): Promise<Answer> {
    return this.api('/v1/verifications', { idempotencyKey: crypto.randomUUID(), to, channel: 'sms', ...more }, service);
  }

  check(id: string, code: string, service?: string): Promise<Answer> {
    return this.api(`/v1/verifications/${id}/check`, { code }, service);
  }

  async story(id: string): Promise<Story> {
    const { status, body } = await this.api(`/v1/verifications/${id}`);
    expect(status).toBe(200);
    return body as unknown as Story;
  }

  async atProvider(to: string): Promise<AtProvider[]> {
    const query = new URLSearchParams({ to });
    return (await (
      await fetch(`${this.info().simulator}/_sim/verifications?${query.toString()}`)
    ).json()) as AtProvider[];
  }

  async codeFor(to: string): Promise<string> {
    return (await this.atProvider(to)).at(-1)?.code ?? '';
  }

  /** A code that is not right. */
  async wrongCodeFor(to: string): Promise<string> {
    const code = await this.codeFor(to);
    return `${(Number(code.at(0)) + 1) % 10}${code.slice(1)}`;
  }

  async control(path: string, body: object): Promise<void> {
    const response = await fetch(`${this.info().simulator}/_sim/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBeLessThan(300);
  }
}
