/** Numbers that Fraud Guard does not block, by account; each with its SID. */
export class SafeList {
  #sids = new Map<string, string>();

  add(accountSid: string, number: string, sid: string): string {
    const key = keyOf(accountSid, number);
    const known = this.#sids.get(key);
    if (known === undefined) this.#sids.set(key, sid);
    return known ?? sid;
  }

  find(accountSid: string, number: string): string | undefined {
    return this.#sids.get(keyOf(accountSid, number));
  }

  has(accountSid: string, number: string): boolean {
    return this.#sids.has(keyOf(accountSid, number));
  }

  remove(accountSid: string, number: string): boolean {
    return this.#sids.delete(keyOf(accountSid, number));
  }

  clear(): void {
    this.#sids = new Map();
  }
}

const keyOf = (accountSid: string, number: string) => `${accountSid} ${number}`;
