/**
 * The Wink Widget's callbacks, from a page in a real browser, through the real bridge and the real relay, to a subscriber:
 * each once, in order, typed, whatever happens between; and the page never notices. Run by tests/callbacks.sh.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, makeDirectory } from './browser.mjs';
import { smileScript } from './callbacks-page.mjs';
import { linked, received, shapes, user, wanted } from './callbacks-shapes.mjs';
import { Stage } from './callbacks-stage.mjs';
import { names } from './callbacks-visitor.mjs';
import { makeCertificates } from './certificates.mjs';
import { eventually } from './eventually.mjs';

const builds = ['module', 'plain'];

const certificates = makeCertificates(makeDirectory(), ['DNS:app.example.com', 'DNS:relay.example.com', 'IP:127.0.0.1']);

let browser;
before(async () => {
  browser = await launch(certificates.spki);
});
after(() => browser.close());

/** A test on a stage. `origins` are those of the relay's configuration: by default the site's. */
function scene(what, play, { origins = (origin) => [origin] } = {}) {
  test(what, { timeout: 120_000 }, async () => {
    const here = new Stage();
    try {
      await here.set(browser, certificates, origins);
      await play(here, (step) => console.log(`--- ${step}`));
    } catch (error) {
      here.describe();
      throw error;
    } finally {
      await here.strike();
    }
  });
}

/** So many of them, in order. */
const several = (count, name = 'a') => Array.from({ length: count }, (_, at) => linked(`${name}-${at + 1}`));

for (const build of builds) {
  scene(`${build}: all nine callbacks, in every shape`, async (here) => {
    const visitor = await here.come({ page: build });
    await visitor.fire(...shapes.map(({ callback }) => callback));
    await here.receives(shapes.map(({ received }) => received));
    assert.deepEqual(await visitor.troubles(), []);
    assert.deepEqual(visitor.console, []);
    await here.receivesNoMore();
  });

  scene(`${build}: a sandboxed iframe, whose origin is null`, async (here, step) => {
    step('allowed by its token');
    const token = await here.token({ allowedOrigins: ['null'] });
    const visitor = await here.come({ page: `sandboxed-${build}`, token });
    await visitor.fire(...several(3));
    await here.receives(wanted(several(3)), { origin: 'null' });
    assert.deepEqual(visitor.console, []);
    assert.deepEqual(await visitor.troubles(), []);

    step('removed while a report is on its way');
    here.relay.signal('SIGSTOP');
    const sent = here.nextReport();
    await visitor.fire(...several(2, 'b'));
    await sent;
    await visitor.fire(...several(2, 'c'));
    await visitor.removeFrame();
    here.relay.signal('SIGCONT');
    await here.receives(wanted([...several(2, 'b'), ...several(2, 'c')]), { origin: 'null' });

    step('not allowed by its token');
    const narrow = await here.token({ allowedOrigins: [here.origin] });
    const stranger = await here.come({ page: `sandboxed-${build}`, token: narrow });
    await stranger.fire(...several(3, 'd'));
    await here.refuses('origin_not_allowed');
    await here.receivesNoMore();
  }, { origins: (origin) => [origin, 'null'] });
}

scene('a callback that nobody knows, and a page with none of its own', async (here, step) => {
  const ours = [...names, 'onSomethingNew'];
  const visitor = await here.come({ names: ours });
  step('a name that Smile may add');
  await visitor.fire(['onSomethingNew', { a: [1, null] }, 'two'], linked('a-1'));
  const unknown = { widgetOther: { arguments: { text: '[{"a":[1,null]},"two"]' } } };
  await here.receives([{ name: 'onSomethingNew', type: undefined, data: unknown }, ...wanted([linked('a-1')])]);

  step('no callbacks of the page');
  const bare = await here.come({ names: [] });
  await bare.fireUnheard(linked('b-1'), linked('b-2'));
  await here.receives(wanted(several(2, 'b')));
  await here.receivesNoMore();
});

scene('arguments that are too large for a report', async (here) => {
  const visitor = await here.come();
  const uploads = 'x'.repeat(70_000);
  await visitor.fire(linked('a-1'), ['onUploadsCreated', { uploads, userId: user }], linked('a-2'));
  const events = await here.receivesSome(3);
  assert.deepEqual(events.map(({ typeName }) => typeName), ['onAccountConnected', 'onUploadsCreated', 'onAccountConnected']);
  assert.deepEqual(events.map(({ report }) => report.argumentsOmitted), [undefined, true, undefined]);
  assert.deepEqual(await visitor.troubles(), ['too_large']);
  await here.receivesNoMore();
});

scene('offline for a while', async (here, step) => {
  const visitor = await here.come({ page: 'plain' });
  await visitor.fire(linked('a-1'));
  await here.receives(wanted([linked('a-1')]));
  step('offline');
  await here.context.setOffline(true);
  await visitor.fire(...several(3, 'b'));
  await visitor.fire(...several(3, 'c'));
  step('online');
  const online = Date.now();
  await here.context.setOffline(false);
  const events = await here.receivesSome(6);
  assert.deepEqual(events.map(received), wanted([...several(3, 'b'), ...several(3, 'c')]));
  assert.ok(Date.parse(events[0].receivedAt) >= online, 'they were fired while it was offline');
  await here.receivesNoMore();
});

for (const [how, page] of Object.entries({ navigate: 'module', close: 'plain' })) {
  scene(`${page}: a page that is left right after it fired: ${how}`, async (here, step) => {
    const witness = await here.come({ page });
    step('nothing is on its way');
    // A page may close a tab that a page has opened, and no other.
    const visitor = await witness.duplicate();
    await visitor.fireAndLeave(how, ...several(3));
    await witness.leftBehind(several(3));
    await here.receives(wanted(several(3)));

    step('the relay is stopped, and a report is on its way');
    const leaver = await witness.duplicate();
    here.relay.signal('SIGSTOP');
    const sent = here.nextReport();
    await leaver.fire(...several(2, 'b'));
    await sent;
    await leaver.fireAndLeave(how, ...several(3, 'c'));
    await witness.leftBehind(several(3, 'c'));
    here.relay.signal('SIGCONT');
    await here.receives(wanted([...several(2, 'b'), ...several(3, 'c')]));
    await here.receivesNoMore();
  });
}

scene('a tab that is closed from outside', async (here, step) => {
  const visitor = await here.come();
  here.relay.signal('SIGSTOP');
  const sent = here.nextReport();
  await visitor.fire(...several(2));
  await sent;
  await visitor.fire(...several(2, 'b'));
  step('closed, while the relay is stopped');
  await visitor.leave();
  here.relay.signal('SIGCONT');
  await here.receives(wanted([...several(2), ...several(2, 'b')]));
  await here.receivesNoMore();
});

scene('a reload with something queued', async (here, step) => {
  const visitor = await here.come();
  step('the relay is away');
  await here.relay.end('SIGKILL');
  await visitor.fire(...several(3));
  await visitor.reload();
  await visitor.fire(...several(3, 'b'));
  step('the relay is back');
  await here.restart();
  await here.receives(wanted([...several(3), ...several(3, 'b')]));

  step('reloaded while reports are on their way');
  here.relay.signal('SIGSTOP');
  await visitor.fire(...several(3, 'c'));
  await visitor.reload();
  await visitor.fire(...several(3, 'd'));
  here.relay.signal('SIGCONT');
  await here.receives(wanted([...several(3, 'c'), ...several(3, 'd')]));
  await here.receivesNoMore();
});

scene('two tabs, and one that is duplicated with what it has queued', async (here, step) => {
  const one = await here.come();
  const other = await here.come({ page: 'plain' });
  await here.relay.end('SIGKILL');
  step('both fire while the relay is away');
  for (const at of [1, 2, 3]) {
    await one.fire(linked(`a-${at}`));
    await other.fire(linked(`b-${at}`));
  }
  const twin = await one.duplicate();
  assert.equal(twin.copied, 3, 'the browser copied what waits');
  await twin.fire(linked('c-1'));
  step('the relay is back');
  await here.restart();
  const events = (await here.receivesSome(7)).map(received);
  for (const [name, count] of Object.entries({ a: 3, b: 3, c: 1 })) {
    const ofOne = events.filter(({ data }) => data.widgetAccountConnected.accountId.startsWith(name));
    assert.deepEqual(ofOne, wanted(several(count, name)), 'each tab in its order');
  }
  await here.receivesNoMore();
});

scene('a token that has expired: a function gives another', async (here, step) => {
  const tokens = [await here.expiredToken(), await here.token()];
  let asked = 0;
  const visitor = await here.come({ freshToken: () => tokens[asked++] });
  step('fired with one that has expired');
  await visitor.fire(...several(3));
  await here.receives(wanted(several(3)));
  assert.equal(asked, 2);
  assert.deepEqual(await visitor.troubles(), []);
  await here.receivesNoMore();
});

scene('a token that has expired: text, so that a later page has to have another', async (here, step) => {
  const visitor = await here.come({ token: await here.expiredToken() });
  await visitor.fire(...several(3));
  await visitor.isTold('token_expired');
  await visitor.fire(...several(3, 'b'));
  assert.deepEqual(await visitor.troubles(), ['token_expired'], 'told once');
  step('a page with a good one');
  visitor.use({ token: await here.token() });
  await visitor.reload();
  await here.receives(wanted([...several(3), ...several(3, 'b')]));

  step('what is queued for one user is not sent with the token of another');
  visitor.use({ token: await here.expiredToken() });
  await visitor.reload();
  await visitor.fire(...several(2, 'c'));
  await visitor.isTold('token_expired');
  visitor.use({ token: await here.token({ userId: 'u-other' }) });
  await visitor.reload();
  visitor.use({ token: await here.token() });
  await visitor.reload();
  await here.receives(wanted(several(2, 'c')));
  await here.receivesNoMore();
});

scene('a page on another origin', async (here, step) => {
  step(`a page on ${here.stranger}, where the relay names ${here.origin}`);
  const stranger = await here.come({ origin: here.stranger });
  await stranger.fire(...several(3));
  await here.refuses('origin_not_allowed');
  // It may read how it is refused, and stops.
  await stranger.isTold('origin_not_allowed');
  await stranger.fire(...several(3, 'b'));
  step('the named origin');
  const visitor = await here.come();
  await visitor.fire(...several(3, 'c'));
  await here.receives(wanted(several(3, 'c')));
  await here.receivesNoMore();
});

scene('a callback that claims another user', async (here) => {
  const visitor = await here.come();
  const forged = ['onAccountCreated', { accountId: 'a-9', userId: 'u-of-somebody-else', providerId: 'sss_ph' }];
  await visitor.fire(linked('a-1'), forged, linked('a-2'));
  await here.receives(wanted(several(2)));
  await here.refuses('wrong_user');
  assert.equal(await here.relay.metric('smile_relay_callbacks_total{result="wrong_user"}'), 1);
  assert.deepEqual(await visitor.troubles(), ['wrong_user']);
  await visitor.fire(linked('a-3'));
  await here.receives(wanted([linked('a-3')]));
  await here.receivesNoMore();
});

scene('a relay that is slow', async (here, step) => {
  step('stopped by SIGSTOP');
  const visitor = await here.come();
  here.relay.signal('SIGSTOP');
  const sent = here.nextReport();
  await visitor.fire(...several(2));
  await sent;
  await visitor.fire(...several(2, 'b'));
  const again = Date.now();
  here.relay.signal('SIGCONT');
  const events = await here.receivesSome(4);
  assert.deepEqual(events.map(received), wanted([...several(2), ...several(2, 'b')]));
  assert.ok(Date.parse(events[0].receivedAt) >= again);

  step('each answer takes its time');
  const middle = await here.interpose();
  const patient = await here.come();
  const slowly = async (pass) => {
    const answer = await pass();
    await patient.fire(linked(`c-${middle.reports.length}`));
    return answer;
  };
  middle.turns.push(slowly, slowly, slowly);
  await patient.fire(linked('c-0'));
  await here.receives(wanted([0, 1, 2, 3].map((at) => linked(`c-${at}`))));
  for (const report of middle.reports) {
    assert.deepEqual([report.method, report.type, report.underWay], ['POST', 'text/plain;charset=UTF-8', 0]);
  }
  assert.ok(middle.reports.length >= 4, 'one batch at a time');
  await here.receivesNoMore();
});

scene('a relay that is killed with -9 in the middle', async (here, step) => {
  const visitor = await here.come({ page: 'plain' });
  const all = several(60);
  for (const callback of all.slice(0, 30)) await visitor.fire(callback);
  await eventually('some are received', () => here.subscriber.events.length, (length) => length >= 5);
  for (const callback of all.slice(30, 40)) await visitor.fire(callback);
  await here.relay.end('SIGKILL');
  step(`killed after ${here.subscriber.events.length} of ${all.length}`);
  for (const callback of all.slice(40)) await visitor.fire(callback);
  await here.restart();
  await here.receives(wanted(all));
  await here.receivesNoMore();
});

scene('a relay that asks for patience', async (here, step) => {
  const middle = await here.interpose();
  const visitor = await here.come();
  const later = (status, code) => () => ({
    status,
    headers: {
      'content-type': 'application/json',
      'access-control-allow-origin': here.origin,
      'access-control-expose-headers': 'Retry-After',
      vary: 'Origin',
      'retry-after': '2',
    },
    body: JSON.stringify({ error: { code, message: 'later' } }),
  });
  middle.turns.push(later(429, 'rate_limited'), later(503, 'unavailable'));
  await visitor.fire(...several(3));
  await here.receives(wanted(several(3)));
  const times = middle.reports.map(({ at }) => at);
  const waited = times.slice(1).map((at, before) => Math.round(at - times[before]));
  step(`sent again after ${waited} ms`);
  assert.equal(waited.length, 2);
  for (const ms of waited) assert.ok(ms >= 1990, `it came back after ${ms} ms`);
  await here.receivesNoMore();
});

scene('more than the relay takes from one token', async (here) => {
  const visitor = await here.come();
  // 10 a second, and 100 at once: the third batch has to come again.
  await visitor.fire(...several(120));
  await here.receives(wanted(several(120)));
  await here.refuses('rate_limited');
  assert.deepEqual(await visitor.troubles(), ['rate_limited']);
  await here.receivesNoMore();
});

scene('an answer that is lost', async (here) => {
  const middle = await here.interpose();
  const visitor = await here.come();
  middle.turns.push(async (pass) => void (await pass()));
  await visitor.fire(...several(3));
  await eventually('it is sent again', () => middle.reports.length, 2);
  await here.receives(wanted(several(3)));
  const [first, second] = middle.reports.map(({ body }) => JSON.parse(body).callbacks);
  assert.deepEqual(second, first, 'the same ids, the same times');
  await here.receivesNoMore();
});

scene('a page whose own callbacks throw', async (here) => {
  const visitor = await here.come({ throws: true });
  await visitor.fireInVain(...several(3), ['onTokenExpired']);
  const expired = { name: 'onTokenExpired', type: 'EVENT_TYPE_WIDGET_TOKEN_EXPIRED', data: { widgetTokenExpired: {} } };
  await here.receives([...wanted(several(3)), expired]);
  assert.deepEqual(await visitor.troubles(), [], "what the page's own throw is none of the bridge's");
  assert.deepEqual(visitor.console, []);
  await here.receivesNoMore();
});

for (const build of builds) {
  scene(`${build}: a policy that forbids the relay`, async (here) => {
    const visitor = await here.come({ page: `forbidden-${build}` });
    await visitor.fire(...several(3));
    const refused = (said) => said.some((text) => /Content Security Policy/.test(text));
    await eventually('the browser refuses', () => visitor.console, refused);
    await visitor.isTold('unreachable');
    await visitor.fire(...several(3));
    assert.ok(!visitor.console.some((text) => text.startsWith('not caught')), 'nothing is thrown into the page');
    await visitor.leave();
    await here.receivesNoMore();
  });
}

/** For pages that load Smile's script from Smile. */
function giveSmileScript(context) {
  return context.route('https://web.smileapi.io/**', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: smileScript }),
  );
}

scene('the page to copy: clients/web/widget.html', async (here, step) => {
  const page = readFileSync(new URL('../../clients/web/widget.html', import.meta.url), 'utf8');
  here.files.set('/widget.html', { type: 'text/html', content: page.replaceAll('https://127.0.0.1:8443', here.url) });
  await giveSmileScript(here.context);
  const tab = await here.context.newPage();
  await tab.goto(`${here.origin}/widget.html`);
  await tab.getByLabel('Callback token').fill(await here.token());
  const told = (lines) => eventually('the page tells it', () => tab.getByRole('listitem').allTextContents(), lines);

  step('without the widget');
  await tab.getByRole('button', { name: 'Pretend' }).click();
  await told(['Account a-1 of sss_ph is linked.']);
  const pretended = ['onAccountConnected', { accountId: 'a-1', providerId: 'sss_ph' }];
  await here.receives(wanted([pretended]));

  step('with it');
  await tab.getByRole('button', { name: 'Open the widget' }).click();
  await tab.evaluate((callback) => widget.fire(...callback), linked('a-2'));
  await tab.evaluate(() => widget.fire('onClose', { reason: '<b>exit</b>' }));
  await told([
    'Account a-1 of sss_ph is linked.', 'Account a-2 of sss_ph is linked.', 'The widget was closed: <b>exit</b>.',
  ]);
  const closed = { name: 'onClose', type: 'EVENT_TYPE_WIDGET_CLOSE', data: { widgetClose: { reason: '<b>exit</b>' } } };
  await here.receives([...wanted([linked('a-2')]), closed]);

  step('without the bridge');
  await here.context.route('**/bridge.global.js', (route) => route.abort());
  await tab.reload();
  await tab.getByLabel('Callback token').fill(await here.token());
  await tab.getByRole('button', { name: 'Pretend' }).click();
  await told([`The relay at ${here.url} did not give its bridge.`, 'Account a-1 of sss_ph is linked.']);
  await here.context.unroute('**/bridge.global.js');
  await here.receivesNoMore();
});

/** The block of docs/widget.md in this language that holds this. */
function printed(language, what) {
  const page = readFileSync(new URL('../../docs/widget.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }));
  const found = blocks.filter((block) => block.language === language && block.text.includes(what));
  assert.equal(found.length, 1, `docs/widget.md has ${found.length} blocks of ${language} with ${what}`);
  return found[0].text;
}

scene('the page for WebViews that docs/widget.md prints', async (here, step) => {
  await giveSmileScript(here.context);
  // In place of what an app puts into its WebView's pages.
  await here.context.addInitScript(() => {
    globalThis.posted = [];
    globalThis.smileApp = { postMessage: (text) => globalThis.posted.push(text) };
  });
  const token = await here.token();
  here.files.set('/smile/tokens', { type: 'application/json', content: JSON.stringify({ smile: 's', relay: token }) });
  const tab = await here.context.newPage();
  const open = async (content) => {
    const at = (text) => text.replaceAll('https://relay.example.com', here.url);
    here.files.set('/smile', { type: 'text/html; charset=utf-8', content: at(content) });
    await tab.goto(`${here.origin}/smile`);
    await tab.waitForFunction(() => globalThis.widget);
  };
  const fire = (...callbacks) => tab.evaluate((all) => all.forEach((one) => globalThis.widget.fire(...one)), callbacks);
  const posted = () => tab.evaluate(() => globalThis.posted.map((text) => JSON.parse(text)));
  const page = printed('html', 'function tellApp');

  step('the bridge reports, and the app is told of the end alone');
  await open(page);
  const closings = [[{ reason: 'exit' }], ['close'], []];
  await fire(...several(2), ...closings.map((args) => ['onClose', ...args]));
  const closed = (data) => ({ name: 'onClose', type: 'EVENT_TYPE_WIDGET_CLOSE', data: { widgetClose: data } });
  await here.receives([...wanted(several(2)), closed({ reason: 'exit' }), closed({ reason: 'close' }), closed({})]);
  assert.deepEqual(await posted(), ['exit', 'close', null].map((reason) => ({ name: 'onClose', reason })));

  step('the app reports');
  const bridged = page.slice(page.indexOf('var own ='), page.indexOf('    });\n</script>'));
  await open(page.replace(bridged, printed('js', 'function report(name)')));
  await fire(...several(2, 'b'), ['onUploadsCreated', { uploads: [{ id: 'archive-1' }], userId: user }, undefined]);
  const texts = await tab.evaluate(() => globalThis.posted);
  const send = new Function('fetch', `${printed('js', 'async function send(')}; return send;`)(here.nativeFetch.bind(here));
  assert.equal(await send(token, texts), 200);
  assert.equal(await send(token, texts), 200, 'and again');
  const uploaded = {
    name: 'onUploadsCreated',
    type: 'EVENT_TYPE_WIDGET_UPLOADS_CREATED',
    data: { widgetUploadsCreated: { uploads: { text: '[{"id":"archive-1"}]' }, userId: user } },
  };
  await here.receives([...wanted(several(2, 'b')), uploaded], { origin: '', form: /^[0-9a-f-]{36}$/ });
  await here.receivesNoMore();
});
