/** Somebody between browsers and the relay's public listener: notes the reports; can be slow, lose answers, give others. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, createServer, request as send } from 'node:https';
import { buffer } from 'node:stream/consumers';

export class Middle {
  #server;
  #agent;
  #target;
  /** Reports that came: `{ at, method, body, type, underWay }`, the last being how many were not answered yet when it came. */
  reports = [];
  #underWay = 0;
  /**
   * What becomes of the next reports, one each; later ones are passed on. Each is given the way to pass the report on,
   * which returns the relay's answer, and the report itself. It returns what is to be answered, or undefined: then the
   * connection breaks.
   */
  turns = [];

  /**
   * @param {{ ca: string, cert: string, key: string }} tls of both.
   * @param {string} target host:port of the relay.
   */
  static async start(tls, target) {
    const middle = new Middle();
    middle.#target = target;
    middle.#agent = new Agent({ ca: readFileSync(tls.ca), keepAlive: true });
    const server = createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, (request, response) => {
      middle.#serve(request, response).catch(() => response.destroy());
    });
    middle.#server = server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return middle;
  }

  get port() {
    return this.#server.address().port;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #serve(request, response) {
    const body = await buffer(request);
    const pass = () => this.#pass(request, body);
    const answer = request.url === '/callbacks/v1/events' ? await this.#report(request, body, pass) : await pass();
    if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
    else response.destroy();
  }

  async #report({ method, headers }, body, pass) {
    const type = headers['content-type'];
    const report = { at: performance.now(), method, type, body: String(body), underWay: this.#underWay };
    this.reports.push(report);
    this.#underWay += 1;
    try {
      return await (this.turns.shift() ?? pass)(pass, report);
    } finally {
      this.#underWay -= 1;
    }
  }

  async #pass({ method, url, headers }, body) {
    const [host, port] = this.#target.split(':');
    const passed = send({ host, port, method, path: url, headers, agent: this.#agent }).end(body);
    const [answer] = await once(passed, 'response');
    return { status: answer.statusCode, headers: answer.headers, body: await buffer(answer) };
  }
}
