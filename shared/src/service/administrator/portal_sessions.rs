//! Portal sessions: creating, exchanging their links, listing and revoking.

use std::collections::HashSet;

use futures_util::future::try_join;

use super::lists::bad_cursor;
use super::{Administrator, Page};
use crate::clock;
use crate::domain::ids::PortalSessionId;
use crate::domain::portal::form_id::FormId;
use crate::domain::portal::session::{self, LINK_LIFETIME, NewPortalSession, PortalSession, PortalTenant};
use crate::domain::portal::token::PortalToken;
use crate::domain::tenancy::organization::{Organization, OrganizationStatus};
use crate::service::{Caller, ServiceError};
use crate::store::StoreError;
use crate::telemetry::{audit, audit_of_platform};

impl Administrator {
    /// Creates a session of an organization, and the token of its link, which is shown only once.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the session would have rights that the caller does not have, or if the organization
    /// is suspended, [`ServiceError::Invalid`] if it would be bound to an endpoint that the organization does not have.
    pub async fn create_portal_session(
        &self,
        organization: &Organization,
        by: &Caller,
        new: NewPortalSession,
    ) -> Result<(PortalSession, PortalToken), ServiceError> {
        if organization.status != OrganizationStatus::Active {
            return Err(ServiceError::forbidden("the organization is suspended: nobody can use its portal"));
        }
        let expires_at = self.clock.now().to_millis().plus(new.lifetime.duration());
        let rights = session::rights(new.role, &new.binding, expires_at);
        by.may_issue(&rights).map_err(|excess| ServiceError::forbidden(excess.to_string()))?;
        self.require_endpoints(&organization.id, &new.binding).await?;
        let (session, link) = self.new_portal_session(PortalTenant::Organization(organization.id.clone()), by, new);
        self.store.put_portal_session(&session).await?;
        audit("portal_session.create", &organization.id, session.id);
        Ok((session, link))
    }

    /// Creates a session of an operator, who may act in all organizations, and the token of its link.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the deployment does not allow such sessions.
    pub async fn create_operator_session(
        &self,
        by: &Caller,
        new: NewPortalSession,
    ) -> Result<(PortalSession, PortalToken), ServiceError> {
        if !self.deployment.portal.has_operators {
            return Err(ServiceError::forbidden("the deployment's setting OperatorPortal does not allow this"));
        }
        let (session, link) = self.new_portal_session(PortalTenant::Operator, by, new);
        self.store.put_portal_session(&session).await?;
        audit_of_platform("portal_session.create", session.id);
        Ok((session, link))
    }

    fn new_portal_session(
        &self,
        tenant: PortalTenant,
        by: &Caller,
        new: NewPortalSession,
    ) -> (PortalSession, PortalToken) {
        let now = self.clock.now().to_millis();
        let id = PortalSessionId::new(now, clock::id_bytes());
        let link = PortalToken::new(tenant.clone(), id, &clock::secret_bytes());
        let expires_at = now.plus(new.lifetime.duration());
        let session = PortalSession {
            id,
            tenant,
            role: new.role,
            binding: new.binding,
            return_url: new.return_url,
            theme: new.theme,
            actor: new.actor,
            created_by: by.name(),
            grant: by.grant(),
            created_at: now,
            expires_at,
            link: link.hash(),
            link_until: now.plus(LINK_LIFETIME).min(expires_at),
            signed_in: None,
            revoked_at: None,
        };
        (session, link)
    }

    /// A page of a tenant's sessions, newest first.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] if `cursor` is not a cursor of this list.
    pub async fn list_portal_sessions(
        &self,
        tenant: &PortalTenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<PortalSession>, ServiceError> {
        let before = cursor.map(|text| PortalSessionId::parse(text).map_err(|_| bad_cursor())).transpose()?;
        let sessions = self.store.portal_sessions(tenant, before, limit + 1).await?;
        let Page { items, next } = Page::cut(sessions, limit, |session| session.id);
        Ok(Page { items: self.with_their_keys(tenant, items).await?, next })
    }

    /// Revokes a session. It ends at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the tenant has no session with this id.
    pub async fn revoke_portal_session(
        &self,
        tenant: &PortalTenant,
        id: PortalSessionId,
    ) -> Result<PortalSession, ServiceError> {
        let revoked = self.store.revoke_portal_session(tenant, id, self.clock.now()).await?;
        let revoked = revoked.ok_or(ServiceError::NotFound("portal session"))?;
        audit_of(tenant, "portal_session.revoke", id);
        Ok(revoked)
    }

    /// The session of a link that works; `None` if the link was used, has expired or was revoked, or if the organization is not
    /// active. The link is not used up.
    ///
    /// # Errors
    /// [`ServiceError`] if the session could not be read.
    pub async fn session_of_link(&self, link: &PortalToken) -> Result<Option<PortalSession>, ServiceError> {
        let found = self.store.portal_session(&link.tenant, link.session).await?;
        let Some(session) = found.filter(|session| session.admits_link(link.hash(), self.clock.now())) else {
            return Ok(None);
        };
        let (session, is_open) = try_join(self.with_its_key(session), self.is_open(&link.tenant)).await?;
        Ok(session.filter(|session| is_open && session.admits_link(link.hash(), self.clock.now())))
    }

    /// Exchanges the token of a link for a cookie; `None` if the link was used, has expired or was revoked, or if the
    /// organization is not active. A link can be exchanged once. `attribute` gets the session before the exchange is audited.
    ///
    /// # Errors
    /// [`ServiceError`] if the session could not be read or written.
    pub async fn sign_in(
        &self,
        link: &PortalToken,
        attribute: impl FnOnce(&PortalSession),
    ) -> Result<Option<(PortalSession, PortalToken)>, ServiceError> {
        if !self.is_open(&link.tenant).await? {
            return Ok(None);
        }
        let cookie = PortalToken::new(link.tenant.clone(), link.session, &clock::secret_bytes());
        let now = self.clock.now();
        let session = self.store.sign_in(&link.tenant, link.session, link.hash(), cookie.hash(), now).await?;
        let Some(session) = session else { return Ok(None) };
        let Some(session) = self.with_its_key(session).await?.filter(|session| session.admits(cookie.hash(), now))
        else {
            return Ok(None);
        };
        attribute(&session);
        audit_of(&link.tenant, "portal_session.sign_in", link.session);
        Ok(Some((session, cookie)))
    }

    /// The session that a cookie proves; `None` if it has ended, or if the organization is not active. Session, organization and
    /// the organization's key that the rights come from are read for each request, so that a session ends at once when it or the
    /// key is revoked, or its organization suspended.
    ///
    /// # Errors
    /// [`ServiceError`] if the session could not be read.
    pub async fn portal_session(&self, cookie: &PortalToken) -> Result<Option<PortalSession>, ServiceError> {
        let found = self.store.portal_session(&cookie.tenant, cookie.session).await?;
        let Some(session) = found.filter(|session| session.admits(cookie.hash(), self.clock.now())) else {
            return Ok(None);
        };
        let (session, is_open) = try_join(self.with_its_key(session), self.is_open(&cookie.tenant)).await?;
        Ok(session.filter(|session| is_open && session.admits(cookie.hash(), self.clock.now())))
    }

    /// The session with what became of the key that its rights come from; `None` if that is a platform key that the deployment
    /// does not have any more.
    async fn with_its_key(&self, session: PortalSession) -> Result<Option<PortalSession>, ServiceError> {
        if !self.deployment.may_grant(&session.grant) {
            return Ok(None);
        }
        let (Some(organization), Some(id)) = (session.tenant.organization(), session.grant.own_key()) else {
            return Ok(Some(session));
        };
        let key = self.store.api_key_without_use(organization, id).await?;
        Ok(Some(session.granted_by(key.as_ref())))
    }

    /// The same for sessions of one tenant.
    async fn with_their_keys(
        &self,
        tenant: &PortalTenant,
        sessions: Vec<PortalSession>,
    ) -> Result<Vec<PortalSession>, ServiceError> {
        let Some(organization) = tenant.organization() else { return Ok(sessions) };
        let ids: HashSet<_> = sessions.iter().filter_map(|session| session.grant.own_key()).collect();
        let keys = self.store.api_keys_by_id(organization, ids).await?;
        let with_key = |session: PortalSession| match session.grant.own_key() {
            Some(id) => session.granted_by(keys.get(&id)),
            None => session,
        };
        Ok(sessions.into_iter().map(with_key).collect())
    }

    /// Marks a form of a session that creates something as sent, before it is created. So a form that is sent twice creates one
    /// thing.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if the form was sent before.
    pub async fn use_portal_form(&self, session: &PortalSession, form: FormId) -> Result<(), ServiceError> {
        let used = self.store.use_portal_form(&session.tenant, form, session.expires_at).await;
        used.map_err(|error| match error {
            StoreError::Conflict => {
                let message =
                    "this form was sent before, and it works once: look whether it had the effect, then open it again";
                ServiceError::Conflict(message.to_owned())
            }
            error => error.into(),
        })
    }

    /// Whether people may use the portal of the tenant.
    async fn is_open(&self, tenant: &PortalTenant) -> Result<bool, ServiceError> {
        let Some(id) = tenant.organization() else { return Ok(self.deployment.portal.has_operators) };
        let found = self.store.organization(id).await?;
        let is_open = found.as_ref().is_some_and(|organization| organization.status == OrganizationStatus::Active);
        // The rest of the request uses what was just read.
        match found {
            Some(organization) => self.caches.organizations.put(id.clone(), organization, self.clock.now()),
            None => self.caches.organizations.forget(id),
        }
        Ok(is_open)
    }
}

fn audit_of(tenant: &PortalTenant, action: &'static str, id: PortalSessionId) {
    match tenant.organization() {
        Some(organization) => audit(action, organization, id),
        None => audit_of_platform(action, id),
    }
}
