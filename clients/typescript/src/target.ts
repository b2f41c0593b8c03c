import { isIPv4 } from 'node:net';
import { OptionsError } from './errors.js';

/** Where a relay listens. */
export interface Target {
  /** For grpc-js, with its scheme: a host may be called `unix` or `ipv4`. */
  uri: string;
  /** Whether what is sent there can't leave this machine: a Unix socket, or a loopback address. */
  isLocal: boolean;
}

/** Reads `host:port`, `[IPv6]:port` or `unix:/path` (also written `unix:///path`). */
export function parseTarget(target: string): Target {
  if (target.startsWith('unix:')) {
    if (/^unix:(\/\/)?\/[^/]/.test(target)) return { uri: target, isLocal: true };
  } else {
    const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:/[\]\s]+):(\d{1,5})$/i.exec(target) ?? [];
    if (host && Number(port) > 0 && Number(port) < 65_536) return { uri: `dns:${target}`, isLocal: isLoopback(host) };
  }
  throw new OptionsError(`target: '${target}' is none of host:port, [IPv6]:port and unix:/path`);
}

function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}
