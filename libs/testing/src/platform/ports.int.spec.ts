import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { freePort, takenPorts } from './ports.ts';

let holder: Server;
let port: number;
beforeAll(async () => {
  holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  port = (holder.address() as AddressInfo).port;
});
afterAll(() => void holder.close());

it('says who holds a port, and how to use another', async () => {
  const faults = await takenPorts([{ name: 'webhook-ingest', port, variable: 'INGEST_PORT' }]);
  expect(faults).toEqual([
    expect.stringMatching(
      new RegExp(
        `^port ${port}, needed by webhook-ingest, is taken by process ${process.pid} \\(.*node.*\\): stop that, or set INGEST_PORT to another port$`,
      ),
    ),
  ]);
});

it('names all faults at once, also a port that two services claim', async () => {
  const free = await freePort();
  const faults = await takenPorts([
    { name: 'kafka', port },
    { name: 'messaging-svc', port: free },
    { name: 'provider-sim', port: free },
  ]);
  expect(faults).toEqual([
    `port ${free} is claimed twice, the second time for provider-sim`,
    expect.stringMatching(`^port ${port}, needed by kafka, is taken`),
  ]);
});

it('has nothing to say about free ports', async () => {
  expect(await takenPorts([{ name: 'kafka', port: await freePort() }])).toEqual([]);
});

it('never gives the same free port twice', async () => {
  const ports: number[] = [];
  for (let index = 0; index < 2_000; index++) ports.push(await freePort());
  expect(new Set(ports).size).toBe(ports.length);
});
