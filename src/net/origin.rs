//! Origins, as browsers write them in the header `Origin`: so that they can be compared by their bytes.

/// An origin of pages on the web: `https://app.example.com`, without a path, in small letters, and without the scheme's
/// own port.
#[must_use]
pub fn is_web_origin(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok().filter(|uri| uri.query().is_none());
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str).filter(|scheme| ["http", "https"].contains(scheme));
    let authority = uri.as_ref().and_then(http::Uri::authority).filter(|authority| !authority.as_str().contains('@'));
    let default_port = match scheme {
        Some("http") => 80,
        _ => 443,
    };
    scheme
        .zip(authority)
        .filter(|(_, authority)| authority.port_u16() != Some(default_port))
        .is_some_and(|(scheme, authority)| format!("{scheme}://{authority}") == text)
        && text.split_once("://").is_some_and(|(_, rest)| is_host(rest))
}

/// A host and perhaps a port, in small letters; nothing that stands for several.
fn is_host(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.:[]_".contains(&c))
}

/// As [`is_web_origin`], or what pages have that come from elsewhere: `null` in sandboxed frames, `file://` and schemes
/// of their own in applications (`capacitor://localhost`).
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return text == "null" };
    match scheme {
        "http" | "https" => is_web_origin(text),
        _ => {
            let of_scheme = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"+-.".contains(&c);
            scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(of_scheme) && is_host(rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for web in ["https://a.example", "http://localhost:3000", "https://a.example:8443", "http://[::1]:8080"] {
            assert!(is_web_origin(web) && is_origin(web), "{web}");
        }
        for no in ["", "a.example", "https://A.example", "https://a.example/", "https://a.example:443", "http://a:80"] {
            assert!(!is_web_origin(no) && !is_origin(no), "{no}");
        }
        for other in ["null", "file://", "capacitor://localhost", "ionic://localhost", "app.x+y-1://h"] {
            assert!(is_origin(other) && !is_web_origin(other), "{other}");
        }
        for no in ["NULL", "*", "https://*.example", "://x", "1x://h", "app://h/p", "app://h?q", "https://u@a.example"]
        {
            assert!(!is_origin(no), "{no}");
        }
    }
}
