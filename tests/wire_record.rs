//! `kafka/records.json`, the contract with every other producer and consumer, against our reader and writer.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use corepost::limits::{MESSAGE_BYTES, PARTITIONS};
use corepost::model::{Envelope, IdRef, Kind, Topology};
use corepost::wire::record::{RecordError, decode, encode, envelope_of, parts_of};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/records.json");
    serde_json::from_slice(&std::fs::read(path).expect("kafka/records.json is in the repository"))
        .expect("JSON")
}

fn read(vector: &Value) -> Result<Envelope, RecordError> {
    let headers = vector["headers"].as_array().unwrap();
    let headers =
        headers.iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap().as_bytes()));
    let bytes = |name: &str| vector[name].as_str().map(str::as_bytes);
    envelope_of(bytes("key"), headers, bytes("value"))
}

fn name_of(error: RecordError) -> &'static str {
    match error {
        RecordError::NewerVersion => "newer_version",
        RecordError::NoKey => "no_key",
        RecordError::BadKey(_) => "bad_key",
        RecordError::BadHeader { .. } => "bad_header",
        RecordError::Twice { .. } => "twice",
        RecordError::BadValue => "bad_value",
        RecordError::NotJson => "not_json",
        RecordError::TooLarge => "too_large",
        RecordError::Damaged => "damaged",
    }
}

#[test]
fn every_vector_reads_as_it_says() {
    let vectors = vectors();
    assert_eq!(vectors["version"], 1);
    assert_eq!(vectors["partitions"], PARTITIONS);
    let topology = Topology::new(PARTITIONS, 1);
    for vector in vectors["records"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        if let Some(Ok(key)) = vector["key"].as_str().map(IdRef::new) {
            assert_eq!(vector["partition"], topology.place(key).partition.0, "{name}");
        }
        match (read(vector), &vector["envelope"]) {
            (Err(error), Value::Null) => assert_eq!(vector["error"], name_of(error), "{name}"),
            (Ok(envelope), expected) => reads_as(&envelope, expected, vector, name),
            (Err(error), _) => panic!("{name}: {error}"),
        }
    }
}

fn reads_as(envelope: &Envelope, expected: &Value, vector: &Value, name: &str) {
    let id = |id: Option<IdRef<'_>>| id.map(|id| id.as_str().to_owned());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let kind = if envelope.kind() == Kind::Erase { "erase" } else { "message" };
    let found = serde_json::json!({
        "kind": kind,
        "to": envelope.to().as_str(),
        "from": id(envelope.from()),
        "id": id(envelope.id()),
        "copied_to": envelope.copied_to().map(text),
        "body": text(envelope.body()),
    });
    assert_eq!(&found, expected, "{name}");
    let (headers, value) = parts_of(envelope);
    let headers: Vec<(&str, String)> = headers.map(|(name, value)| (name, text(value))).collect();
    if vector["canonical"] == true {
        assert_eq!(serde_json::json!(headers), vector["headers"], "{name}");
        assert_eq!(value, vector["value"].as_str().map(str::as_bytes), "{name}");
    }
    let mut row = vec![];
    encode(envelope, &mut row);
    assert_eq!(decode(envelope.to().as_str(), &row).as_ref(), Ok(envelope), "{name}");
}

#[test]
fn every_reason_to_refuse_has_its_vector() {
    let vectors = vectors();
    let errors: Vec<&Value> =
        vectors["records"].as_array().unwrap().iter().map(|vector| &vector["error"]).collect();
    for name in ["newer_version", "no_key", "bad_key", "bad_header", "twice", "bad_value", "not_json"] {
        assert!(errors.iter().any(|error| *error == name), "{name}");
    }
    // Too large for a file that people read.
    let large = format!("\"{}\"", "x".repeat(MESSAGE_BYTES - 1));
    let read = |value: &str| envelope_of(Some(b"bob"), [("v", &b"1"[..])], Some(value.as_bytes())).err();
    assert_eq!(read(&large), Some(RecordError::TooLarge));
    assert_eq!(read(&large[..large.len() - 1]), Some(RecordError::NotJson));
    assert_eq!(read(&large.replacen('x', "", 1)), None);
}

/// The container's bytes are in data directories: they never change. (Version, four headers' numbers, value.)
#[test]
fn rows_of_the_first_version_stay_readable() {
    let row = b"\x01\x03\x01\x05alice\x02\x03m-1\x03\x07[\"bob\"]\x04[1]";
    let envelope = decode("alice", row).unwrap();
    assert_eq!((envelope.from(), envelope.id()), (IdRef::new("alice").ok(), IdRef::new("m-1").ok()));
    assert_eq!((envelope.copied_to(), envelope.body()), (Some(&b"[\"bob\"]"[..]), &b"[1]"[..]));
    let mut written = vec![];
    encode(&envelope, &mut written);
    assert_eq!(written, row);
    // A later version's header is skipped, a later container is not touched.
    let with_more = b"\x01\x02\x02\x03m-1\x63\x02??\x02 ";
    assert_eq!(decode("bob", with_more).unwrap().id(), IdRef::new("m-1").ok());
    assert_eq!(decode("bob", b"\x02\x00\x00"), Err(RecordError::NewerVersion));
    let erase = b"\x01\x01\x04\x05erase\x00";
    assert_eq!(decode("bob", erase).map(|envelope| envelope.kind()), Ok(Kind::Erase));
}
