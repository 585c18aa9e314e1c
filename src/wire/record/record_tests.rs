//! Records written and read again, in both forms, and what is refused.

use super::*;
use proptest::prelude::*;

fn id(text: &str) -> IdRef<'_> {
    IdRef::new(text).unwrap()
}

fn ids() -> impl Strategy<Value = String> {
    "[a-zA-Zé🦀 .:/-]{1,20}".prop_filter("an ID", |text| IdRef::new(text).is_ok())
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let json = prop::sample::select(vec!["1", "\"hi\"", r#"{"a":[1,2,{"b":null}]}"#, "[]", " true "]);
    let to = prop::sample::select(vec!["", "\"bob\"", r#"["bob", "eve"]"#]);
    (ids(), prop::option::of(ids()), prop::option::of(ids()), to, json, any::<bool>()).prop_map(
        |(key, from, name, to, body, erase)| {
            Envelope::new(EnvelopeParts {
                kind: if erase { Kind::Erase } else { Kind::Message },
                to: Some(id(&key)),
                from: from.as_deref().map(id),
                id: name.as_deref().map(id),
                copied_to: to.as_bytes(),
                body: if erase { b"" } else { body.as_bytes() },
            })
        },
    )
}

proptest! {
    #[test]
    fn an_envelope_survives_both_forms(envelope in envelopes()) {
        let (headers, value) = parts_of(&envelope);
        let read = envelope_of(Some(envelope.to().as_str().as_bytes()), headers, value);
        prop_assert_eq!(read.as_ref(), Ok(&envelope));
        let mut row = vec![];
        encode(&envelope, &mut row);
        prop_assert_eq!(decode(envelope.to().as_str(), &row), Ok(envelope));
    }

    #[test]
    fn a_cut_or_longer_row_is_damaged(envelope in envelopes(), cut in any::<prop::sample::Index>()) {
        let mut row = vec![];
        encode(&envelope, &mut row);
        let cut = cut.index(row.len());
        prop_assert_eq!(decode("bob", &row[..cut]), Err(RecordError::Damaged));
        row.push(0);
        prop_assert_eq!(decode("bob", &row), Err(RecordError::Damaged));
    }

    #[test]
    fn any_row_is_judged(mut bytes in prop::collection::vec(any::<u8>(), 0..60), honest in any::<bool>()) {
        if honest && bytes.len() > 1 {
            (bytes[0], bytes[1]) = (1, bytes[1] % 5);
        }
        let _ = decode("bob", &bytes);
    }

    #[test]
    fn any_record_is_judged(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
        headers in prop::collection::vec(("(v|from|id|to|kind|x)", "(1|2|erase|bob|\"bob\"|[a-z\"]{0,4})"), 0..6),
        value in prop::option::of("[0-9\\[\\]\"a]{0,6}"),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        if let Ok(envelope) = envelope_of(key.as_deref(), headers, value.as_deref().map(str::as_bytes)) {
            let (headers, value) = parts_of(&envelope);
            prop_assert_eq!(envelope_of(key.as_deref(), headers, value), Ok(envelope));
        }
    }
}

#[test]
fn the_size_is_key_and_headers_and_body() {
    let envelope = Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: Some(id("bob")),
        from: Some(id("alice")),
        id: Some(id("m-1")),
        copied_to: b"",
        body: b"\"hi\"",
    });
    assert_eq!(size_of(&envelope), "bob".len() + "v1".len() + "fromalice".len() + "idm-1".len() + 4);
}

#[test]
#[should_panic(expected = "ephemeral")]
fn an_ephemeral_message_is_never_logged() {
    let parts =
        EnvelopeParts { kind: Kind::Ephemeral, to: None, from: None, id: None, copied_to: b"", body: b"1" };
    let _ = parts_of(&Envelope::new(parts));
}
