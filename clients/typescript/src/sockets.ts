import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';

/** Where Node tells of each socket that is about to connect, within the work that wants it. */
const newSockets = 'net.client.socket';

/**
 * Knows the sockets that grpc-js opens for a call, to close them without waiting.
 *
 * A channel that is closed says goodbye, and waits for the other side to do so too. A relay that hangs never does, nor
 * does a host that is gone answer a connection attempt: each reconnection would leave a socket behind, and the process
 * could not end. grpc-js has no way to give them up, so they are noticed where Node makes them.
 */
export class SocketKeeper {
  readonly #sockets = new Set<Socket>();
  readonly #mine = new AsyncLocalStorage<true>();

  /** Runs something, and keeps the sockets that are opened because of it, now or until `settle`. */
  keep<T>(run: () => T): T {
    subscribe(newSockets, this.#notice);
    return this.#mine.run(true, run);
  }

  /** No more sockets are opened. What was needed to notice them is let go of: in Node 20, it slows promises down. */
  settle(): void {
    unsubscribe(newSockets, this.#notice);
    this.#mine.disable();
  }

  destroy(): void {
    this.settle();
    for (const socket of this.#sockets) socket.destroy();
  }

  readonly #notice = (message: unknown): void => {
    const { socket } = message as { socket: unknown };
    if (!this.#mine.getStore() || !(socket instanceof Socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  };
}
