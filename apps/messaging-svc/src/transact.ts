/** To inject the service's `Transact`; it wakes the outbox relay after each commit. */
export const TRANSACT = Symbol('transact');
