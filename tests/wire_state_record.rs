//! `kafka/state_records.json`, the contract for the state topic, against our reader and writer.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use corepost::model::{ClientId, IdRef};
use corepost::wire::state_record::{StateError, StateRecord, VERSION, revocation};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/state_records.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read(vector: &Value) -> Result<StateRecord, StateError> {
    let part = |name: &str| vector[name].as_str().map(str::as_bytes);
    StateRecord::read(part("v"), part("key"), part("value"))
}

#[test]
fn every_record_is_written_and_read_as_its_vector_says() {
    let vectors = vectors();
    assert_eq!(vectors["version"].to_string(), VERSION);
    for (vector, (client, issued_until_s)) in
        vectors["records"].as_array().unwrap().iter().zip([("bob", 1_760_000_000), ("Zoë 🦀", 0)])
    {
        let (key, value) = revocation(IdRef::new(client).unwrap(), issued_until_s);
        let written =
            (vector["key"].as_str().unwrap().as_bytes(), vector["value"].as_str().unwrap().as_bytes());
        assert_eq!((&key[..], &value[..]), written, "{vector}");
        let client = ClientId::new(client).unwrap();
        assert_eq!(read(vector), Ok(StateRecord::Revoked { client, issued_until_s }));
    }
    assert_eq!(vectors["records"].as_array().unwrap().len(), 2);
}

#[test]
fn what_else_may_stand_there_is_read_as_its_vector_says() {
    for vector in vectors()["read"].as_array().unwrap() {
        let expected = match vector["says"].as_str().unwrap() {
            "forgotten" => StateRecord::Forgotten { client: ClientId::new("bob").unwrap() },
            "other" => StateRecord::Other,
            says => panic!("{says}"),
        };
        assert_eq!(read(vector), Ok(expected), "{vector}");
    }
}

#[test]
fn every_refusal_is_the_one_that_its_vector_says() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    for (name, error) in [
        ("newer_version", StateError::NewerVersion),
        ("bad_key", StateError::BadKey),
        ("bad_value", StateError::BadValue),
    ] {
        let of_it = refused.iter().filter(|vector| vector["error"] == name);
        assert!(of_it.map(|vector| assert_eq!(read(vector), Err(error), "{vector}")).count() > 0);
    }
    assert!(refused.iter().all(|vector| read(vector).is_err()));
}

/// No name of a client can be taken for another's and its kind.
#[test]
fn no_client_id_has_a_line_feed() {
    assert!(IdRef::new("bob\nrevoked").is_err());
}
