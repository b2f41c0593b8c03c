//! The script that pages load: `clients/bridge`, as it was built.

use std::{io::Write as _, sync::LazyLock};

use axum::response::Response;
use bytes::Bytes;
use faster_hex::hex_string;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// A script, ready to be sent.
struct Script {
    plain: Bytes,
    gzipped: Bytes,
    /// Of what it says, whatever it is encoded in: a weak one.
    etag: HeaderValue,
}

impl Script {
    fn new(text: &'static [u8]) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let gzipped = gzip.write_all(text).and_then(|()| gzip.finish()).expect("a Vec takes all");
        let etag = format!("W/\"{}\"", hex_string(&Sha256::digest(text)[..12]));
        let etag = HeaderValue::try_from(etag).expect("hex can be in a header");
        Self { plain: Bytes::from_static(text), gzipped: gzipped.into(), etag }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let listed = |name, is_meant: &dyn Fn(&str) -> bool| {
            let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|value| is_meant(value.trim()))
        };
        let etag = self.etag.to_str().unwrap_or_default();
        let strong = etag.trim_start_matches("W/");
        let is_known = listed(header::IF_NONE_MATCH, &|tag| [etag, strong, "*"].contains(&tag));
        let takes_gzip = listed(header::ACCEPT_ENCODING, &|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let is_refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            name.trim() == "gzip" && !is_refused
        });
        let body = if is_known {
            Bytes::new()
        } else if takes_gzip {
            self.gzipped.clone()
        } else {
            self.plain.clone()
        };
        let mut response = Response::new(body.into());
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
            (header::VARY, "Accept-Encoding"),
            // Pages of all origins load it, as modules too; it holds nothing of anybody's.
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::ETAG, self.etag.clone());
        if is_known {
            headers.remove(header::CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if takes_gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

static MODULE: LazyLock<Script> = LazyLock::new(|| Script::new(include_bytes!("../../clients/bridge/dist/bridge.js")));
static GLOBAL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_bytes!("../../clients/bridge/dist/bridge.global.js")));

/// The ES module.
pub async fn module(headers: HeaderMap) -> Response {
    MODULE.answer(&headers)
}

/// The plain script.
pub async fn global(headers: HeaderMap) -> Response {
    GLOBAL.answer(&headers)
}
