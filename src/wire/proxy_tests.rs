//! Headers as the specification writes them, cut and damaged.

use super::*;
use proptest::prelude::*;

/// A header of this command and family around this block.
fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, block].concat()
}

fn v4(more: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x1f, 0x90];
    header(0x21, 0x11, &[&addresses, more].concat())
}

fn v6(more: &[u8]) -> Vec<u8> {
    let mut addresses = [0; 36];
    addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    addresses[15] = 9;
    addresses[32..].copy_from_slice(&[0xff, 0xff, 0x1f, 0x90]);
    header(0x21, 0x21, &[&addresses, more].concat())
}

fn whole(bytes: &[u8]) -> Header {
    match Header::look(bytes) {
        Ok(Look::Whole(header)) => header,
        other => panic!("{other:?}: {bytes:?}"),
    }
}

fn client(bytes: &[u8]) -> Option<String> {
    whole(bytes).client.map(|client| client.to_string())
}

#[test]
fn a_proxy_says_for_whom_it_connects() {
    assert_eq!(client(&v4(b"")).as_deref(), Some("192.0.2.7:12345"));
    assert_eq!(client(&v6(b"")).as_deref(), Some("[2001:db8::9]:65535"));
    // TLVs are skipped, also broken ones, and what comes behind is not looked at.
    let tlvs = b"\x04\x00\x03abc\x02\xff\xff";
    let bytes = [v4(tlvs), b"GET / HTTP/1.1".to_vec()].concat();
    assert_eq!(whole(&bytes).size, FIXED + 12 + tlvs.len());
    assert_eq!(client(&bytes).as_deref(), Some("192.0.2.7:12345"));
}

#[test]
fn a_proxy_speaks_for_itself_or_for_nobody_with_an_address() {
    for (command, family, block) in [
        (0x20, 0x00, &[][..]),
        (0x20, 0x11, &[1; 12]),
        (0x20, 0xff, &[1; 3]),
        (0x21, 0x00, &[]),
        (0x21, 0x00, &[1; 40]),
        (0x21, 0x01, &[]),
        (0x21, 0x10, &[1; 12]),
        (0x21, 0x12, &[1; 12]),
        (0x21, 0x22, &[1; 36]),
        (0x21, 0x31, &[1; 216]),
        (0x21, 0x32, &[1; 216]),
    ] {
        let bytes = header(command, family, block);
        assert_eq!(whole(&bytes), Header { size: bytes.len(), client: None }, "{command:#x} {family:#x}");
    }
}

#[test]
fn what_is_no_header_is_refused_for_what_it_is() {
    let mut longest = v4(&[0; PROXY_HEADER_BYTES - FIXED - 12]);
    assert_eq!(whole(&longest).size, PROXY_HEADER_BYTES);
    longest[15] += 1;
    for (bytes, why) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], BadHeader::Absent),
        (b"POST", BadHeader::Absent),
        (b"\r\n\r\nGET", BadHeader::Absent),
        (b"\x16\x03\x01", BadHeader::Absent),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 8080\r\n", BadHeader::Version1),
        (b"PROXY UNKNOWN\r\n", BadHeader::Version1),
        (&header(0x11, 0x11, &[0; 12]), BadHeader::Command),
        (&header(0x31, 0x11, &[0; 12]), BadHeader::Command),
        (&header(0x22, 0x11, &[0; 12]), BadHeader::Command),
        (&header(0x21, 0x41, &[0; 12]), BadHeader::Family),
        (&header(0x21, 0x13, &[0; 12]), BadHeader::Family),
        (&header(0x21, 0x11, &[0; 11]), BadHeader::TooShort),
        (&header(0x21, 0x21, &[0; 35]), BadHeader::TooShort),
        (&longest, BadHeader::TooLong),
        (&header(0x20, 0x00, &[0; 65_535]), BadHeader::TooLong),
    ] {
        assert_eq!(Header::look(bytes), Err(why), "{:?}", bytes.get(..60).unwrap_or(bytes));
    }
    assert_eq!(Header::look(b"PROX"), Ok(Look::Missing(12)));
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    let tlvs = || prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        tlvs().prop_map(|more| v4(&more)),
        tlvs().prop_map(|more| v6(&more)),
        (0x20..0x23_u8, any::<u8>(), tlvs())
            .prop_map(|(command, family, block)| header(command, family, &block)),
        Just(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec()),
        Just(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

/// Looks after each piece, as who reads from a socket does.
fn look_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Look, BadHeader> {
    for &cut in cuts.iter().filter(|&&cut| cut < bytes.len()) {
        let look = Header::look(&bytes[..cut])?;
        if matches!(look, Look::Whole(_)) {
            return Ok(look);
        }
    }
    Header::look(bytes)
}

proptest! {
    #[test]
    fn the_verdict_is_the_same_however_the_bytes_are_cut(
        header in headers(),
        behind in prop::collection::vec(any::<u8>(), 0..20),
        mut cuts in prop::collection::vec(0..140_usize, 0..8),
    ) {
        cuts.sort_unstable();
        let bytes = [header, behind].concat();
        prop_assert_eq!(look_in_pieces(&bytes, &cuts), Header::look(&bytes));
    }

    #[test]
    fn what_is_missing_is_really_missing(header in headers()) {
        for cut in 0..header.len() {
            let Ok(Look::Missing(missing)) = Header::look(&header[..cut]) else { break };
            let all_but_one = (cut + missing - 1).min(header.len());
            prop_assert!(!matches!(Header::look(&header[..all_but_one]), Ok(Look::Whole(_))));
            prop_assert!(missing > 0 && cut + missing <= PROXY_HEADER_BYTES);
        }
    }

    #[test]
    fn a_damaged_byte_is_an_error_or_another_header_but_never_a_panic(
        header in headers(), at in any::<prop::sample::Index>(), with in any::<u8>(),
    ) {
        let mut damaged = header.clone();
        let at = at.index(header.len());
        damaged[at] = with;
        let look = Header::look(&damaged);
        // The signature is all that tells a header from other bytes.
        if at < SIGNATURE.len() && with != header[at] {
            prop_assert!(!matches!(look, Ok(Look::Whole(_))), "{:?}", look);
        }
        if let Ok(Look::Whole(found)) = look {
            prop_assert!(found.size <= damaged.len());
        }
    }

    #[test]
    fn any_bytes_are_answered(
        signed in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let start = if signed { &SIGNATURE[..] } else { b"" };
        let bytes = [start, &bytes].concat();
        match Header::look(&bytes) {
            Ok(Look::Whole(found)) => prop_assert!(found.size <= bytes.len().min(PROXY_HEADER_BYTES)),
            Ok(Look::Missing(missing)) => prop_assert!(bytes.len() + missing <= PROXY_HEADER_BYTES),
            Err(_) => {}
        }
    }
}
