//! Bodies however they are cut, and the lengths that are none.

use super::*;
use crate::http::Incoming;
use proptest::prelude::*;

fn head(headers: &str) -> Head {
    let mut incoming = Incoming::default();
    incoming.push(format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
    incoming.head().unwrap().unwrap()
}

/// Feeds `wire` in pieces; the body and what is left over, or the status it is refused with.
fn read(headers: &str, most: usize, wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>, bool), u16> {
    let go = || {
        let mut body = Body::of(&head(headers))?;
        body.bound(most)?;
        let mut unread = Vec::new();
        for piece in wire.chunks(step) {
            unread.extend_from_slice(piece);
            body.take(&mut unread)?;
        }
        let complete = body.is_complete();
        Ok((body.into_bytes(), unread, complete))
    };
    go().map_err(|reply: Reply| reply.status.as_u16())
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[test]
fn a_length_is_one_number_said_once() {
    for (headers, status) in [
        ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
        ("Content-Length: 3, 3\r\n", 400),
        ("Content-Length: +3\r\n", 400),
        ("Content-Length: -3\r\n", 400),
        ("Content-Length: 0x3\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding: \r\n", 400),
        ("Content-Length: 11\r\n", 413),
        ("Content-Length: 999999999999\r\n", 413),
    ] {
        assert_eq!(read(headers, 10, b"abc", 1), Err(status), "{headers:?}");
    }
}

#[test]
fn chunks_that_another_reader_would_take_otherwise_are_refused() {
    for bad in [
        "\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "000000003\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffff3\r\nabc",
        "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n",
        "0\r\nTrailer: x\n\r\n\r\n",
    ] {
        for step in [1, 2, bad.len()] {
            assert_eq!(read(CHUNKED, 10, bad.as_bytes(), step), Err(400), "{bad:?} in steps of {step}");
        }
    }
    assert_eq!(read(CHUNKED, 10, b"b\r\n", 1), Err(413));
    assert_eq!(read(CHUNKED, 10, b"8\r\nabcdefgh\r\n3\r\n", 4), Err(413), "chunks are summed");
    let long = format!("3;{}\r\nabc", "x".repeat(CHUNK_LINE_BYTES));
    assert_eq!(read(CHUNKED, 10, long.as_bytes(), 64), Err(400));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(CHUNK_EXTRAS_BYTES / 4 + 1));
    assert_eq!(read(CHUNKED, 10, trailers.as_bytes(), 64), Err(400));
}

#[test]
fn extensions_and_trailers_are_skipped() {
    let wire = b"3;a=b\r\nabc\r\n002 ;c\r\nde\r\n0;x\r\nSum: 1\r\nB: \r\n\r\nGET";
    for step in 1..=wire.len() {
        assert_eq!(read(CHUNKED, 5, wire, step), Ok((b"abcde".to_vec(), b"GET".to_vec(), true)), "{step}");
    }
}

proptest! {
    #[test]
    fn a_body_arrives_whole_however_it_is_chunked_and_cut(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..10),
        step in 1_usize..50,
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let whole = pieces.concat();
        let mut chunked = Vec::new();
        for piece in &pieces {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        chunked.extend_from_slice(&rest);
        prop_assert_eq!(read(CHUNKED, whole.len(), &chunked, step), Ok((whole.clone(), rest.clone(), true)));
        let fixed = format!("Content-Length: {}\r\n", whole.len());
        let wire = [whole.clone(), rest.clone()].concat();
        prop_assert_eq!(read(&fixed, whole.len(), &wire, step), Ok((whole, rest, true)));
    }

    /// Whatever comes, no more is kept than was bounded, and what waits unread is at most a line.
    #[test]
    fn any_bytes_keep_within_the_bound(wire in prop::collection::vec(any::<u8>(), 0..400), step in 1_usize..9) {
        if let Ok((body, unread, complete)) = read(CHUNKED, 64, &wire, step) {
            prop_assert!(body.len() <= 64 && (complete || unread.len() <= CHUNK_LINE_BYTES + 2));
        }
    }
}
