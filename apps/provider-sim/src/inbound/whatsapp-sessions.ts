const SESSION_MS = 24 * 3_600_000;

/** Who wrote in over WhatsApp, and when last: free text may be sent to them for a day. */
export class WhatsAppSessions {
  readonly #lastInbound = new Map<string, number>();

  open(person: string, now: number): void {
    this.#lastInbound.set(person, now);
  }

  isOpen(person: string, now: number): boolean {
    return now - (this.#lastInbound.get(person) ?? -Infinity) < SESSION_MS;
  }

  clear(): void {
    this.#lastInbound.clear();
  }
}
