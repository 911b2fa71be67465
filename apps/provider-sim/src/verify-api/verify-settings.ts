import { z } from 'zod';

const DEFAULT_TTL_MS = 600_000;

/** What `POST /_sim/verify` takes: it replaces the settings, `{}` restores them. */
export const verifySettings = z.strictObject({
  /** How long verifications that begin from now on can be checked. */
  ttlMs: z.int().min(1).max(86_400_000).default(DEFAULT_TTL_MS),
  /** Beginnings of numbers that are landlines. */
  landlines: z.array(z.string().regex(/^\+\d+$/, 'must be the beginning of an E.164 number')).default([]),
});

export type VerifySettings = z.output<typeof verifySettings>;

/** The settings in force. */
export class VerifyPlay {
  #settings = verifySettings.parse({});

  get settings(): VerifySettings {
    return this.#settings;
  }

  replace(settings: VerifySettings): void {
    this.#settings = settings;
  }

  clear(): void {
    this.replace(verifySettings.parse({}));
  }

  isLandline(to: string): boolean {
    return this.#settings.landlines.some((prefix) => to.startsWith(prefix));
  }
}
