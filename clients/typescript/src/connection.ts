/** A connection to the relay, for one stream: how it is made, and how it is dropped. */
import { readFile } from 'node:fs/promises';
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from '@grpc/grpc-js';
import { OptionsError } from './errors.js';
import { RelayServiceClient } from './generated/smilerelay/v1/service.js';
import type { Settings, TlsOptions } from './options.js';
import { SocketKeeper } from './sockets.js';

const MiB = 1024 * 1024;

export interface Connection {
  /** Begins a call, which makes the connection. */
  call<T>(begin: (client: RelayServiceClient) => T): T;
  /** What to send with a call: the token, if there is one, read just now. */
  metadata(): Promise<Metadata>;
  /** Is told that the call is answered: the connection is made. */
  connected(): void;
  /** Ends the calls that are left, and drops the connection without waiting for the other side. */
  close(): void;
}

/**
 * Prepares a connection; it is made with the first call. A channel is used for one stream, and has one HTTP/2
 * connection of its own: no state of an earlier failure (grpc-js's own backoff, a cached name resolution, a connection
 * that is dead but not known to be) stands in the way of the next attempt.
 *
 * @param maxEventBytes the largest event to be received.
 * @throws OptionsError if a certificate, a key or a CA can't be read.
 */
export async function connect(settings: Settings, maxEventBytes: number): Promise<Connection> {
  const channel = channelOptions(settings, maxEventBytes);
  const client = new RelayServiceClient(settings.target.uri, await channelCredentials(settings.tls), channel);
  const sockets = new SocketKeeper();
  return {
    call: (begin) => sockets.keep(() => begin(client)),
    metadata: () => metadata(settings.tokenFile),
    connected: () => sockets.settle(),
    close() {
      client.close();
      sockets.destroy();
    },
  };
}

function channelOptions(settings: Settings, maxEventBytes: number): ChannelOptions {
  const serverName = settings.tls && settings.tls.serverName;
  // On a Unix socket, `:authority` has to be something that an HTTP/2 server accepts: a path is not.
  const authority = serverName || (settings.target.uri.startsWith('unix:') ? 'localhost' : undefined);
  return {
    'grpc.max_receive_message_length': maxEventBytes + MiB,
    // What the relay may send ahead of the handler, unread. Node's 64 KiB would cost a replay a third of its speed.
    'grpc-node.flow_control_window': 256 * 1024,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // Channels to the same address share their connections by default, also beyond their end.
    'grpc.use_local_subchannel_pool': 1,
    // `subscribe` retries itself, and knows where to resume.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_channelz': 0,
    // A proxy named by the environment has no way to this machine's loopback.
    ...(settings.target.isLocal && { 'grpc.enable_http_proxy': 0 }),
    ...(authority && { 'grpc.default_authority': authority }),
    ...(serverName && { 'grpc.ssl_target_name_override': serverName }),
  };
}

async function channelCredentials(tls: TlsOptions | undefined): Promise<ChannelCredentials> {
  if (!tls) return credentials.createInsecure();
  const [ca, key, cert] = await Promise.all([read(tls.caFile), read(tls.keyFile), read(tls.certFile)]);
  try {
    return credentials.createSsl(ca, key, cert);
  } catch (error) {
    throw new OptionsError(`tls: the certificates can't be used: ${messageOf(error)}`, { cause: error });
  }
}

async function metadata(tokenFile: string | undefined): Promise<Metadata> {
  const metadata = new Metadata();
  if (tokenFile !== undefined) {
    const token = (await read(tokenFile)).toString('utf8').trim();
    // Visible ASCII: what a header can carry. The token itself is never repeated in a message.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new OptionsError(`${tokenFile} holds no token`);
    metadata.set('authorization', `Bearer ${token}`);
  }
  return metadata;
}

async function read(path: string): Promise<Buffer>;
async function read(path: string | undefined): Promise<Buffer | null>;
async function read(path: string | undefined): Promise<Buffer | null> {
  if (path === undefined) return null;
  try {
    return await readFile(path);
  } catch (error) {
    throw new OptionsError(`${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
