//! What may be seen at all, whatever is asked for.

use std::{collections::BTreeSet, sync::Arc};

use super::{Filter, Traits};
use crate::event::{encode::type_number, pb::EventSource};

/// The endpoints, types and sources that somebody may see. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Arc<Bounds>);

#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    /// None: all.
    endpoints: Option<BTreeSet<String>>,
    /// None: all.
    types: Option<Types>,
    sources: Vec<EventSource>,
}

#[derive(Debug, PartialEq, Eq)]
struct Types {
    names: BTreeSet<String>,
    /// Those of the names that are known.
    numbers: BTreeSet<i32>,
}

impl Scope {
    /// None stands for all endpoints and types. Types are named as their events name them.
    #[must_use]
    pub fn new(
        endpoints: Option<BTreeSet<String>>,
        types: Option<BTreeSet<String>>,
        sources: Vec<EventSource>,
    ) -> Self {
        let types = types.map(|names| {
            let numbers = |name: &String| [EventSource::Webhook, EventSource::Widget].map(|of| type_number(of, name));
            let numbers = names.iter().flat_map(numbers).filter(|number| *number != 0).collect();
            Types { names, numbers }
        });
        Self(Arc::new(Bounds { endpoints, types, sources }))
    }

    /// Nothing is left out.
    #[must_use]
    pub fn everything() -> Self {
        Self::new(None, None, vec![EventSource::Webhook, EventSource::Widget])
    }

    #[must_use]
    pub fn has_endpoint(&self, endpoint: &str) -> bool {
        self.0.endpoints.as_ref().is_none_or(|granted| granted.contains(endpoint))
    }

    /// Whether this event may be seen.
    #[must_use]
    pub fn has(&self, event: &Traits) -> bool {
        self.0.sources.contains(&event.source)
            && self.has_endpoint(&event.endpoint)
            && self.0.types.as_ref().is_none_or(|granted| granted.names.contains(event.type_name.as_ref()))
    }

    /// Whether there are events of a granted source that may not be seen.
    pub(super) fn has_bounds(&self) -> bool {
        self.0.endpoints.is_some() || self.0.types.is_some()
    }

    /// Whether all that a filter names may be seen, and there is something that may.
    pub(super) fn has_all_of(&self, filter: &Filter) -> bool {
        let bounds = &*self.0;
        let endpoints = bounds.endpoints.as_ref();
        let types = bounds.types.as_ref();
        endpoints.is_none_or(|granted| !granted.is_empty() && filter.endpoints.iter().all(|it| granted.contains(it)))
            && types.is_none_or(|granted| {
                !granted.names.is_empty()
                    && filter.types.iter().all(|number| granted.numbers.contains(number))
                    && filter.type_names.iter().all(|name| granted.names.contains(name))
            })
            && filter.sources.iter().all(|source| bounds.sources.contains(source))
    }
}
