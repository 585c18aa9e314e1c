//! What one shard alone answers for.

use super::*;
use crate::model::StartFrom;
use crate::router::rig::Lone;

#[test]
fn a_list_of_a_thousand_costs_one_body() {
    let mut lone = Lone::new(|_| {});
    let alice = lone.open("alice", StartFrom::New);
    drop(lone.outputs());
    let names: Vec<String> = (0..1_000).map(|n| format!("client-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let body = vec![b'7'; 50_000];
    assert_eq!(lone.send(alice, &names, &body), Flow::Go);
    let in_flight = lone.shard.append_bytes_in_flight();
    let appends = lone.appends();
    let told: Vec<&str> = appends.iter().map(|append| append.envelope.to().as_str()).collect();
    assert_eq!(told, names, "each recipient its own, in order");
    let at = appends[0].envelope.body().as_ptr();
    assert!(appends.iter().all(|append| append.envelope.body().as_ptr() == at), "one body for all");
    assert!(in_flight >= 1_000 * body.len(), "what the log will write is what counts: {in_flight}");

    appends.into_iter().for_each(|append| lone.durable(append));
    assert!(matches!(lone.pushes(alice)[..], [Push::Ack { .. }]));
    assert_eq!(lone.shard.append_bytes_in_flight(), 0);
}

/// `CARGO_PROFILE_RELEASE_LTO=off cargo test --release --no-default-features --lib -- --ignored --nocapture list_of`
#[test]
#[ignore = "prints a figure"]
fn how_long_a_list_of_a_thousand_takes() {
    let names: Vec<String> = (0..1_000).map(|n| format!("client-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for bytes in [100, 50_000] {
        let mut times: Vec<_> = (0..20)
            .map(|_| {
                let mut lone = Lone::new(|_| {});
                let alice = lone.open("alice", StartFrom::New);
                let body = vec![b'7'; bytes];
                let began = std::time::Instant::now();
                assert_eq!(lone.send(alice, &names, &body), Flow::Go);
                (began.elapsed(), drop(lone.appends()))
            })
            .collect();
        times.sort();
        println!("1,000 recipients, {bytes} bytes: {:?} median, {:?} worst", times[10].0, times[19].0);
    }
}
