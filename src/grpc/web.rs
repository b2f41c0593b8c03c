//! Who may speak what on a gRPC listener: services gRPC over HTTP/2, and browsers gRPC-Web if their page's origin is
//! named. Everything else is told so and reaches no service.
//!
//! A browser sends the origin of the page with every call. Without a look at it, any page that the user of a developer's
//! machine happens to open could read the events of a relay on its loopback address (by a name that its owner points
//! there). So plain HTTP/1.1 is for gRPC-Web alone, and gRPC-Web for named origins alone.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, Either, Ready, ready};
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode, Version,
    header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN},
};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
use tower_http::cors::CorsLayer;

/// What pages send with their calls.
const REQUEST_HEADERS: [HeaderName; 5] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];
/// What of the answer's headers they may read: a call that fails at once has its status there.
const RESPONSE_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// How long browsers may remember that they may call.
const PREFLIGHT_AGE: Duration = Duration::from_hours(1);

/// Stands before the services.
#[derive(Clone)]
struct Door {
    services: Router,
    /// The same for browsers, if any origin is named.
    web: Option<Web>,
}

#[derive(Clone)]
struct Web {
    origins: Vec<HeaderValue>,
    services: BoxCloneSyncService<Request<Body>, Response, Infallible>,
}

/// `services` for those who speak gRPC, and for browsers on pages of `origins`.
pub fn router(services: Router, origins: Vec<HeaderValue>) -> Router {
    let web = (!origins.is_empty()).then(|| {
        let cors = CorsLayer::new()
            .allow_origin(origins.clone())
            .allow_methods([Method::POST])
            .allow_headers(REQUEST_HEADERS)
            .expose_headers(RESPONSE_HEADERS)
            .max_age(PREFLIGHT_AGE);
        let translated = GrpcWebLayer::new().layer(services.clone());
        // One type for all, and axum's.
        let answer = |response: http::Response<_>| response.map(Body::new);
        let services = ServiceExt::<Request<Body>>::map_response(cors.layer(translated), answer);
        Web { origins, services: BoxCloneSyncService::new(services) }
    });
    Router::new().fallback_service(Door { services, web })
}

impl Service<Request<Body>> for Door {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response, Infallible>>, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routers are always ready, and each call has a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let refused = |code: StatusCode, why: &'static str| Either::Right(ready(Ok((code, why).into_response())));
        match (Kind::of(&request), &self.web) {
            (Kind::Grpc, _) => Either::Left(Box::pin(self.services.clone().oneshot(request))),
            (Kind::Web, Some(web)) if web.allows(&request) => {
                Either::Left(Box::pin(web.services.clone().oneshot(request)))
            }
            (Kind::Web, Some(_)) => {
                refused(StatusCode::FORBIDDEN, "this page's origin is not one of --grpc-web-origin\n")
            }
            (Kind::Web, None) => {
                refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "gRPC-Web is off; see --grpc-web-origin\n")
            }
            (Kind::Other, _) => refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this listener speaks gRPC over HTTP/2\n"),
        }
    }
}

impl Web {
    /// Who says no origin is no browser, and could say any.
    fn allows(&self, request: &Request<Body>) -> bool {
        request.headers().get(ORIGIN).is_none_or(|origin| self.origins.contains(origin))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Grpc,
    Web,
    Other,
}

impl Kind {
    fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        match content_type.strip_prefix(b"application/grpc") {
            Some([b'-', b'w', b'e', b'b', ..]) => Self::Web,
            Some([] | [b'+' | b';', ..]) if request.version() == Version::HTTP_2 => Self::Grpc,
            _ if is_preflight => Self::Web,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(version: Version, content_type: &str) -> Kind {
        Kind::of(&Request::post("/").version(version).header(CONTENT_TYPE, content_type).body(()).unwrap())
    }

    #[test]
    fn a_request_is_told_by_its_version_and_content_type() {
        for grpc in ["application/grpc", "application/grpc+proto", "application/grpc;x=1"] {
            assert_eq!(kind(Version::HTTP_2, grpc), Kind::Grpc, "{grpc}");
            assert_eq!(kind(Version::HTTP_11, grpc), Kind::Other, "{grpc}");
        }
        for web in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
            assert_eq!(kind(Version::HTTP_2, web), Kind::Web, "{web}");
            assert_eq!(kind(Version::HTTP_11, web), Kind::Web, "{web}");
        }
        for other in ["", "text/plain", "application/json", "application/grpcx"] {
            assert_eq!(kind(Version::HTTP_2, other), Kind::Other, "{other}");
        }
        let preflight = Request::options("/").header(ORIGIN, "http://a").header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        assert_eq!(Kind::of(&preflight.body(()).unwrap()), Kind::Web);
        assert_eq!(Kind::of(&Request::options("/").body(()).unwrap()), Kind::Other);
    }
}
