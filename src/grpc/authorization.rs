//! Stands before all services: who calls, and whether it may make this call at all.
//!
//! Promises: what is not in the table is denied; a denial says nothing but that it is one. Health is for everybody: probes
//! bring no identity, and learn no more than whether the relay is well (`health`).

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{Router, body::Body, response::Response};
use futures_util::future::BoxFuture;
use http::{Request, header::AUTHORIZATION};
use tonic::Status;
use tower::{Service, ServiceExt};

use super::status;
use crate::{
    identity::{Denial, Grants, Identities, Session},
    net::{Connection, Peer},
};

/// What a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Not even an identity.
    Nothing,
    /// Any identity: what it sees is for the call to narrow.
    Identity,
    CallbackTokens,
    Administer,
}

const SUBSCRIBE: &str = "/smilerelay.v1.RelayService/Subscribe";

/// Every call that there is; None is for all others.
fn need(path: &str) -> Option<Need> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match (service, method) {
        ("grpc.health.v1.Health", "Check" | "Watch" | "List") => Some(Need::Nothing),
        (
            "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection",
            "ServerReflectionInfo",
        )
        | ("smilerelay.v1.RelayService", "Subscribe" | "ListEvents" | "GetEvent" | "GetRelayInfo") => {
            Some(Need::Identity)
        }
        ("smilerelay.v1.CallbackTokenService", "CreateCallbackToken") => Some(Need::CallbackTokens),
        // All of it changes what the relay holds.
        ("smilerelay.v1.AdministrationService", _) => Some(Need::Administer),
        _ => None,
    }
}

impl Need {
    /// The grant that is lacking, if one is.
    fn lacks(self, grants: &Grants) -> Option<&'static str> {
        match self {
            Self::CallbackTokens if !grants.callback_tokens => Some("callback-tokens"),
            Self::Administer if !grants.administer => Some("administer"),
            _ => None,
        }
    }
}

#[derive(Clone)]
struct Authorization {
    services: Router,
    identities: Identities,
}

/// `services` for those whom `identities` let in.
pub fn router(services: Router, identities: Identities) -> Router {
    Router::new().fallback_service(Authorization { services, identities })
}

impl Service<Request<Body>> for Authorization {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routers are always ready, and each call has a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Self { services, identities } = self.clone();
        Box::pin(async move {
            match let_in(&identities, &mut request).await {
                Ok(()) => services.oneshot(request).await,
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

/// Puts the caller's [`Session`] into the request's extensions.
async fn let_in(identities: &Identities, request: &mut Request<Body>) -> Result<(), Status> {
    let path = request.uri().path();
    let need = need(path);
    if need == Some(Need::Nothing) {
        return Ok(());
    }
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let connection = request.extensions().get::<Connection>();
    let recognised = identities.recognise(request.headers(), peer, connection).await;
    let session = recognised.map_err(|denial| {
        identities.note(&denial, shown(path, need), peer);
        match denial {
            Denial::NoKeys(_) => status::keys_unavailable(),
            _ => status::unauthenticated(),
        }
    })?;
    check(&session, path, need)?;
    // Nobody further in has a use for a token.
    request.headers_mut().remove(AUTHORIZATION);
    request.extensions_mut().insert(session);
    Ok(())
}

fn check(session: &Session, path: &str, need: Option<Need>) -> Result<(), Status> {
    let denied = |denial: &Denial| {
        session.deny(shown(path, need), denial);
        status::permission_denied()
    };
    match need {
        // Without identities there is nothing to deny: the router says that there is no such call.
        None if session.name().is_empty() => {}
        None => return Err(denied(&Denial::UnknownCall)),
        Some(need) => {
            if let Some(grant) = need.lacks(session.grants()) {
                return Err(denied(&session.lacks(grant)));
            }
        }
    }
    if path == SUBSCRIBE {
        session.start_stream().map_err(|wait| {
            session.deny(path, &Denial::TooManyStarts(session.name_or_none()));
            status::too_many_starts(wait)
        })?;
    }
    Ok(())
}

/// The call as the log has it: what the caller has made up is not repeated.
fn shown(path: &str, need: Option<Need>) -> &str {
    if need.is_some() && path.len() < 128 { path } else { "(unknown)" }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::event::pb;

    #[test]
    fn every_call_of_ours_is_in_the_table_and_none_that_is_not() {
        let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap().file;
        let mut calls = 0;
        for file in files.iter().filter(|file| file.package() == "smilerelay.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/smilerelay.v1.{}/{}", service.name(), method.name());
                    assert!(need(&path).is_some_and(|need| need != Need::Nothing), "{path}");
                    calls += 1;
                }
            }
        }
        assert!(calls >= 5, "{calls}");
        for path in [
            "",
            "/",
            "Subscribe",
            "/smilerelay.v1.RelayService",
            "/smilerelay.v1.RelayService/",
            "/smilerelay.v1.RelayService/subscribe",
            "/smilerelay.v1.RelayService/Subscribe/",
            "//smilerelay.v1.RelayService/Subscribe",
            "/smilerelay.v1.RelayService/EraseUser",
            "/grpc.health.v1.Health/Check/",
            "/grpc.channelz.v1.Channelz/GetServers",
        ] {
            assert_eq!(need(path), None, "{path}");
        }
    }

    #[test]
    fn grants_are_looked_at_by_what_the_call_needs() {
        let (all, remote) = (Grants::without_identities(true), Grants::without_identities(false));
        assert_eq!(Need::Administer.lacks(&all), None);
        assert_eq!(Need::Administer.lacks(&remote), Some("administer"));
        let none = Grants { callback_tokens: false, administer: false, ..all };
        assert_eq!(Need::CallbackTokens.lacks(&none), Some("callback-tokens"));
        assert_eq!(Need::Identity.lacks(&none), None);
    }
}
