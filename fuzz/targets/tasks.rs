//! A decoded message is equal after encoding and decoding it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::queue::{DeliverTask, Task};

fuzz_target!(|body: &str| {
    let Ok(task) = Task::decode(body) else { return };
    let encoded = Task::from(&task).encode().expect("a task can be serialized");
    assert_eq!(Task::decode(&encoded).expect("the message was encoded above"), task);
    if let Some(payload) = &task.payload {
        assert!(DeliverTask::inline(payload).is_none_or(|inline| inline == *payload));
    }
});
