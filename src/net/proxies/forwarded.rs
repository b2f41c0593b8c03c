//! Hops as headers name them, the nearest first.
//!
//! They are read from the right, where trusted proxies write, and no further than somebody asks: nothing that stands
//! on the left, not even an opened quote, changes how what stands on the right of it is read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

use super::ForwardedHeader;

/// One element of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop<'a> {
    kind: ForwardedHeader,
    text: &'a [u8],
}

impl Hop<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }

    /// None if it has none that can be read.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let text = match self.kind {
            ForwardedHeader::XForwardedFor => self.text,
            ForwardedHeader::Forwarded => node(self.text)?,
        };
        address(str::from_utf8(text.trim_ascii()).ok()?)
    }
}

/// The hops of all lines, from the last of the last line on.
pub(super) fn hops(kind: ForwardedHeader, headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
    headers.get_all(kind.name()).iter().rev().flat_map(move |line| {
        let quotes = kind == ForwardedHeader::Forwarded;
        FromRight { rest: Some(line.as_bytes()), separator: b',', quotes }.map(move |text| Hop { kind, text })
    })
}

/// The pieces between separators, from the right. With `quotes`, separators in quoted strings are none.
struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
    quotes: bool,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut is_quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            if *byte == b'"' && self.quotes && !is_escaped(&rest[..at]) {
                is_quoted = !is_quoted;
            } else if *byte == self.separator && !is_quoted {
                self.rest = Some(&rest[..at]);
                return Some(&rest[at + 1..]);
            }
        }
        Some(rest)
    }
}

/// Whether what follows these bytes has a backslash before it that is not itself escaped.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// What `for=` says in an element of Forwarded, without its quotes. None unless it is there once.
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for pair in (FromRight { rest: Some(element), separator: b';', quotes: true }) {
        let pair = pair.trim_ascii();
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
            if pair.is_empty() {
                continue;
            }
            return None;
        };
        if pair[..equals].eq_ignore_ascii_case(b"for") && found.replace(&pair[equals + 1..]).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// An address with or without a port, and with or without brackets if it is of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}
