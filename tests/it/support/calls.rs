//! The actions of each function on the table and the queues, and the calls to AWS that perform them.

mod call;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use call::Call;

/// An action of a function on the table or the queue, with its IAM name.
struct Action {
    name: &'static str,
    /// The index, or `None` for the table itself.
    index: Option<&'static str>,
    /// The first parts of the partition keys.
    partitions: &'static [&'static str],
}

const fn on_table(name: &'static str, partitions: &'static [&'static str]) -> Action {
    Action { name, index: None, partitions }
}

const fn on_queue(name: &'static str) -> Action {
    on_table(name, &[])
}

const LIST_WAITING: Action = Action { name: "dynamodb:Query", index: Some("waiting"), partitions: &[] };

/// The performed actions: the action, the index, and the first parts of the partition keys.
pub(crate) type Done = BTreeMap<(String, Option<String>), BTreeSet<String>>;

/// The actions that these calls performed.
pub(crate) fn done(calls: impl IntoIterator<Item = Call>) -> Done {
    let mut done = Done::new();
    for call in calls {
        for action in call.actions() {
            done.entry((action, call.index().map(str::to_owned))).or_default().extend(call.partitions());
        }
    }
    done
}

/// The actions of a function in the list.
pub(crate) fn listed(function: &str) -> Done {
    let (_, actions) = ACTIONS.iter().find(|(name, _)| *name == function).unwrap();
    let entry = |action: &Action| {
        let partitions: BTreeSet<_> = action.partitions.iter().map(|partition| (*partition).to_owned()).collect();
        ((action.name.to_owned(), action.index.map(str::to_owned)), partitions)
    };
    let own: &[Action] = match function {
        "api" => ANSWERS,
        "portal" => &[SESSIONS],
        _ => &[],
    };
    let mut listed = Done::new();
    for (action, partitions) in actions.iter().chain(own).map(entry) {
        listed.entry(action).or_default().extend(partitions);
    }
    listed
}

/// The answers to requests of the `svix` dialect, for an organization and for the deployment.
const ANSWERS: &[Action] = &[
    on_table("dynamodb:DeleteItem", &["answer", "idem"]),
    on_table("dynamodb:GetItem", &["answer", "idem"]),
    on_table("dynamodb:PutItem", &["answer", "idem"]),
];

/// The portal reads the session of each request.
const SESSIONS: Action = on_table("dynamodb:GetItem", &["portal"]);

/// The actions of the functions whose operations are those of the API. `access` compares them with the calls of the API's
/// routes; the portal calls the same operations.
const MANAGEMENT: &[Action] = &[
    on_table("dynamodb:BatchGetItem", &["attempt", "delivery", "endpoint", "health", "org", "type", "used"]),
    on_table("dynamodb:BatchWriteItem", &["delivery", "event"]),
    on_table(
        "dynamodb:DeleteItem",
        &["catalogue", "endpoint", "extend", "extorg", "fanout", "job", "jwks", "org", "state", "type", "types"],
    ),
    on_table(
        "dynamodb:GetItem",
        &[
            "catalogue",
            "delivery",
            "endpoint",
            "extend",
            "extevt",
            "extorg",
            "health",
            "job",
            "key",
            "org",
            "slug",
            "state",
            "type",
            "used",
        ],
    ),
    on_table(
        "dynamodb:PutItem",
        &[
            "catalogue",
            "delivery",
            "endpoint",
            "event",
            "extend",
            "extorg",
            "fanout",
            "health",
            "job",
            "jwks",
            "key",
            "org",
            "portal",
            "slug",
            "state",
            "type",
            "types",
            "used",
        ],
    ),
    on_table(
        "dynamodb:Query",
        &[
            "attempt", "delivery", "endpoint", "event", "fanout", "job", "jwks", "org", "portal", "stats", "types",
            "usage",
        ],
    ),
    LIST_WAITING,
    on_table(
        "dynamodb:UpdateItem",
        &[
            "attempt",
            "catalogue",
            "endpoint",
            "extorg",
            "fanout",
            "health",
            "job",
            "limit",
            "org",
            "portal",
            "state",
            "stats",
            "type",
            "types",
            "usage",
        ],
    ),
    on_queue("sqs:SendMessage"),
];

/// All actions of each function. Tests compare this list with the observed calls in the scenes of `failures` and at
/// every route of the API, and with the roles in `template.yaml`. The list of `deliver` includes receiving and deleting
/// messages, which Lambda does with the function's role; so does that of `ingest`, for the ingest queue.
const ACTIONS: [(&str, &[Action]); 6] = [
    ("api", MANAGEMENT),
    ("portal", MANAGEMENT),
    (
        "publish",
        &[
            on_table("dynamodb:BatchGetItem", &["delivery", "event"]),
            on_table("dynamodb:BatchWriteItem", &["delivery", "event"]),
            on_table("dynamodb:DeleteItem", &["idem"]),
            on_table("dynamodb:GetItem", &["catalogue", "extorg", "key", "state", "type"]),
            on_table("dynamodb:PutItem", &["delivery", "event", "extevt", "idem", "used"]),
            on_table("dynamodb:Query", &["fanout", "usage"]),
            on_table("dynamodb:UpdateItem", &["idem", "limit", "usage"]),
            on_queue("sqs:SendMessage"),
        ],
    ),
    (
        "ingest",
        &[
            on_table("dynamodb:BatchGetItem", &["delivery", "event"]),
            on_table("dynamodb:BatchWriteItem", &["delivery", "event"]),
            on_table("dynamodb:DeleteItem", &["idem"]),
            on_table("dynamodb:GetItem", &["catalogue", "extorg", "state", "type"]),
            on_table("dynamodb:PutItem", &["delivery", "event", "extevt", "idem"]),
            on_table("dynamodb:Query", &["fanout", "usage"]),
            on_table("dynamodb:UpdateItem", &["idem", "limit", "usage"]),
            on_queue("sqs:ChangeMessageVisibility"),
            on_queue("sqs:DeleteMessage"),
            on_queue("sqs:ReceiveMessage"),
            on_queue("sqs:SendMessage"),
        ],
    ),
    (
        "deliver",
        &[
            on_table("dynamodb:BatchGetItem", &["delivery", "endpoint", "event", "state"]),
            on_table("dynamodb:GetItem", &["endpoint", "health", "state"]),
            on_table("dynamodb:PartiQLInsert", &["attempt", "delivery"]),
            on_table("dynamodb:PutItem", &["delivery", "endpoint", "event", "fanout", "health", "job"]),
            on_table("dynamodb:Query", &["fanout"]),
            on_table("dynamodb:UpdateItem", &["attempt", "endpoint", "fanout", "health", "job", "stats", "usage"]),
            on_queue("sqs:ChangeMessageVisibility"),
            on_queue("sqs:DeleteMessage"),
            on_queue("sqs:ReceiveMessage"),
            on_queue("sqs:SendMessage"),
        ],
    ),
    (
        "sweep",
        &[
            on_table("dynamodb:BatchGetItem", &["attempt", "delivery", "job"]),
            on_table(
                "dynamodb:DeleteItem",
                &[
                    "answer", "attempt", "delivery", "endpoint", "event", "extend", "extevt", "extorg", "fanout",
                    "health", "idem", "job", "jwks", "key", "limit", "org", "portal", "slug", "state", "stats",
                    "usage", "used",
                ],
            ),
            on_table("dynamodb:GetItem", &["endpoint", "health", "org", "reencryption", "state"]),
            on_table("dynamodb:PutItem", &["delivery", "endpoint", "event", "fanout", "job", "reencryption"]),
            on_table(
                "dynamodb:Query",
                &[
                    "attempt", "delivery", "endpoint", "event", "extend", "extevt", "fanout", "health", "idem", "job",
                    "jwks", "limit", "org", "portal", "stats", "usage", "used",
                ],
            ),
            LIST_WAITING,
            on_table("dynamodb:UpdateItem", &["attempt", "limit", "stats", "usage"]),
            on_queue("sqs:SendMessage"),
        ],
    ),
];
