//! The schemas of values that one field has, without a name of their own.

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::builders::one_of;

/// The result of an entry of a batch.
pub(crate) fn accepted_or_refused() -> Object {
    one_of(["accepted", "refused"]).build()
}

/// The data of an event: an object, or a string if the event has a content type.
pub(crate) fn event_data() -> Object {
    data_of([Type::Object, Type::String])
}

/// The data of an event as lists show it. It is null if it was removed.
pub(crate) fn shown_event_data() -> Object {
    data_of([Type::Object, Type::String, Type::Null])
}

fn data_of(types: impl IntoIterator<Item = Type>) -> Object {
    let object = ObjectBuilder::new().schema_type(SchemaType::from_iter(types));
    object.examples([serde_json::json!({"member": "mbr_1"})]).build()
}

/// What an import does to an event type.
pub(crate) fn import_effect() -> Object {
    one_of(["created", "updated", "unchanged"]).build()
}

/// The possible orders of endpoints.
pub(crate) fn endpoints_ordering() -> Object {
    let orders = ["created", "-created", "modified", "-modified", "name", "-name"];
    one_of(orders).default(Some("created".into())).build()
}

/// The possible orders of deliveries.
pub(crate) fn deliveries_ordering() -> Object {
    one_of(["created", "-created"]).default(Some("-created".into())).build()
}

/// The values of fields of a JSON Web Key, which are always the same.
pub(crate) mod jwk {
    use super::{Object, one_of};

    pub(crate) fn kty() -> Object {
        one_of(["OKP"]).build()
    }

    pub(crate) fn crv() -> Object {
        one_of(["Ed25519"]).build()
    }

    pub(crate) fn usage() -> Object {
        one_of(["sig"]).build()
    }

    pub(crate) fn alg() -> Object {
        one_of(["EdDSA"]).build()
    }
}

/// The values of `object` fields.
pub(crate) mod object {
    use super::{Object, one_of};

    macro_rules! objects {
        ($($name:ident),+) => {$(
            pub(crate) fn $name() -> Object {
                one_of([stringify!($name)]).build()
            }
        )+};
    }

    objects!(
        api_key,
        batch_result,
        event,
        event_type,
        event_type_import,
        event_type_version,
        filter_test,
        job,
        limits,
        organization,
        portal_session,
        usage,
        webhook_attempt,
        webhook_delivery,
        webhook_endpoint,
        webhook_endpoint_secrets,
        webhook_recovery,
        webhook_replay_count,
        webhook_statistics,
        webhook_test
    );
}
