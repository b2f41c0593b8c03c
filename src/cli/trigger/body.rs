//! The bodies that `trigger` sends: one template, and what differs from one sending to the next.

use std::time::SystemTime;

use bytes::Bytes;

use super::edit::{EditError, Setting};
use crate::event::envelope::Envelope;

/// A body to send, and what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub type_name: String,
    pub id: String,
    pub bytes: Bytes,
}

/// What bodies are made of.
#[derive(Clone, Debug)]
pub enum Template {
    /// These bytes each time.
    Fixed(Body),
    /// A JSON object whose id and createdAt are new each time, but for those that were set by hand.
    Fresh { json: String, id: bool, created_at: bool },
}

impl Template {
    /// # Errors
    /// If there is something to change and the body is not a JSON object, or has no place for it.
    pub fn new(body: Vec<u8>, settings: &[Setting], fresh: bool) -> Result<Self, EditError> {
        if settings.is_empty() && !fresh {
            return Ok(Self::Fixed(Body::of(body.into())));
        }
        let mut json = String::from_utf8(body).map_err(|_| EditError::NotAnObject)?;
        for setting in settings {
            setting.apply(&mut json)?;
        }
        if !fresh {
            return Ok(Self::Fixed(Body::of(json.into())));
        }
        let by_hand = |name: &str| settings.iter().any(|setting| setting.is_of(name));
        let template = Self::Fresh { id: !by_hand("id"), created_at: !by_hand("createdAt"), json };
        template.try_make()?;
        Ok(template)
    }

    /// The next body.
    ///
    /// # Panics
    /// Never: it was tried when the template was made, and no new value changes its form.
    #[must_use]
    pub fn make(&self) -> Body {
        self.try_make().expect("tried when the template was made")
    }

    fn try_make(&self) -> Result<Body, EditError> {
        match self {
            Self::Fixed(body) => Ok(body.clone()),
            Self::Fresh { json, id, created_at } => {
                let mut json = json.clone();
                if *id {
                    let fresh = format!("et-{}", faster_hex::hex_string(&rand::random::<[u8; 16]>()));
                    Setting::text("id", &fresh).apply(&mut json)?;
                }
                if *created_at {
                    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
                    Setting::text("createdAt", &now).apply(&mut json)?;
                }
                Ok(Body::of(json.into()))
            }
        }
    }
}

impl Body {
    fn of(bytes: Bytes) -> Self {
        let envelope = Envelope::of(&bytes, "");
        Self { type_name: envelope.type_name, id: envelope.id, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"id":"et-1","type":"T","createdAt":"2026-01-01T00:00:00Z","data":{"n":1.50}}"#;

    #[test]
    fn a_fresh_body_has_a_new_id_and_time_each_time_and_is_else_the_same() {
        let template = Template::new(BODY.into(), &[], true).unwrap();
        let (a, b) = (template.make(), template.make());
        assert_ne!(a.id, b.id);
        assert_eq!(a.id.len(), 3 + 32);
        assert_eq!(a.type_name, "T");
        let text = std::str::from_utf8(&a.bytes).unwrap();
        assert!(text.ends_with(r#","data":{"n":1.50}}"#) && !text.contains("2026-01-01"), "{text}");
    }

    #[test]
    fn what_is_set_by_hand_stays() {
        let settings = ["id=mine".parse().unwrap(), "createdAt=then".parse().unwrap()];
        let body = Template::new(BODY.into(), &settings, true).unwrap().make();
        assert_eq!(body.bytes, BODY.replace("et-1", "mine").replace("2026-01-01T00:00:00Z", "then"));
    }

    #[test]
    fn bytes_without_changes_are_sent_as_they_are_whatever_they_are() {
        for bytes in [&b"\xff\0"[..], b"", b"[1]"] {
            assert_eq!(Template::new(bytes.into(), &[], false).unwrap().make().bytes, bytes);
            assert!(Template::new(bytes.into(), &[], true).is_err());
        }
    }
}
