/** Is only compiled: what the types let pass, and what they don't. */
import { relayCallbacks, type BridgeErrorCode, type RelayCallbacksOptions, type RelayedCallbacks } from 'smile-relay-bridge';

declare class SmileLinkModal {
  constructor(options: {
    userToken: string;
    onClose?: (reason: { reason: string }) => void;
    onAccountCreated?: (account: { accountId: string; userId: string; providerId: string }) => void;
  });
}

const url = 'https://relay.example';
new SmileLinkModal({ userToken: '', ...relayCallbacks({ url, token: '', onClose: ({ reason }) => reason }) });
relayCallbacks({ url, token: async () => '', onAccountCreated: ({ accountId }) => accountId.length });
relayCallbacks({ url, token: '', onError: ({ code, message }) => console.log(code satisfies BridgeErrorCode, message) });
relayCallbacks({ url, token: '', onNew: (text: string) => text.length }).onNew('typed').toFixed();
const options: RelayCallbacksOptions = { url, token: '' };
const all: RelayedCallbacks = relayCallbacks(options);
all.onUIEvent({ eventName: '', eventTime: '', mode: '' });

// @ts-expect-error the token is missing
relayCallbacks({ url });
// @ts-expect-error accountId is text
relayCallbacks({ url, token: '', onAccountCreated: ({ accountId }) => accountId.toFixed() });
// @ts-expect-error onError is the bridge's own
relayCallbacks({ url, token: '', onError: () => {} }).onError();
