/** A page that opens the Wink Widget: a stand-in for Smile's, with the real bridge. */

/**
 * In place of Smile's: it takes the options, as that does, and the test makes it call back. Goes to the page as text: nothing
 * of this file is in its scope.
 */
class SmileLinkModal {
  constructor(options) {
    this.options = options;
  }

  open() {
    globalThis.widget = this;
  }

  /** Calls back, and says what comes of it. */
  fire(name, ...args) {
    try {
      return { returned: this.options[name](...args) };
    } catch (error) {
      return { threw: error.message };
    }
  }
}

/** What is loaded from Smile. */
export const smileScript = `${SmileLinkModal}\n`;

/** Runs in the page: opens the widget, with callbacks of the page's own that note what they are given. */
function openWidget(relayCallbacks) {
  const { relay, token, names, throws } = globalThis.scene;
  const page = { calls: [], troubles: [] };
  const own = {};
  for (const name of names) {
    own[name] = function (...given) {
      page.calls.push({ name, given, receiver: this });
      if (throws) throw new Error(`the page's own ${name}`);
      return `from ${name}`;
    };
  }
  const onError = (error) => page.troubles.push(error.code);
  // Without a token in the scene there is a function of the test's that makes one.
  const relayed = relayCallbacks({ url: relay, token: token ?? (() => globalThis.freshToken()), ...own, onError });
  globalThis.page = page;
  new SmileLinkModal({ userToken: 'a link token', ...relayed }).open();
}

/**
 * Runs in the page: the widget calls back. Says for each callback which of the page's own ran, whether it was given the
 * very same, and what the widget got.
 */
export function fireInPage(callbacks) {
  const { page, widget } = globalThis;
  // The widget's version 1 passed a function, which no test can hand to a page.
  const revived = (value) => (value === 'a function' ? function updateToken() {} : value);
  return callbacks.map(([name, ...values]) => {
    const args = values.map(revived);
    const before = page.calls.length;
    const outcome = widget.fire(name, ...args);
    const ran = page.calls.slice(before).map(({ name, given, receiver }) => ({
      name,
      isGivenTheSame: given.length === args.length && given.every((value, at) => Object.is(value, args[at])),
      isCalledOnTheOptions: receiver === widget.options,
    }));
    return { ran, outcome };
  });
}

const bridges = {
  module: (from) => `<script type="module">
    import { relayCallbacks } from '${from}/callbacks/v1/bridge.js';
    openWidget(relayCallbacks);
  </script>`,
  plain: (from) => `<script src="${from}/callbacks/v1/bridge.global.js"></script>
  <script>openWidget(SmileRelay.relayCallbacks);</script>`,
};

function html(head, body = '') {
  const icon = '<link rel="icon" href="data:,">';
  const content = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>page</title>${icon}
${head}
</head>
<body>${body}</body>
</html>
`;
  return { type: 'text/html; charset=utf-8', content };
}

/** The files that all pages share: the scripts, and where those go who leave. */
export function sharedFiles() {
  return new Map([
    ['/widget.js', { type: 'text/javascript', content: `${smileScript}${openWidget}\n` }],
    ['/left', html('')],
  ]);
}

/**
 * The pages that open the widget, by name, for each build of the bridge: `module` and `plain`, in a sandboxed frame, and with
 * a policy that forbids to send anything.
 *
 * @param {string} origin the site's.
 * @param {{ relay: string }} scene what openWidget has to know; the bridge is loaded from its relay.
 */
export function widgetPages(origin, scene) {
  const pages = new Map();
  for (const [build, script] of Object.entries(bridges)) {
    // By its whole URL, as a frame without an origin has no other.
    const head = `<script src="${origin}/widget.js"></script>
<script>globalThis.scene = ${JSON.stringify(scene)};</script>
${script(scene.relay)}`;
    pages.set(build, html(head));
    const inner = html(head).content.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
    const frame = `<iframe sandbox="allow-scripts allow-popups allow-forms" srcdoc="${inner}"></iframe>`;
    pages.set(`sandboxed-${build}`, html('', frame));
    // The bridge may be loaded, and nothing may be sent.
    const policy = `script-src 'self' 'unsafe-inline' ${scene.relay}; connect-src 'self'`;
    pages.set(`forbidden-${build}`, html(`<meta http-equiv="Content-Security-Policy" content="${policy}">\n${head}`));
  }
  return pages;
}
