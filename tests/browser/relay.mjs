/** The real relay: started, fed with signed webhooks, killed, and asked what its log holds. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { eventually } from './eventually.mjs';

const binary = process.env['SMILE_RELAY_BIN'];

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Ends this process with the test, whatever becomes of it. */
function watched(child) {
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

/** Runs one of the binary's other commands. */
function run(...args) {
  const ended = promisify(execFile)(binary, args, { maxBuffer: 2 ** 28 });
  watched(ended.child);
  return ended;
}

export class Relay {
  #child;
  #options;
  /** What it said, line by line. */
  log = [];
  /** Addresses by listener: public, grpc, admin. */
  addresses = {};

  /**
   * @param {object} options
   * @param {string} options.directory where its data and its secret are.
   * @param {string} [options.origin] of the pages that may subscribe.
   * @param {{ ca: string, cert: string, key: string }} [options.tls] for the gRPC listener; default: plaintext.
   * @param {{ cert: string, key: string }} [options.publicTls] for the public listener; default: one of its own making.
   * @param {string[]} [options.flags] further ones.
   * @param {object} [addresses] those of the relay before, to be used again.
   */
  static async start(options, addresses = {}) {
    const relay = new Relay();
    await relay.#start(options, addresses);
    return relay;
  }

  async #start(options, addresses) {
    const { directory, origin, tls, publicTls, flags = [] } = options;
    this.#options = options;
    writeFileSync(join(directory, 'secret'), 'web-test-secret\n');
    const listen = (listener) => [`--${listener}-listen`, addresses[listener] ?? '127.0.0.1:0'];
    const child = spawn(
      binary,
      [
        'serve', ...listen('public'), ...listen('grpc'), ...listen('admin'),
        ...(publicTls ? ['--tls-cert', publicTls.cert, '--tls-key', publicTls.key] : ['--tls-self-signed']),
        ...(tls ? ['--grpc-tls-cert', tls.cert, '--grpc-tls-key', tls.key] : []),
        ...(origin ? ['--grpc-web-origin', origin] : []), '--webhook-secret-file', join(directory, 'secret'),
        '--data-dir', join(directory, 'data'), '--allow-any-filesystem', '--log-format', 'json', ...flags,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child = watched(child);
    let isReady = false;
    createInterface(this.#child.stderr).on('line', (line) => {
      this.log.push(line);
      if (!line.startsWith('{')) return;
      const { message, listener, address } = JSON.parse(line).fields;
      if (message === 'listening') this.addresses[listener] = address;
      if (message === 'ready') isReady = true;
    });
    const state = () => ({ isReady, exitCode: this.#child.exitCode, log: this.log });
    const { exitCode } = await eventually('the relay is ready', state, (now) => now.isReady || now.exitCode !== null);
    if (exitCode !== null) throw new Error(`the relay ended with ${exitCode}:\n${this.log.join('\n')}`);
  }

  /** Starts another one on the same ports, after this one has ended. */
  again() {
    return Relay.start(this.#options, this.addresses);
  }

  get pid() {
    return this.#child.pid;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Ends it by this signal, and waits until it has. */
  async end(name) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(name);
    await ended;
  }

  /** Removes its log, once it has ended. */
  forget() {
    rmSync(join(this.#options.directory, 'data'), { recursive: true });
  }

  /** Sends signed webhooks: as `smile-relay trigger` with these arguments. */
  async send(type, ...args) {
    const to = ['--url', `https://${this.addresses.public}/webhooks/smile`, '--insecure'];
    const secret = ['--secret-file', join(this.#options.directory, 'secret')];
    await run('trigger', type, '--quiet', ...to, ...secret, ...args);
  }

  /** What the log holds, read by another client over gRPC: what the page has to show of each event. */
  async events() {
    const { tls } = this.#options;
    const at = ['--address', `${tls ? 'https' : 'http'}://${this.addresses.grpc}`, ...(tls ? ['--ca', tls.ca] : [])];
    const { stdout } = await run('events', 'list', '--all', '--json', ...at);
    return stdout.split('\n').filter(Boolean).map((line) => {
      const event = JSON.parse(line);
      const { netAmount, currency } = event.taskFinished?.payload?.incomes?.items?.[0] ?? {};
      return {
        id: event.id,
        sequence: event.sequence,
        type: event.typeName,
        user: event.userId ?? '',
        time: new Date(event.createdAt).toISOString(),
        income: netAmount ? `${netAmount.value} ${currency}` : '',
      };
    });
  }

  /**
   * Subscribes to what browsers reported, from the first on: `smile-relay tail` is another process, that goes on where it
   * was when the relay is back. What it was given is in `events`, as proto JSON; what it said of itself in `log`.
   */
  followCallbacks() {
    const args = ['tail', '--source', 'widget', '--from-start', '--json', '--address', `http://${this.addresses.grpc}`];
    const child = watched(spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    const [events, log] = [[], []];
    createInterface(child.stdout).on('line', (line) => events.push(JSON.parse(line)));
    createInterface(child.stderr).on('line', (line) => log.push(line));
    return { events, log, stop: () => child.kill() };
  }

  /** Makes a token as an application's back-end would, by reflection. Returns it, and when it expires. */
  async createToken(request) {
    const method = 'smilerelay.v1.CallbackTokenService/CreateCallbackToken';
    const made = promisify(execFile)('grpcurl', ['-plaintext', '-d', JSON.stringify(request), this.addresses.grpc, method]);
    watched(made.child);
    const { token, expiresAt } = JSON.parse((await made).stdout);
    return { token, expiresAt: new Date(expiresAt) };
  }

  async metric(name) {
    const metrics = await (await fetch(`http://${this.addresses.admin}/metrics`)).text();
    const line = metrics.split('\n').find((line) => line.startsWith(`${name} `));
    if (!line) throw new Error(`there is no metric ${name}`);
    return Number(line.slice(name.length));
  }
}
