import { createServer } from 'node:net';
import { processesListeningOn } from './process-table.ts';

export interface PortClaim {
  readonly port: number;
  /** Who needs it, and the variable that moves it elsewhere. */
  readonly name: string;
  readonly variable?: string;
}

/** Every claimed port that is in use, as lines a person can act on. */
export async function takenPorts(claims: readonly PortClaim[]): Promise<string[]> {
  const twice = claims.filter((claim, i) => claims.findIndex((other) => other.port === claim.port) !== i);
  const faults = twice.map((claim) => `port ${claim.port} is claimed twice, the second time for ${claim.name}`);
  for (const claim of claims) {
    if (await isFree(claim.port)) continue;
    const holders = await processesListeningOn(claim.port);
    const by =
      holders.length > 0
        ? ` by ${holders.map((holder) => `process ${holder.pid} (${holder.command})`).join(', ')}`
        : '';
    const elsewhere = claim.variable ? `, or set ${claim.variable} to another port` : '';
    faults.push(`port ${claim.port}, needed by ${claim.name}, is taken${by}: stop that${elsewhere}`);
  }
  return faults;
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}

/** A port nobody listens on now. The system hands out others for a while, so it stays free for the moment it is needed. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await unusedPort();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

/** The system may name a port again as soon as it is closed, while whoever got it first has not opened it yet. */
const given = new Set<number>();

async function unusedPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
