//! Whose a request is, through proxies that can be believed and headers that can't.

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::net::network;

fn proxies(header: ForwardedHeader) -> Proxies {
    let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|text| network(text).unwrap());
    Proxies { trusted: trusted.into_iter().collect(), header, ..Proxies::default() }
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Whom a request is from that a peer sends with these lines of a header.
fn client_of(proxies: &Proxies, peer: &str, lines: &[(&'static str, &[u8])]) -> Option<IpAddr> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let sender = proxies.sender(Peer(Some((address(peer).unwrap(), 1).into())));
    proxies.client(sender, &headers).0
}

const XFF: &str = "x-forwarded-for";
const CLIENT: &str = "203.0.113.9";

#[test]
fn hops_are_followed_from_the_right_and_only_while_they_are_trusted() {
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    for (peer, lines, expected) in [
        // Nobody is believed who is not trusted.
        ("198.51.100.1", vec!["203.0.113.9"], Some("198.51.100.1")),
        ("::ffff:10.0.0.1", vec!["203.0.113.9"], Some(CLIENT)),
        ("2001:db8:1::1", vec!["203.0.113.9"], Some(CLIENT)),
        ("10.0.0.1", vec![], Some("10.0.0.1")),
        ("10.0.0.1", vec![""], Some("10.0.0.1")),
        // What the client has written itself stands further left.
        ("10.0.0.1", vec!["1.1.1.1, 203.0.113.9"], Some(CLIENT)),
        ("10.0.0.1", vec!["10.6.6.6, 203.0.113.9, 10.0.0.2"], Some(CLIENT)),
        ("10.0.0.1", vec!["1.1.1.1", "203.0.113.9", "10.0.0.2"], Some(CLIENT)),
        ("10.0.0.1", vec!["nonsense, 203.0.113.9"], Some(CLIENT)),
        ("10.0.0.1", vec!["203.0.113.9 ,, ,\t10.0.0.2,"], Some(CLIENT)),
        // All are proxies: the first of them.
        ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
        // In every form.
        ("10.0.0.1", vec!["203.0.113.9:4711"], Some(CLIENT)),
        ("10.0.0.1", vec!["::ffff:203.0.113.9"], Some(CLIENT)),
        ("10.0.0.1", vec!["2001:db8::7"], Some("2001:db8::7")),
        ("10.0.0.1", vec!["[2001:db8::7]"], Some("2001:db8::7")),
        ("10.0.0.1", vec!["[2001:db8::7]:443"], Some("2001:db8::7")),
        // A proxy that says nothing that can be read has not said that it is itself.
        ("10.0.0.1", vec!["203.0.113.9, unknown"], None),
        ("10.0.0.1", vec!["203.0.113.9, 10.0.0.2, _hidden"], None),
        ("10.0.0.1", vec!["203.0.113.9, 1.2.3"], None),
        ("10.0.0.1", vec!["203.0.113.9, [1.2.3.4]"], None),
        ("10.0.0.1", vec!["fe80::1%eth0"], None),
        ("10.0.0.1", vec!["203.0.113.9, \"10.0.0.2\""], None),
    ] {
        let lines: Vec<_> = lines.iter().map(|value| (XFF, value.as_bytes())).collect();
        assert_eq!(client_of(&proxies, peer, &lines), expected.and_then(address), "{peer} {lines:?}");
    }
    assert_eq!(client_of(&proxies, "10.0.0.1", &[(XFF, b"203.0.113.9, \xff")]), None);
}

#[test]
fn only_the_header_that_the_proxies_set_counts() {
    let lines: [(&str, &[u8]); 2] = [(XFF, b"203.0.113.9"), ("forwarded", b"for=198.51.100.7")];
    for (header, expected) in [(ForwardedHeader::XForwardedFor, CLIENT), (ForwardedHeader::Forwarded, "198.51.100.7")] {
        assert_eq!(client_of(&proxies(header), "10.0.0.1", &lines), address(expected));
        assert_eq!(header.to_string().to_uppercase().parse(), Ok(header));
    }
    let other = client_of(&proxies(ForwardedHeader::Forwarded), "10.0.0.1", &lines[..1]);
    assert_eq!(other, address("10.0.0.1"), "the proxy itself");
    assert!("x-real-ip".parse::<ForwardedHeader>().is_err());
}

#[test]
fn the_standard_header_is_read_as_it_is_written() {
    let proxies = proxies(ForwardedHeader::Forwarded);
    for (value, expected) in [
        ("for=203.0.113.9", Some(CLIENT)),
        ("For=\"203.0.113.9:4711\"; proto=https;by=10.0.0.1", Some(CLIENT)),
        ("proto=http;host=\"a, for=6.6.6.6\";for=203.0.113.9", Some(CLIENT)),
        ("for=203.0.113.9;host=\"a\\\", for=6.6.6.6\"", Some(CLIENT)),
        ("for=6.6.6.6, for=203.0.113.9;host=\"x;for=7.7.7.7\", for=10.0.0.2", Some(CLIENT)),
        ("for=\"[2001:db8::7]:443\"", Some("2001:db8::7")),
        ("for=\"[2001:db8::7]\"", Some("2001:db8::7")),
        // Quotes that somebody left open on the left.
        ("for=\"evil, for=203.0.113.9", Some(CLIENT)),
        ("for=\"evil\\, for=203.0.113.9", Some(CLIENT)),
        ("for=unknown", None),
        ("for=\"_gazonk\"", None),
        ("for=_x, for=10.0.0.2", None),
        ("proto=https", None),
        ("for=203.0.113.9;for=203.0.113.9", None),
        ("203.0.113.9", None),
        ("for=203.0.113.9\"", None),
        ("for=\"", None),
        ("for=", None),
    ] {
        let expected = expected.and_then(address);
        assert_eq!(client_of(&proxies, "10.0.0.1", &[("forwarded", value.as_bytes())]), expected, "{value}");
    }
}

#[test]
fn more_hops_than_there_can_be_are_nobody_s() {
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    for (hop, most) in [("10.0.0.2, ", HOPS - 1), (", ", HOPS - 1)] {
        let value = |hops: usize| format!("{CLIENT}, {}", hop.repeat(hops));
        // The last one is empty: it ends with a comma.
        assert_eq!(client_of(&proxies, "10.0.0.1", &[(XFF, value(most - 1).as_bytes())]), address(CLIENT), "{hop}");
        assert_eq!(client_of(&proxies, "10.0.0.1", &[(XFF, value(most + 1).as_bytes())]), None, "{hop}");
    }
}

#[test]
fn what_the_proxy_protocol_names_is_believed_no_further_than_a_header() {
    let proxies = Proxies { trusts_unix: true, ..proxies(ForwardedHeader::XForwardedFor) };
    let proxy = proxies.sender(Peer(Some(([10, 0, 0, 1], 1).into())));
    let named = |named| proxies.named(named, proxy);
    let at = |text: &str| Named::Client(text.parse().unwrap());
    assert_eq!(named(Named::Itself), proxy);
    assert_eq!(named(at("::ffff:203.0.113.9")), Sender { client: Client(address(CLIENT)), is_proxy: false });
    assert!(named(at("10.0.0.9")).is_proxy, "a proxy behind a proxy");
    assert_eq!(named(Named::Unknown), Sender { client: Client(None), is_proxy: false });
    let socket = proxies.sender(Peer(None));
    assert_eq!(socket, Sender { client: Client(None), is_proxy: true });
    assert!(!Proxies::default().sender(Peer(None)).is_proxy);
}

proptest! {
    /// Whatever a client writes, it can't choose who it is once a trusted proxy has said it.
    #[test]
    fn nothing_on_the_left_counts(
        left in prop::collection::vec(prop::collection::vec(prop_oneof![
            Just(b','), Just(b'"'), Just(b'\\'), Just(b';'), Just(b'='), Just(b' '), b'0'..=b'9', Just(b'.'), Just(b':'), Just(b'['),
            33_u8..=126, 128_u8..=255
        ], 0..60), 0..4),
        same_line in any::<bool>(),
        standard in any::<bool>(),
    ) {
        let (header, name, said) = if standard {
            (ForwardedHeader::Forwarded, "forwarded", "proto=https;for=\"203.0.113.9:1\"")
        } else {
            (ForwardedHeader::XForwardedFor, XFF, "203.0.113.9")
        };
        let mut lines = left;
        match lines.last_mut().filter(|_| same_line) {
            Some(last) => last.extend([b", ", said.as_bytes()].concat()),
            None => lines.push(said.as_bytes().to_vec()),
        }
        let lines: Vec<_> = lines.iter().map(|line| (name, &line[..])).collect();
        prop_assert_eq!(client_of(&proxies(header), "10.0.0.1", &lines), address(CLIENT));
        // And from elsewhere none of it does.
        prop_assert_eq!(client_of(&proxies(header), "192.0.2.1", &lines), address("192.0.2.1"));
    }
}
