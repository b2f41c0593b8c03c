//! The floor of (d): reads all rows of a log with bare rusqlite, in the log's order, with all that the relay needs of each.

use std::{hint::black_box, time::Instant};

use rusqlite::{Connection, OpenFlags};

pub const ROLE: &str = "floor-rows";

/// Reads the database and prints how many rows a second that were.
pub fn run(args: &[&str]) {
    let [database] = args else { panic!("{ROLE} DATABASE") };
    let began = Instant::now();
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it is ours");
    let mut rows = connection
        .prepare(
            "SELECT sequence, received_at, record_check, conflicts_with, source, endpoint, id, type_name, user_id,
                    traceparent, signature, body
             FROM events ORDER BY sequence",
        )
        .expect("these are the log's columns");
    let mut rows = rows.query([]).expect("it is readable");
    let mut count = 0_u32;
    while let Some(row) = rows.next().expect("it is readable") {
        for number in 0..5 {
            black_box(row.get::<_, i64>(number).expect("a number"));
        }
        for text in 5..10 {
            black_box(row.get_ref(text).and_then(|value| Ok(value.as_str()?.to_owned())).expect("a text"));
        }
        for blob in 10..12 {
            black_box(row.get_ref(blob).and_then(|value| Ok(value.as_blob()?.to_owned())).expect("a blob"));
        }
        count += 1;
    }
    println!("{}", f64::from(count) / began.elapsed().as_secs_f64());
}
