//! What a relay's refusals mean to the person at the terminal.
//!
//! Promises: code, reason and message as the relay gave them, then what to do. Also decides, once for every command,
//! which refusals are worth another attempt.

use std::{fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A call that the relay, or the connection to it, ended other than well.
#[derive(Debug, thiserror::Error)]
pub struct Refusal {
    status: Status,
    reason: String,
    violations: Vec<(String, String)>,
    retry_after: Option<Duration>,
}

impl From<Status> for Box<Refusal> {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            bad.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect()
        });
        Box::new(Refusal { status, reason, violations, retry_after })
    }
}

impl From<Status> for super::CliError {
    fn from(status: Status) -> Self {
        Self::Refused(status.into())
    }
}

impl Refusal {
    #[must_use]
    pub fn code(&self) -> Code {
        self.status.code()
    }

    /// `google.rpc.ErrorInfo`'s reason; empty if there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long the relay asks to stay away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// True if the same request may well succeed later: the relay says so, or the connection broke.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.code() {
            Code::Unavailable => true,
            Code::ResourceExhausted => self.retry_after.is_some(),
            // A status that came over the wire has no cause; one made here of a broken connection has.
            _ => std::error::Error::source(&self.status).is_some(),
        }
    }

    /// True if the connection was there, but took no request.
    fn is_unsent(&self) -> bool {
        let mut cause = std::error::Error::source(&self.status);
        while let Some(error) = cause {
            if error.is::<tonic::transport::Error>() {
                return true;
            }
            cause = error.source();
        }
        false
    }

    fn hint(&self) -> Option<&'static str> {
        let hint = match self.reason() {
            "CURSOR_EXPIRED" => "start over with --since, or with --from-start for all that the log still holds",
            "CURSOR_FOREIGN_LOG" => "check --address, or start over with --since or --from-start",
            "CURSOR_DIVERGED" | "CURSOR_AHEAD" => {
                "start over with --since or --from-start, and expect events again that were read before"
            }
            "EVENT_NOT_FOUND" => "`smile-relay events list` shows what it holds",
            "TOO_MANY_STREAMS" | "TOO_MANY_STARTS" => "try again later, or end other streams",
            _ => match self.code() {
                Code::Unauthenticated => {
                    "the relay wants to know who is calling: give a good --token-file, or --client-cert and --client-key"
                }
                Code::PermissionDenied => "ask whoever runs the relay to grant it",
                Code::Unimplemented => "is --address the gRPC address of a smile-relay, and is it as new as this one?",
                _ if self.is_unsent() => {
                    "is --address the relay's gRPC address, with http:// or https:// as it listens there?"
                }
                Code::OutOfRange if self.reason.is_empty() => {
                    "the message is larger than this client takes; lower --max-event-bytes, and fetch large events one by \
                     one with `smile-relay events get`"
                }
                _ => return None,
            },
        };
        Some(hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", code_name(self.code()))?;
        if !self.reason.is_empty() {
            write!(out, " ({})", self.reason)?;
        }
        // The causes of a broken connection say more than the status that was made of them.
        if !self.status.message().is_empty() {
            write!(out, ": {}", self.status.message())?;
        }
        let mut cause = std::error::Error::source(&self.status);
        while let Some(error) = cause {
            let said = error.to_string();
            if !self.status.message().contains(&said) {
                write!(out, ": {said}")?;
            }
            cause = error.source();
        }
        for (field, description) in &self.violations {
            if !self.status.message().contains(description) {
                write!(out, "; {field}: {description}")?;
            }
        }
        if let Some(hint) = self.hint() {
            write!(out, "; {hint}")?;
        }
        Ok(())
    }
}

/// The code's name as gRPC writes it: OUT_OF_RANGE.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal(code: Code, details: ErrorDetails) -> Refusal {
        *<Box<Refusal>>::from(Status::with_error_details(code, "no", details))
    }

    #[test]
    fn says_code_reason_message_and_what_to_do() {
        let details = ErrorDetails::with_error_info("CURSOR_EXPIRED", "smile-relay", HashMap::new());
        let said = refusal(Code::OutOfRange, details).to_string();
        assert!(said.starts_with("OUT_OF_RANGE (CURSOR_EXPIRED): no; start over with --since"), "{said}");
        let details = ErrorDetails::with_bad_request_violation("filter.types", "99 is no type");
        assert_eq!(
            refusal(Code::InvalidArgument, details).to_string(),
            "INVALID_ARGUMENT: no; filter.types: 99 is no type"
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(refusal(Code::Unavailable, ErrorDetails::new()).is_transient());
        assert!(!refusal(Code::ResourceExhausted, ErrorDetails::new()).is_transient());
        let later = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
        let later = refusal(Code::ResourceExhausted, later);
        assert!(later.is_transient());
        assert_eq!(later.retry_after(), Some(Duration::from_secs(2)));
        for code in [Code::OutOfRange, Code::FailedPrecondition, Code::InvalidArgument, Code::Internal] {
            assert!(!refusal(code, ErrorDetails::new()).is_transient());
        }
        let broken = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        assert!(<Box<Refusal>>::from(broken).is_transient());
    }
}
