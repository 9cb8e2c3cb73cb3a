//! Portal sessions, an item each. An item has the hashes of the link's token and of the cookie, never the texts.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::api_keys::{binding, endpoint_bytes};
use super::item::{Base, Unreadable, read, required, time, to_item, unknown};
use super::{Store, StoreError, keys};
use crate::domain::ids::PortalSessionId;
use crate::domain::portal::form_id::FormId;
use crate::domain::portal::origin::ReturnUrl;
use crate::domain::portal::session::{Grant, PortalSession, PortalTenant, Theme};
use crate::domain::portal::token::TokenHash;
use crate::domain::tenancy::access::Role;
use crate::domain::text::Name;
use crate::domain::time::Timestamp;

impl Store {
    /// Writes a new session.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn put_portal_session(&self, session: &PortalSession) -> Result<(), StoreError> {
        let item = to_item(&PortalSessionItem::new(session))?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Reads a session. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn portal_session(
        &self,
        tenant: &PortalTenant,
        id: PortalSessionId,
    ) -> Result<Option<PortalSession>, StoreError> {
        self.get::<PortalSessionItem, _>(&keys::portal_session(tenant, id)).await
    }

    /// Up to `limit` sessions of a tenant that were created before `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn portal_sessions(
        &self,
        tenant: &PortalTenant,
        before: Option<PortalSessionId>,
        limit: usize,
    ) -> Result<Vec<PortalSession>, StoreError> {
        // An item has less than 8 KB (a binding of 100 endpoints, a link back of 2 KB, two names), so that a page of 101 fits into
        // the megabyte of a query.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk < :before")
            .expression_attribute_values(":pk", AttributeValue::S(keys::portal_session_partition(tenant)))
            .expression_attribute_values(
                ":before",
                AttributeValue::S(before.map_or_else(after_all, |id| id.to_string())),
            )
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let items = query.send().await?.items.unwrap_or_default();
        items.into_iter().map(read::<PortalSessionItem, _>).collect()
    }

    /// Exchanges the link of a session for a cookie, if the link works at `now` and was not used. Returns the session
    /// afterwards; `None` if the link does not work.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn sign_in(
        &self,
        tenant: &PortalTenant,
        id: PortalSessionId,
        link: TokenHash,
        cookie: TokenHash,
        now: Timestamp,
    ) -> Result<Option<PortalSession>, StoreError> {
        let text = |value: String| AttributeValue::S(value);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::portal_session(tenant, id).attributes()))
            .update_expression("SET cookie_hash = :cookie, signed_in_at = :now")
            .condition_expression(
                "link_hash = :link AND link_until > :now AND valid_until > :now AND attribute_not_exists(cookie_hash) \
                 AND attribute_not_exists(revoked_at)",
            )
            .expression_attribute_values(":cookie", text(cookie.to_string()))
            .expression_attribute_values(":link", text(link.to_string()))
            .expression_attribute_values(":now", text(now.rfc3339()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let found = match update.send().await {
            Ok(output) => output.attributes,
            Err(error) => match error.as_service_error() {
                // The SDK repeats a request whose response was lost. Then the cookie is the one of the first try.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let own = AttributeValue::S(cookie.to_string());
                    failed.item().filter(|item| item.get("cookie_hash") == Some(&own)).cloned()
                }
                _ => return Err(error.into()),
            },
        };
        found.map(read::<PortalSessionItem, _>).transpose()
    }

    /// Revokes a session. Returns the session afterwards; `None` if there is none. A revoked session stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn revoke_portal_session(
        &self,
        tenant: &PortalTenant,
        id: PortalSessionId,
        now: Timestamp,
    ) -> Result<Option<PortalSession>, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::portal_session(tenant, id).attributes()))
            .update_expression("SET revoked_at = if_not_exists(revoked_at, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", AttributeValue::S(now.rfc3339()))
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(output) => output.attributes.map(read::<PortalSessionItem, _>).transpose(),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Marks a form of the portal as sent. `expires_at` is when nobody can send it any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was sent before.
    pub async fn use_portal_form(
        &self,
        tenant: &PortalTenant,
        form: FormId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let base = Base::new(keys::portal_form(tenant, form), "portal_form");
        let item = to_item(&PortalFormItem { base, expires_at: expires_at.unix_seconds() })?;
        self.put_if(item, "attribute_not_exists(pk)", []).await
    }
}

/// The attributes of a form that was sent.
#[derive(Serialize)]
struct PortalFormItem {
    #[serde(flatten)]
    base: Base,
    expires_at: i64,
}

/// A text that sorts after every session's id.
fn after_all() -> String {
    format!("{}~", PortalSessionId::PREFIX)
}

/// The attributes of a portal session.
#[derive(Serialize, Deserialize)]
struct PortalSessionItem {
    #[serde(flatten)]
    base: Base,
    role: String,
    /// The ids of the endpoints that the session is bound to, 16 bytes each.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
    theme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    created_by: String,
    granted_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_until: Option<String>,
    created_at: String,
    valid_until: String,
    link_hash: String,
    link_until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    expires_at: i64,
}

impl PortalSessionItem {
    fn new(session: &PortalSession) -> Self {
        let (signed_in_at, cookie) = session.signed_in.unzip();
        Self {
            base: Base::new(keys::portal_session(&session.tenant, session.id), "portal_session"),
            role: session.role.as_str().to_owned(),
            endpoints: session.binding.endpoints().map(endpoint_bytes),
            return_url: session.return_url.as_ref().map(|url| url.as_str().to_owned()),
            theme: session.theme.as_str().to_owned(),
            actor: session.actor.as_ref().map(Name::to_string),
            created_by: session.created_by.clone(),
            granted_by: session.grant.key.clone(),
            granted_until: session.grant.until.map(Timestamp::rfc3339),
            created_at: session.created_at.rfc3339(),
            valid_until: session.expires_at.rfc3339(),
            link_hash: session.link.to_string(),
            link_until: session.link_until.rfc3339(),
            cookie_hash: cookie.map(|hash| hash.to_string()),
            signed_in_at: signed_in_at.map(Timestamp::rfc3339),
            revoked_at: session.revoked_at.map(Timestamp::rfc3339),
            expires_at: session.expires_at.unix_seconds(),
        }
    }
}

fn hash(text: &str) -> Result<TokenHash, Unreadable> {
    TokenHash::parse(text).ok_or_else(|| Unreadable("a hash is malformed".to_owned()))
}

impl TryFrom<PortalSessionItem> for PortalSession {
    type Error = Unreadable;

    fn try_from(item: PortalSessionItem) -> Result<Self, Unreadable> {
        let (tenant, id) = required("a session's key", keys::parse_portal_session(&item.base.key()))?;
        let signed_in = match (time(item.signed_in_at.as_ref())?, item.cookie_hash.as_deref()) {
            (Some(at), Some(cookie)) => Some((at, hash(cookie)?)),
            _ => None,
        };
        Ok(Self {
            id,
            tenant,
            role: Role::parse(&item.role).ok_or_else(|| unknown("role", &item.role))?,
            binding: item.endpoints.as_deref().map(|bytes| binding(bytes)).transpose()?.unwrap_or_default(),
            return_url: item.return_url.as_deref().map(ReturnUrl::stored).transpose()?,
            theme: Theme::parse(&item.theme).unwrap_or_default(),
            actor: item.actor.as_deref().map(Name::parse).transpose()?,
            created_by: item.created_by,
            grant: Grant { key: item.granted_by, until: time(item.granted_until.as_ref())? },
            created_at: Timestamp::parse(&item.created_at)?,
            expires_at: Timestamp::parse(&item.valid_until)?,
            link: hash(&item.link_hash)?,
            link_until: Timestamp::parse(&item.link_until)?,
            signed_in,
            revoked_at: time(item.revoked_at.as_ref())?,
        })
    }
}
