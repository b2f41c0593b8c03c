//! The filter, compared with what its fields say.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const TYPES: [&str; 4] = ["USER_CREATED", "TASK_FINISHED", "SOMETHING_NEW", ""];
const NAMES: [&str; 3] = ["", "a", "b"];

fn some<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(prop::sample::select(of), 0..3)
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|&text| text.to_owned()).collect()
}

prop_compose! {
    fn filter()(
        types in some(vec![1, 7, 8]),
        type_names in some(texts(&TYPES)),
        user_ids in some(texts(&NAMES)),
        endpoints in some(texts(&NAMES)),
        sources in some(vec![1, 2]),
    ) -> EventFilter {
        EventFilter { types, type_names, user_ids, endpoints, sources }
    }
}

prop_compose! {
    fn event()(
        type_name in prop::sample::select(&TYPES[..]),
        user_id in prop::sample::select(&NAMES[..]),
        endpoint in prop::sample::select(&NAMES[..]),
        source in prop::sample::select(&[EventSource::Webhook, EventSource::Widget][..]),
    ) -> Traits {
        Traits {
            type_number: type_number(EventSource::Webhook, type_name),
            type_name: type_name.into(),
            user_id: user_id.into(),
            endpoint: endpoint.into(),
            source,
            received_at: 0,
        }
    }
}

/// As the fields are documented, one after the other.
fn wanted(filter: &EventFilter, event: &Traits) -> bool {
    let types: Vec<&str> = filter
        .types
        .iter()
        .map(|&number| {
            if number == 1 {
                "USER_CREATED"
            } else if number == 7 {
                "TASK_FINISHED"
            } else {
                "-"
            }
        })
        .collect();
    let by_type = types.contains(&&*event.type_name) || filter.type_names.iter().any(|name| **name == *event.type_name);
    let of_any_type = filter.types.is_empty() && filter.type_names.is_empty();
    let among = |listed: &[String], text: &str| listed.is_empty() || listed.iter().any(|listed| listed == text);
    let source = if filter.sources.is_empty() {
        event.source == EventSource::Webhook
    } else {
        filter.sources.contains(&i32::from(event.source))
    };
    (of_any_type || by_type)
        && among(&filter.user_ids, &event.user_id)
        && among(&filter.endpoints, &event.endpoint)
        && source
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn passes_what_its_fields_say(filter in filter(), event in event()) {
        let checked = Filter::new(filter.clone()).unwrap();
        prop_assert_eq!(checked.lets_pass(&event), wanted(&filter, &event));
    }
}

prop_compose! {
    fn scope()(
        endpoints in prop::option::of(some(texts(&NAMES))),
        types in prop::option::of(some(texts(&TYPES))),
        sources in some(vec![EventSource::Webhook, EventSource::Widget]),
    ) -> Scope {
        Scope::new(endpoints.map(BTreeSet::from_iter), types.map(BTreeSet::from_iter), sources)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn nobody_sees_what_is_not_granted(filter in filter(), scope in scope(), event in event()) {
        let narrowed = Filter::new(filter.clone()).unwrap().within(&scope);
        match narrowed {
            Some(narrowed) => {
                prop_assert_eq!(narrowed.lets_pass(&event), wanted(&filter, &event) && scope.has(&event));
                for endpoint in &filter.endpoints {
                    prop_assert!(scope.has_endpoint(endpoint));
                }
            }
            // Denied, for it names what is not granted: more than nothing at all.
            None => prop_assert_ne!(scope, Scope::everything()),
        }
    }
}

#[test]
fn a_filter_that_names_what_is_not_granted_is_denied() {
    let set = |names: &[&str]| Some(texts(names).into_iter().collect());
    let webhook = || vec![EventSource::Webhook];
    let scope = Scope::new(set(&["a"]), set(&["USER_CREATED"]), webhook());
    let denied = |filter: EventFilter, scope: &Scope| Filter::new(filter).unwrap().within(scope).is_none();
    let none = EventFilter::default;
    assert!(!denied(none(), &scope));
    assert!(!denied(EventFilter { types: vec![1], type_names: texts(&["USER_CREATED"]), ..none() }, &scope));
    assert!(!denied(EventFilter { endpoints: texts(&["a"]), sources: vec![1], ..none() }, &scope));
    for beyond in [
        EventFilter { types: vec![1, 7], ..none() },
        EventFilter { type_names: texts(&["TASK_FINISHED"]), ..none() },
        EventFilter { endpoints: texts(&["a", "b"]), ..none() },
        EventFilter { sources: vec![1, 2], ..none() },
    ] {
        assert!(denied(beyond.clone(), &scope), "{beyond:?}");
    }
    for nothing in [
        Scope::new(set(&[]), None, webhook()),
        Scope::new(None, set(&[]), webhook()),
        Scope::new(None, None, vec![EventSource::Widget]),
    ] {
        assert!(denied(none(), &nothing), "nothing is left of it: {nothing:?}");
    }
}

#[test]
fn what_it_cannot_follow_is_named() {
    let fields = |filter| -> Vec<String> {
        Filter::new(filter).unwrap_err().into_iter().map(|violation| violation.field).collect()
    };
    let full = || vec![String::new(); ENTRIES];
    assert!(Filter::new(EventFilter { user_ids: full(), ..EventFilter::default() }).is_ok());
    let over = || vec![String::new(); ENTRIES + 1];
    let too_many = EventFilter {
        types: vec![1; ENTRIES + 1],
        type_names: over(),
        user_ids: over(),
        endpoints: over(),
        sources: vec![1; ENTRIES + 1],
    };
    let all = ["types", "type_names", "user_ids", "endpoints", "sources"];
    assert_eq!(fields(too_many), all.map(|field| format!("filter.{field}")));
    for number in [0, -1, 38, i32::MAX] {
        assert_eq!(fields(EventFilter { types: vec![1, number], ..EventFilter::default() }), ["filter.types"]);
    }
    for number in [0, -1, 3] {
        assert_eq!(fields(EventFilter { sources: vec![1, number], ..EventFilter::default() }), ["filter.sources"]);
    }
}
