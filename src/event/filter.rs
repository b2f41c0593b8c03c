//! Which events a request wants, and which its caller may see.

mod scope;

use std::collections::HashSet;

use super::{
    UnixMicros,
    encode::type_number,
    pb::{EventFilter, EventSource, EventType},
    record::Record,
};

pub use scope::Scope;

/// Entries that each field of a filter may have.
pub const ENTRIES: usize = 1_000;

/// What filters look at, kept beside an encoded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    pub type_number: i32,
    pub type_name: Box<str>,
    pub user_id: Box<str>,
    pub endpoint: Box<str>,
    pub source: EventSource,
    pub received_at: UnixMicros,
}

impl Traits {
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            type_number: type_number(record.source, &record.type_name),
            type_name: record.type_name.as_str().into(),
            user_id: record.user_id.as_str().into(),
            endpoint: record.endpoint.as_str().into(),
            source: record.source,
            received_at: record.received_at,
        }
    }
}

/// A checked filter. Empty sets let everything pass; `sources` is never empty.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    types: HashSet<i32>,
    type_names: HashSet<String>,
    user_ids: HashSet<String>,
    endpoints: HashSet<String>,
    sources: Vec<EventSource>,
    /// What its owner may see; None: everything.
    scope: Option<Scope>,
}

/// A field of a request that can't be followed, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub field: String,
    pub description: String,
}

impl Violation {
    #[must_use]
    pub fn new(field: &str, description: impl Into<String>) -> Self {
        Self { field: field.to_owned(), description: description.into() }
    }
}

impl Filter {
    /// # Errors
    /// Names each field that holds an unknown enum number or too many entries.
    pub fn new(filter: EventFilter) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        for (field, entries) in [
            ("filter.types", filter.types.len()),
            ("filter.type_names", filter.type_names.len()),
            ("filter.user_ids", filter.user_ids.len()),
            ("filter.endpoints", filter.endpoints.len()),
            ("filter.sources", filter.sources.len()),
        ] {
            if entries > ENTRIES {
                violations.push(Violation::new(field, format!("{entries} entries; at most {ENTRIES} are allowed")));
            }
        }
        for &number in &filter.types {
            if !EventType::try_from(number).is_ok_and(|known| known != EventType::Unspecified) {
                violations.push(Violation::new(
                    "filter.types",
                    format!(
                        "{number} is no event type known to this version; use type_names for types it does not know"
                    ),
                ));
                break;
            }
        }
        let mut sources = Vec::new();
        for &number in &filter.sources {
            match EventSource::try_from(number) {
                Ok(source) if source != EventSource::Unspecified => sources.push(source),
                _ => {
                    violations
                        .push(Violation::new("filter.sources", format!("{number} is no source known to this version")));
                    break;
                }
            }
        }
        if sources.is_empty() {
            sources.push(EventSource::Webhook);
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        Ok(Self {
            types: filter.types.into_iter().collect(),
            type_names: filter.type_names.into_iter().collect(),
            user_ids: filter.user_ids.into_iter().collect(),
            endpoints: filter.endpoints.into_iter().collect(),
            sources,
            scope: None,
        })
    }

    /// This filter, for somebody who may see no more than `scope`: what it does not name is narrowed to that. None if it
    /// names something else, or nothing is left.
    #[must_use]
    pub fn within(self, scope: &Scope) -> Option<Self> {
        // Sources are always named, and so looked at here.
        let more = scope.has_bounds().then(|| scope.clone());
        scope.has_all_of(&self).then(|| Self { scope: more, ..self })
    }

    /// Whether events from this source can pass at all.
    #[must_use]
    pub fn names(&self, source: EventSource) -> bool {
        self.sources.contains(&source)
    }

    #[must_use]
    pub fn lets_pass(&self, event: &Traits) -> bool {
        let any_type = self.types.is_empty() && self.type_names.is_empty();
        self.names(event.source)
            && (any_type
                || self.types.contains(&event.type_number)
                || self.type_names.contains(event.type_name.as_ref()))
            && (self.user_ids.is_empty() || self.user_ids.contains(event.user_id.as_ref()))
            && (self.endpoints.is_empty() || self.endpoints.contains(event.endpoint.as_ref()))
            && self.scope.as_ref().is_none_or(|scope| scope.has(event))
    }
}

#[cfg(test)]
mod tests;
