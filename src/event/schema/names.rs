//! What the proto can't say of Smile's names: a line for each name that is spelt in two ways, and for each value that
//! may have a shape of its own.

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
