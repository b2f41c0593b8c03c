//! Headers as proxies write them, and as they should not be.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

/// What is read of these bytes, and how many are left.
fn parse(mut bytes: &[u8]) -> (io::Result<Named>, usize) {
    let read = read(&mut bytes).now_or_never().expect("slices are never waited for");
    (read, bytes.len())
}

/// A header of version 2.
fn binary(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [v2::PROTOCOL_PREFIX, &[command, family], &length, payload].concat()
}

fn named(text: &str) -> Named {
    Named::Client(text.parse().unwrap())
}

const FOUR: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 1, 187];

fn six() -> Vec<u8> {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    [&address("2001:db8::7")[..], &address("2001:db8::8"), &FOUR[8..]].concat()
}

#[test]
fn both_versions_are_read_and_not_a_byte_more() {
    let tlvs = [&FOUR[..], &[3, 0, 4, 1, 2, 3, 4], &[4; 700]].concat();
    for (header, expected) in [
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n".to_vec(), named("203.0.113.9")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::8 4711 443\r\n".to_vec(), named("2001:db8::7")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Named::Unknown),
        (b"PROXY UNKNOWN 203.0.113.9 10.0.0.1 4711 443 and what else\r\n".to_vec(), Named::Unknown),
        (binary(0x21, 0x11, &FOUR), named("203.0.113.9")),
        (binary(0x21, 0x21, &six()), named("2001:db8::7")),
        (binary(0x21, 0x11, &tlvs), named("203.0.113.9")),
        (binary(0x20, 0x00, &[]), Named::Itself),
        (binary(0x20, 0x11, &FOUR), Named::Itself),
        (binary(0x21, 0x00, &[]), Named::Unknown),
        (binary(0x21, 0x31, &[0; 216]), Named::Unknown),
    ] {
        let all = [&header[..], b"\x16\x03\x01 what follows\r\n"].concat();
        let (read, left) = parse(&all);
        assert_eq!((read.unwrap(), left), (expected, all.len() - header.len()), "{header:?}");
        // Cut off, it is none.
        for end in 0..header.len() {
            assert_eq!(
                parse(&header[..end]).0.unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "{end} of {header:?}"
            );
        }
    }
}

#[test]
fn what_is_no_header_is_refused_within_a_bound() {
    let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 1 << 20]].concat();
    let unknown = [b"PROXY UNKNOWN ".as_slice(), &[b'1'; 1 << 20]].concat();
    let mut longer = binary(0x21, 0x11, &vec![0; 1 << 15]);
    longer.extend([0; 1 << 15]);
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00".to_vec(),
        b"PROXY TCP5 203.0.113.9 10.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP4 203.0.113 10.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 10.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 10.0.0.1 70000 443\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443 more\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9\xff 10.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY UNKNOWNS\r\n".to_vec(),
        b"proxy TCP4 203.0.113.9 10.0.0.1 4711 443\r\n".to_vec(),
        binary(0x31, 0x11, &FOUR),
        binary(0x22, 0x11, &FOUR),
        binary(0x21, 0x41, &FOUR),
        binary(0x21, 0x12, &FOUR),
        binary(0x21, 0x11, &FOUR[..11]),
        long,
        unknown,
        longer,
    ] {
        let (read, left) = parse(&bytes);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData, "{:?}", &bytes[..bytes.len().min(60)]);
        assert!(bytes.len() - left <= HEADER_BYTES);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_an_error(
        start in prop_oneof![Just(&b""[..]), Just(&b"PROXY "[..]), Just(&b"PROXY TCP4 "[..]), Just(v2::PROTOCOL_PREFIX)],
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &rest].concat();
        let (read, left) = parse(&bytes);
        prop_assert!(left <= bytes.len());
        if let Err(error) = read {
            prop_assert!(matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn every_address_comes_through(address in any::<IpAddr>(), port in any::<u16>(), tlvs in prop::collection::vec(any::<u8>(), 0..200)) {
        let (line, family, octets) = match address {
            IpAddr::V4(four) => ("TCP4", 0x11, four.octets().to_vec()),
            IpAddr::V6(six) => ("TCP6", 0x21, six.octets().to_vec()),
        };
        let text = format!("PROXY {line} {address} {address} {port} {port}\r\n");
        prop_assert_eq!(parse(text.as_bytes()).0.unwrap(), Named::Client(address));
        let payload = [&octets[..], &octets, &port.to_be_bytes(), &port.to_be_bytes(), &tlvs].concat();
        let (read, left) = parse(&binary(0x21, family, &payload));
        prop_assert_eq!((read.unwrap(), left), (Named::Client(address), 0));
    }
}
