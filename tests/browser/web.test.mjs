/**
 * clients/web in a real browser, against the real relay: in plaintext and over TLS, through kills and gaps, and from a page
 * whose origin is not named. Run by tests/web.sh.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, makeDirectory } from './browser.mjs';
import { makeCertificates } from './certificates.mjs';
import { eventually } from './eventually.mjs';
import { Relay } from './relay.mjs';
import { serve } from './site.mjs';
import { Visitor } from './visitor.mjs';

const dist = new URL('../../clients/web/dist/', import.meta.url);
const directory = makeDirectory();

const names = ['DNS:app.example.com', 'DNS:relay.example.com', 'IP:127.0.0.1'];
const certificates = makeCertificates(directory, names);
const ways = {
  plaintext: { page: (port) => `http://localhost:${port}`, relay: (port) => `http://127.0.0.1:${port}` },
  TLS: {
    page: (port) => `https://app.example.com:${port}`,
    relay: (port) => `https://relay.example.com:${port}`,
    tls: certificates,
  },
};

let browser;
before(async () => {
  browser = await launch(certificates.spki);
});
after(() => browser.close());

let stages = 0;

/** A test with a relay, a site whose origin the relay names, and a visitor. */
function scene(way, what, play) {
  test(`${way}: ${what}`, { timeout: 120_000 }, async (t) => {
    const { page, relay: addressFor, tls } = ways[way];
    const stage = join(directory, `stage-${++stages}`);
    mkdirSync(stage);
    const site = await serve(dist, tls);
    t.after(() => site.close());
    const origin = page(site.port);
    const here = { site, origin, relay: await Relay.start({ directory: stage, origin, tls }), visitor: undefined };
    const logs = [here.relay];
    here.url = addressFor(here.relay.addresses.grpc.split(':').at(-1));
    here.restart = async () => {
      here.relay = await here.relay.again();
      logs.push(here.relay);
    };
    t.after(() => here.relay.end('SIGKILL'));
    here.visitor = await Visitor.come(browser);
    t.after(() => here.visitor.leave());
    await here.visitor.open(origin, here.url);
    try {
      await play(here, (step) => console.log(`--- ${way}: ${step}`));
    } catch (error) {
      console.log(`--- the page says: ${await here.visitor.state()}`);
      console.log(`--- its console: ${here.visitor.console.join('\n')}`);
      logs.forEach(({ pid, log }) => console.log(`--- relay ${pid} said:\n${log.join('\n')}`));
      throw error;
    }
  });
}

/** Waits until the page shows exactly the log's events, or those after the first `skipped`: each once, in order. */
async function showsTheLog({ relay, visitor }, skipped = 0) {
  const wanted = (await relay.events()).slice(skipped);
  await eventually(`${wanted.length} events are shown`, () => visitor.events(), (shown) => shown.length >= wanted.length);
  assert.deepEqual(await visitor.events(), wanted);
}

for (const way of Object.keys(ways)) {
  scene(way, 'events are shown once, in order, as text', async (here, step) => {
    const { relay, visitor } = here;
    step('what was stored before');
    await relay.send('USER_CREATED', '--count', '3');
    await visitor.connect('earliest');
    await showsTheLog(here);
    await visitor.says(/^Connected\.$/);
    assert.equal(await relay.metric('smile_relay_streams'), 1);

    step('what comes while it is open: an amount, to the last digit, and text that looks like markup');
    await relay.send('TASK_FINISHED');
    await relay.send('USER_CREATED', '--set', 'data.userId=<img src=x onerror=alert(1)><b>u</b>');
    await showsTheLog(here);
    const [, , , finished, marked] = await visitor.events();
    assert.deepEqual([finished.sequence, finished.type, finished.income], ['4', 'TASK_FINISHED', '19864.3300 PHP']);
    assert.equal(marked.user, '<img src=x onerror=alert(1)><b>u</b>');
    assert.equal(await visitor.strangeElements(), 0);

    step('stop');
    await visitor.press('Stop');
    await visitor.says(/^Stopped\.$/);
    await eventually('no stream is open', () => relay.metric('smile_relay_streams'), 0);
    assert.deepEqual(visitor.console, []);
  });

  scene(way, 'a relay that is killed with -9, under load', async (here, step) => {
    const { visitor } = here;
    await visitor.connect('latest');
    await visitor.says(/^Connected\.$/);

    step('killed while it receives and streams');
    const load = assert.rejects(here.relay.send('USER_CREATED', '--count', '400', '--rate', '100/s'));
    await eventually('50 events are shown', () => visitor.events(), (shown) => shown.length >= 50);
    await here.relay.end('SIGKILL');
    await load;
    await visitor.says(/^Lost: /);

    step('started again on the same ports');
    await here.restart();
    await here.relay.send('ACCOUNT_CONNECTED', '--count', '5');
    await showsTheLog(here);
    await visitor.says(/^Connected\.$/);
    const { length } = await visitor.events();
    console.log(`    ${length} events, each once`);
    assert.ok(length >= 55 && length < 405, 'it was killed in the middle');
  });
}

scene('plaintext', 'a relay that ends by SIGTERM says when to come back', async (here) => {
  const { visitor } = here;
  await visitor.connect('latest');
  await visitor.says(/^Connected\.$/);
  await here.relay.send('USER_CREATED');
  await here.relay.end('SIGTERM');
  await visitor.says(/^Lost: /);
  await here.restart();
  await here.relay.send('USER_CREATED');
  await showsTheLog(here);
});

scene('plaintext', 'a reload goes on after the last event shown', async (here) => {
  const { relay, visitor } = here;
  await relay.send('USER_CREATED', '--count', '2');
  await visitor.connect('earliest');
  await showsTheLog(here);
  await visitor.reload();
  await relay.send('ACCOUNT_CONNECTED', '--count', '2');
  await visitor.connect('place');
  await showsTheLog(here, 2);
  assert.equal((await visitor.events()).length, 2);
});

scene('plaintext', 'a relay that is silent for two heartbeat intervals', async (here, step) => {
  const { relay, visitor } = here;
  await relay.send('USER_CREATED');
  await visitor.connect('earliest');
  await showsTheLog(here);
  step('stopped by SIGSTOP: no connection breaks');
  relay.signal('SIGSTOP');
  await visitor.says(/^Lost: Dead: nothing was received for 2 s\./);
  step('goes on');
  relay.signal('SIGCONT');
  await relay.send('USER_CREATED');
  await showsTheLog(here);
  await visitor.says(/^Connected\.$/);
});

scene('plaintext', 'another log under the same address is a question', async (here, step) => {
  const { visitor } = here;
  await here.relay.send('USER_CREATED', '--count', '2');
  await visitor.connect('earliest');
  await showsTheLog(here);
  step('the log is gone');
  await here.relay.end('SIGKILL');
  here.relay.forget();
  await here.restart();
  await here.relay.send('ACCOUNT_CONNECTED', '--count', '3');
  const question = await eventually('the page asks', () => visitor.question(), (asked) => asked !== undefined);
  assert.match(question, /CURSOR_FOREIGN_LOG/);
  assert.equal((await visitor.events()).length, 2, 'nothing is shown before the answer');
  step('on at the oldest event');
  await visitor.press('Go on at the oldest event');
  await eventually('five events are shown', () => visitor.events(), (shown) => shown.length >= 5);
  assert.deepEqual((await visitor.events()).slice(2), await here.relay.events());
});

for (const way of Object.keys(ways)) {
  scene(way, 'a page on another origin gets nothing', async (here, step) => {
    const { relay, url, site } = here;
    await relay.send('USER_CREATED', '--count', '2');
    // The same page from the same machine, under another name.
    const stranger = way === 'TLS' ? `https://127.0.0.1:${site.port}` : `http://127.0.0.1:${site.port}`;
    step(`a page on ${stranger}, where the relay names ${here.origin}`);
    const visitor = await Visitor.come(browser);
    try {
      await visitor.open(stranger, url);
      await visitor.connect('earliest');
      const refused = (said) => said.filter((text) => /from origin .* has been blocked by CORS policy/.test(text)).length >= 2;
      await eventually('the browser refuses twice', () => visitor.console, refused);
      await visitor.says(new RegExp(`^Lost: .*--grpc-web-origin ${stranger}\\?`));
      console.log(`    ${visitor.console[0]}`);
      assert.deepEqual(await visitor.events(), []);
      assert.equal(await relay.metric('smile_relay_streams'), 0);
      assert.equal(await relay.metric('smile_relay_delivered_events_total'), 0);
    } finally {
      await visitor.leave();
    }
    step('the named origin gets all');
    await here.visitor.connect('earliest');
    await showsTheLog(here);
  });
}
