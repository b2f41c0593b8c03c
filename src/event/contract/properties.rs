//! Whatever stands in one field, the others are as they would be without it.

use proptest::prelude::*;

use super::{
    Tree, content,
    fields::{places, set, with_every_field},
};
use crate::event::encode::tests::json;

proptest! {
    #[test]
    fn any_value_in_any_field_costs_no_other((name, path) in prop::sample::select(places()), value in json()) {
        let mut data = with_every_field(name);
        set(&mut data, &path, Tree::Verbatim(value));
        let (mut found, issues) = content(name, &data.text());
        prop_assert!(issues.iter().all(|issue| issue.starts_with("/data/")), "{issues:?}");
        // What a record is says how its payload is read.
        if path != "recordType" {
            set(&mut data, &path, Tree::Null);
            set(&mut found, &path, Tree::Null);
            prop_assert_eq!(found.without_nothing(), data.without_nothing());
        }
    }
}
