//! Large events: the sample of TASK_FINISHED, with as many items in every list as are wanted.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::value::RawValue;

const SAMPLE: &str = include_str!("../../samples/TASK_FINISHED.json");
const LISTS: [&str; 8] =
    ["documents", "incomes", "transactions", "employments", "contributions", "liabilities", "eincomes", "links"];

/// A TASK_FINISHED of the id `id`, with so many items in each of its eight lists, and with `text` in the id of each item.
/// Without white space, as Smile sends it.
pub fn task_finished(id: &str, items: usize, text: &str) -> String {
    let sample = without_space(SAMPLE);
    let event = members(&sample);
    let data = members(event["data"].get());
    let mut payload = members(data["payload"].get());
    let mut out =
        format!(r#"{{"id":"{id}","version":1,"type":"TASK_FINISHED","createdAt":{},"data":{{"#, event["createdAt"]);
    for name in ["userId", "sourceId", "sourceType", "taskType", "status", "providers", "datapoints"] {
        write!(out, r#""{name}":{},"#, data[name]).unwrap();
    }
    out.push_str(r#""payload":{"#);
    for name in LISTS {
        let list = members(payload.remove(name).expect("every list has a sample").get());
        let samples: Vec<&RawValue> = serde_json::from_str(list["items"].get()).unwrap();
        let all = samples.iter().cycle().take(items);
        let all: Vec<String> =
            all.map(|item| item.get().replacen(r#""id":""#, &format!(r#""id":"{text}"#), 1)).collect();
        write!(out, r#""{name}":{{"nextCursor":"c","items":[{}]}},"#, all.join(",")).unwrap();
    }
    let rest: Vec<String> = payload.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    write!(out, "{}}}}}}}", rest.join(",")).unwrap();
    out
}

fn members(json: &str) -> HashMap<&str, &RawValue> {
    serde_json::from_str(json).unwrap()
}

fn without_space(json: &str) -> String {
    let mut is_inside = false;
    let mut is_escaped = false;
    json.chars()
        .filter(|&c| {
            is_inside ^= c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_inside || !c.is_ascii_whitespace()
        })
        .collect()
}
