//! Filters match as a second, independent implementation does, and events are read if `serde_json` accepts them. The input
//! is a filter and the data of an event, each on a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use shared::domain::endpoint::filter::{EventView, Filter, Steps};

#[path = "../../tests/it/filters/naive.rs"]
mod naive;

fuzz_target!(|lines: &str| {
    let Some((text, data)) = lines.split_once('\n') else { return };
    let filter = Filter::parse(text);
    let view = EventView::new("invoice.paid", ("customer", "cus_7"), &["eu", "vip"], data);
    let is_json = serde_json::from_str::<&RawValue>(data).is_ok();
    assert!(view.is_err() || is_json, "{data}");
    assert!(view.is_ok() || !is_json || data.matches(['[', '{']).count() > 64, "{data}");
    let (Ok(filter), Ok(view)) = (filter, view) else { return };
    assert!(filter.as_str().len() <= text.len());
    assert_eq!(Filter::parse(filter.as_str()).as_ref(), Ok(&filter));
    let steps = Steps::new(u64::MAX);
    let matches = filter.matches(&view, &steps).expect("the steps suffice");
    let taken = steps.taken();
    assert_eq!(filter.matches(&view, &Steps::new(taken)), Some(matches));
    assert_eq!(filter.matches(&view, &Steps::new(taken - 1)), None);
    assert_eq!(filter.explain(&view, &steps).is_empty(), matches);
    let event = format!(
        r#"{{"type":"invoice.paid","subject":{{"type":"customer","id":"cus_7"}},"channels":["eu","vip"],"data":{data}}}"#
    );
    if let Some(expected) = naive::matches(text, &event) {
        assert_eq!(matches, expected, "{filter} {data}");
    }
});
