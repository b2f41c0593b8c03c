/**
 * Every shape in which the widget's callbacks are known to come: as Smile documents them for web pages, and as its bridges
 * for mobile hand them on; with what a subscriber has to get of each.
 */

export const user = 'u-7';

const account = { accountId: 'a-1', userId: user, providerId: 'sss_ph' };
const failed = { ...account, errorCode: 'INVALID_CREDENTIALS' };
const positional = ['a-1', user, 'sss_ph'];
const ios = (title) => ({ [title]: 'a-1', 'User ID': user, 'Provider ID': 'sss_ph' });

const uploads = [{ id: 'archive-1', createdAt: '2026-11-23T10:00:00Z', type: 'PAYSLIP', pages: 2.50 }];
const uploadsText = JSON.stringify(uploads);

const uiEvent = {
  eventName: 'ConnectSuccessPageOpened',
  eventTime: '2026-11-23T10:00:01.000Z',
  mode: 'SANDBOX',
  userId: user,
  account: { providerId: 'sss_ph', accountId: 'a-1' },
  archive: { fileType: 'PAYSLIP' },
};
const { eventName, eventTime, mode } = uiEvent;

/** Rows of one callback: its type, its field in Event, and of each shape the arguments and what the field has to hold. */
const rows = [
  ...['Created', 'Connected', 'Removed'].map((what) => ({
    name: `onAccount${what}`,
    type: `EVENT_TYPE_WIDGET_ACCOUNT_${what.toUpperCase()}`,
    field: `widgetAccount${what}`,
    shapes: [
      [[account], account],
      [positional, account],
      [[ios(`Account ${what.toLowerCase()}`)], account],
      [[JSON.stringify(account)], account],
      [[{ accountId: 'a-1', userId: null, providerId: undefined }], { accountId: 'a-1' }],
      [['a-1', 'undefined', null], { accountId: 'a-1' }],
      [[null], {}],
      [['undefined'], {}],
      [[], {}],
      [[`Account ${what.toLowerCase()}: a-1, User ID: ${user}, Provider ID: sss_ph`], {}],
    ],
  })),
  {
    name: 'onAccountError',
    type: 'EVENT_TYPE_WIDGET_ACCOUNT_ERROR',
    field: 'widgetAccountError',
    shapes: [
      [[failed], failed],
      [[...positional, 'INVALID_CREDENTIALS'], failed],
      [[ios('Account error')], account],
      [[JSON.stringify(failed)], failed],
      [[null], {}],
      [[], {}],
    ],
  },
  {
    name: 'onTokenExpired',
    type: 'EVENT_TYPE_WIDGET_TOKEN_EXPIRED',
    field: 'widgetTokenExpired',
    shapes: [[[], {}], [['a function'], {}], [['Token expired'], {}], [[null], {}], [['undefined'], {}]],
  },
  {
    name: 'onClose',
    type: 'EVENT_TYPE_WIDGET_CLOSE',
    field: 'widgetClose',
    shapes: [
      [[{ reason: 'exit' }], { reason: 'exit' }],
      [['close'], { reason: 'close' }],
      [['{"reason":"error"}'], { reason: 'error' }],
      [[], {}],
      [[undefined], {}],
      [[null], {}],
      [['undefined'], {}],
      [[{}], {}],
    ],
  },
  ...['Created', 'Removed'].map((what) => ({
    name: `onUploads${what}`,
    type: `EVENT_TYPE_WIDGET_UPLOADS_${what.toUpperCase()}`,
    field: `widgetUploads${what}`,
    shapes: [
      [[{ uploads, userId: user }], { uploads: { text: uploadsText }, userId: user }],
      [[{ uploads: { 'archive-1': {} }, userId: user }], { uploads: { text: '{"archive-1":{}}' }, userId: user }],
      [[uploadsText, user], { uploads: { text: JSON.stringify(uploadsText) }, userId: user }],
      [[{ Uploads: uploadsText, 'User ID': user }], { uploads: { text: JSON.stringify(uploadsText) }, userId: user }],
      [[JSON.stringify({ uploads, userId: user })], { uploads: { text: uploadsText }, userId: user }],
      [[{ uploads: null, userId: user }], { userId: user }],
      [['undefined', user], { userId: user }],
      [[null, user], { userId: user }],
      // What Smile's bridge for iOS makes of onUIEvent: nobody knows that it is no upload, so it is kept whole.
      [[{ ...uiEvent }], { uploads: { text: JSON.stringify(uiEvent) } }],
      [[], {}],
    ],
  })),
  {
    name: 'onUIEvent',
    type: 'EVENT_TYPE_WIDGET_UI_EVENT',
    field: 'widgetUiEvent',
    shapes: [
      [[uiEvent], uiEvent],
      [[eventName, eventTime, mode, user, JSON.stringify(uiEvent.account), JSON.stringify(uiEvent.archive)], uiEvent],
      [[eventName, eventTime, mode, null, 'undefined', null], { eventName, eventTime, mode }],
      [[JSON.stringify(uiEvent)], uiEvent],
      [[{ eventName, eventTime, mode, userId: user, account: null }], { eventName, eventTime, mode, userId: user }],
      [[null], {}],
      [[], {}],
    ],
  },
];

/** All of them: the callback as it is fired, and what is to be received. */
export const shapes = rows.flatMap(({ name, type, field, shapes }) =>
  shapes.map(([args, data]) => ({ callback: [name, ...args], received: { name, type, data: { [field]: data } } })),
);

/** The callback that the stories are told with: as a web page gets it. */
export const linked = (accountId) => ['onAccountConnected', { ...account, accountId }];

/** What of these is to be received. */
export const wanted = (callbacks) =>
  callbacks.map(([name, data]) => ({
    name,
    type: 'EVENT_TYPE_WIDGET_ACCOUNT_CONNECTED',
    data: { widgetAccountConnected: data },
  }));

/** What is compared of an event. */
export function received(event) {
  const data = Object.fromEntries(Object.entries(event).filter(([field]) => field.startsWith('widget')));
  return { name: event.typeName, type: event.type, data };
}
