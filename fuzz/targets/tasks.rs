//! A message that can be read says the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::queue::{DeliverTask, Task};

fuzz_target!(|body: &str| {
    let Ok(task) = Task::decode(body) else { return };
    let encoded = Task::DeliverV1((&task).into()).encode().expect("a task is plain data");
    assert_eq!(Task::decode(&encoded).expect("it was just written"), task);
    if let Some(body) = &task.body {
        assert!(DeliverTask::inline(body).is_none_or(|inline| inline == *body));
    }
});
