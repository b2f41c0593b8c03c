//! What the proto can't say of Smile's names: a line for each name that is spelt in two ways, and for each value that
//! may have a shape of its own.

/// A callback of the widget.
pub struct Callback {
    pub name: &'static str,
    /// Its type's name in `EventType`, without what all have.
    pub event_type: &'static str,
    /// The fields of its message in the order in which Smile's bridge for Android passes them, by their names in JSON.
    pub fields: &'static [&'static str],
}

const ACCOUNT: &[&str] = &["accountId", "userId", "providerId"];
const UPLOADS: &[&str] = &["uploads", "userId"];

pub const CALLBACKS: &[Callback] = &[
    Callback { name: "onAccountCreated", event_type: "WIDGET_ACCOUNT_CREATED", fields: ACCOUNT },
    Callback { name: "onAccountConnected", event_type: "WIDGET_ACCOUNT_CONNECTED", fields: ACCOUNT },
    Callback { name: "onAccountRemoved", event_type: "WIDGET_ACCOUNT_REMOVED", fields: ACCOUNT },
    Callback {
        name: "onAccountError",
        event_type: "WIDGET_ACCOUNT_ERROR",
        fields: &["accountId", "userId", "providerId", "errorCode"],
    },
    Callback { name: "onTokenExpired", event_type: "WIDGET_TOKEN_EXPIRED", fields: &[] },
    Callback { name: "onClose", event_type: "WIDGET_CLOSE", fields: &["reason"] },
    Callback { name: "onUploadsCreated", event_type: "WIDGET_UPLOADS_CREATED", fields: UPLOADS },
    Callback { name: "onUploadsRemoved", event_type: "WIDGET_UPLOADS_REMOVED", fields: UPLOADS },
    Callback {
        name: "onUIEvent",
        event_type: "WIDGET_UI_EVENT",
        fields: &["eventName", "eventTime", "mode", "userId", "account", "archive"],
    },
];

/// How Smile's bridge for iOS calls the fields of callbacks, and their names in JSON.
pub const CALLBACK_SPELLINGS: &[(&str, &str)] = &[
    ("Account created", "accountId"),
    ("Account connected", "accountId"),
    ("Account removed", "accountId"),
    ("Account error", "accountId"),
    ("User ID", "userId"),
    ("Provider ID", "providerId"),
    ("Uploads", "uploads"),
];

/// Second spellings that Smile uses: message, the name in JSON, the field's own name in JSON.
pub const SPELLINGS: &[(&str, &str, &str)] = &[
    ("TaskFinished", "dataPoints", "datapoints"),
    ("AccountSyncTaskFinished", "dataPoints", "datapoints"),
    ("VerificationIdMatch", "idSubType", "idSubtype"),
    ("SocialSecurityResult", "name", "fullName"),
];

/// A value that its field can't hold in every case.
pub struct Otherwise {
    pub message: &'static str,
    /// The field of the value, by its name in JSON.
    pub field: &'static str,
    /// The field that takes the value as it was sent, by a name that JSON does not have.
    pub verbatim: &'static str,
    pub when: When,
}

pub enum When {
    /// Verbatim only, if the member has another value than this.
    Member(&'static str, &'static str),
    /// Verbatim as well, if the value has members that the field's message does not know.
    HoldsMore,
}

pub const OTHERWISE: &[Otherwise] = &[
    Otherwise {
        message: "RecordCompleted",
        field: "payload",
        verbatim: "otherPayload",
        when: When::Member("recordType", "SOCIAL_SECURITY"),
    },
    Otherwise { message: "UserPayloadArchive", field: "payload", verbatim: "otherPayload", when: When::HoldsMore },
];
