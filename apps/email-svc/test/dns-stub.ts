import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What a name server says of a name: its TXT records, a failure of its own, or nothing at all. */
export type StubName = readonly string[] | 'fails' | 'is silent';

/** A name server for TXT records; a name that it does not know does not exist. */
export async function dnsStub() {
  const names = new Map<string, StubName>();
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const name = nameIn(query);
    asked.push(name);
    const said = names.get(name);
    if (said !== 'is silent') socket.send(answer(query, said), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    /** For DNS_SERVERS. */
    address: `127.0.0.1:${socket.address().port}`,
    names,
    asked,
    async stop() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

export type DnsStub = Awaited<ReturnType<typeof dnsStub>>;

/** Where the question begins. Source: RFC 1035, 4.1.1. */
const headerLength = 12;

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = headerLength; query[at]; at += (query[at] ?? 0) + 1) {
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
  }
  return labels.join('.').toLowerCase();
}

function answer(query: Buffer, said: Exclude<StubName, 'is silent'> | undefined): Buffer {
  const question = query.subarray(headerLength, headerLength + nameIn(query).length + 2 + 4);
  const records = Array.isArray(said) ? (said as readonly string[]).map(record) : [];
  const header = Buffer.alloc(headerLength);
  query.copy(header, 0, 0, 2);
  // A response, recursion available; SERVFAIL, NXDOMAIN, or no error.
  header.writeUInt16BE(0x8180 | (said === 'fails' ? 2 : said === undefined ? 3 : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

/** A TXT record of the name that was asked for, in pieces of at most 255 octets. */
function record(text: string): Buffer {
  const pieces = text.match(/[^]{1,255}/g) ?? [''];
  const data = Buffer.concat(
    pieces.map((piece) => Buffer.from(`${String.fromCharCode(piece.length)}${piece}`, 'latin1')),
  );
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc000 | headerLength, 0);
  head.writeUInt16BE(16, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
