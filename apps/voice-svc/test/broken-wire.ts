import { type AddressInfo, createServer, type Server, Socket } from 'node:net';

/** A wire to a database that can be cut, or fall silent, and be mended. */
export class BrokenWire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: 'whole' | 'cut' | 'silent' = 'whole';

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      if (this.#state === 'cut') return void client.destroy();
      this.#keep(client);
      if (this.#state === 'silent') return;
      const upstream = new Socket().connect(port, host);
      this.#keep(upstream);
      client.pipe(upstream).pipe(client);
    });
  }

  static async to(url: string): Promise<BrokenWire> {
    const { hostname, port } = new URL(url);
    const wire = new BrokenWire(hostname, Number(port));
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  /** The same database by way of the wire. */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String((this.#server.address() as AddressInfo).port);
    return changed.href;
  }

  /** Nobody is there any more. */
  cut(): void {
    this.#state = 'cut';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Who is there says nothing any more. */
  silence(): void {
    this.#state = 'silent';
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  mend(): void {
    this.#state = 'whole';
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
  }
}
