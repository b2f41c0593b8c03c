/** A small static server: pages on an origin. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

const types = { 'index.html': 'text/html; charset=utf-8', 'main.js': 'text/javascript', 'style.css': 'text/css' };

/**
 * Serves the built page.
 *
 * @param {URL} directory where it is.
 * @param {{ cert: string, key: string }} [tls] default: plain HTTP.
 * @returns {Promise<{ port: number, close: () => void }>}
 */
export function serve(directory, tls) {
  const files = new Map(
    Object.entries(types).map(([name, type]) => [`/${name}`, { type, content: readFileSync(new URL(name, directory)) }]),
  );
  return serveFiles(files, tls);
}

/**
 * Serves what the map holds when it is asked for.
 *
 * @param {Map<string, { type: string, content: string | Buffer }>} files by path.
 * @param {{ cert: string, key: string }} [tls] default: plain HTTP.
 * @returns {Promise<{ port: number, close: () => void }>}
 */
export async function serveFiles(files, tls) {
  const answer = (request, response) => {
    const { pathname } = new URL(request.url, 'http://any');
    const file = files.get(pathname === '/' ? '/index.html' : pathname);
    response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.content ?? 'not here');
  };
  const server = tls
    ? createTlsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, answer)
    : createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
