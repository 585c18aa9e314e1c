//! Tokens: three ways to present one, what it permits, how it ends, how it is renewed and revoked.

use crate::support::{
    API_KEY, Knock, Place, Session, claims, eventually, eventually_on_every_core, now_s, send, token,
};
use serde_json::json;

const PAGE: &str = "https://app.example.org";

#[test]
fn a_token_is_presented_in_three_ways_and_names_the_client() {
    let place = Place::keyed("tokens");
    let server = place.start();
    let good = token("alice");
    let ways = [
        Knock::new("").header("Authorization", &format!("Bearer {good}")),
        Knock::new(&format!("token={good}&client=eve")),
        Knock::new("").header("Sec-WebSocket-Protocol", &format!("bearer.{good}, corepost.v1")),
    ];
    for way in &ways {
        let (_, head) = way.send(server.addr).unwrap();
        assert!(!head.contains("bearer"), "only corepost.v1 is echoed: {head}");
        assert_eq!(way.enter(server.addr).unwrap().welcome["client"], "alice");
    }
    let twice = Knock::new(&format!("token={good}")).header("Authorization", &format!("Bearer {good}"));
    assert_eq!(twice.refused(server.addr), 400, "two tokens");
}

#[test]
fn a_token_that_opens_nothing_is_401_or_told_a_page_by_a_close() {
    let place = Place::keyed("tokens-bad");
    let server = place.start();
    let (now, good) = (now_s(), token("alice"));
    let (expired, bad) = (4001, 4401);
    for (what, token, code) in [
        ("none", None, bad),
        ("no JWT", Some("rubbish".to_owned()), bad),
        ("a changed signature", Some(format!("{}x", &good[..good.len() - 1])), bad),
        ("an API key", Some(API_KEY.into()), bad),
        ("no exp", Some(claims(&json!({"sub": "alice"}))), bad),
        ("no sub", Some(claims(&json!({"exp": now + 60}))), bad),
        ("a bad sub", Some(claims(&json!({"sub": "a\"b", "exp": now + 60}))), bad),
        ("not yet", Some(claims(&json!({"sub": "alice", "exp": now + 600, "nbf": now + 300}))), bad),
        ("expired", Some(claims(&json!({"sub": "alice", "exp": now}))), expired),
    ] {
        let mut knock = Knock::new("client=alice");
        if let Some(token) = &token {
            knock = knock.header("Authorization", &format!("Bearer {token}"));
        }
        assert_eq!(knock.refused(server.addr), 401, "{what}");
        // A browser cannot see a status.
        assert_eq!(knock.header("Origin", PAGE).closed(server.addr), code, "{what}");
    }
}

#[test]
fn permits_bind_a_session() {
    let place = Place::keyed("tokens-permits");
    let server = place.start();
    let claims = claims(&json!({"sub": "alice", "exp": now_s() + 60, "send": ["bob", "team.*"]}));
    let mut alice = Session::open(server.addr, &format!("token={claims}"));
    alice.deliver("bob", "1", 1);
    alice.deliver("team.red", "2", 2);
    for (id, to) in [("3", json!("carol")), ("4", json!(["bob", "carol"])), ("5", json!("teamred"))] {
        alice.say(&json!({"type": "send", "id": id, "to": to, "body": 1}));
        assert_eq!(alice.answer(id)["code"], "forbidden");
    }
    alice.say(&json!({"type": "send", "to": "carol", "ephemeral": true, "body": 1}));
    assert_eq!(alice.frame()["code"], "forbidden");
    // What was refused was refused whole, and an API key is not bound.
    server.settle();
    assert_eq!(Session::open(server.addr, &format!("token={}&from=start", token("bob"))).replay(), [1]);
    let publish = json!({"from": "alice", "to": "carol", "id": "1", "body": 1});
    assert_eq!(server.api().with_key(API_KEY).publish(&publish).status, 200);
}

#[test]
fn a_session_ends_with_its_token_unless_it_is_renewed() {
    let place = Place::keyed("tokens-expiry");
    let server = place.start();
    let short = |sub| claims(&json!({"sub": sub, "exp": now_s() + 4}));
    let ends = short("alice");
    let mut ending = Session::open(server.addr, &format!("token={ends}"));
    let mut renewed = Session::open(server.addr, &format!("token={}", short("alice")));
    renewed.say(&json!({"type": "auth", "token": token("alice")}));
    assert!(renewed.is_quiet(), "silent when it succeeds");
    assert_eq!(ending.close_code(), 4001);
    assert_eq!(Knock::new(&format!("token={ends}")).refused(server.addr), 401);
    // The other one's first token is over as well.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert!(renewed.is_quiet());
    renewed.deliver("bob", "1", "still here");

    for bad in [token("bob"), "rubbish".into(), claims(&json!({"sub": "alice"}))] {
        let mut alice = Session::open(server.addr, &format!("token={}", token("alice")));
        alice.say(&json!({"type": "auth", "token": bad}));
        assert_eq!(alice.close_code(), 4401);
    }
    let mut alice = Session::open(server.addr, &format!("token={}", token("alice")));
    alice.say(&json!({"type": "auth"}));
    assert_eq!(alice.frame()["code"], "bad_request", "that is a mistake, not a bad token");
}

#[test]
fn a_renewed_token_brings_its_own_permits() {
    let place = Place::keyed("tokens-renewed");
    let server = place.start();
    let mut alice = Session::open(server.addr, &format!("token={}", token("alice")));
    alice.deliver("carol", "1", 1);
    let narrow = claims(&json!({"sub": "alice", "exp": now_s() + 60, "send": ["bob"]}));
    alice.say(&json!({"type": "auth", "token": narrow}));
    alice.say(&send("carol", "2", 2));
    assert_eq!(alice.answer("2")["code"], "forbidden");
    alice.deliver("bob", "3", 3);
}

#[test]
fn revoked_tokens_stay_revoked() {
    let place = Place::keyed("tokens-revoked");
    let mut server = place.start();
    let old = claims(&json!({"sub": "alice", "iat": now_s() - 10, "exp": now_s() + 3_600}));
    let ageless = claims(&json!({"sub": "alice", "exp": now_s() + 3_600}));
    let knock = |token: &str| Knock::new("").header("Authorization", &format!("Bearer {token}"));
    let mut sessions = [&old, &ageless].map(|token| knock(token).enter(server.addr).unwrap());
    let mut api = server.api().with_key(API_KEY);
    assert_eq!(api.delete("/v1/clients/alice/sessions?revoke=true").status, 204);
    assert!(sessions.iter_mut().all(|session| session.close_code() == 4403));
    for life in 0..3 {
        for token in [&old, &ageless] {
            assert_eq!(knock(token).closed(server.addr), 4401, "life {life}");
        }
        // A token of after it is good, and so is everybody else's.
        let new = claims(&json!({"sub": "alice", "iat": now_s() + 2, "exp": now_s() + 3_600}));
        knock(&new).enter(server.addr).unwrap();
        knock(&token("bob")).enter(server.addr).unwrap();
        server = match life {
            0 => (server.kill(), place.start()).1,
            1 => (server.stop(), place.start()).1,
            _ => server,
        };
    }
    // An old token does not come back by renewal either.
    let new = claims(&json!({"sub": "alice", "iat": now_s() + 2, "exp": now_s() + 3_600}));
    let mut alice = knock(&new).enter(server.addr).unwrap();
    alice.say(&json!({"type": "auth", "token": old}));
    assert_eq!(alice.close_code(), 4401);
}

#[test]
fn keys_are_read_again_when_told_and_bad_ones_are_not_taken() {
    let place = Place::keyed("tokens-hup").with("log-level", "info");
    let server = place.start();
    let good = token("alice");
    let mut alice = Session::open(server.addr, &format!("token={good}"));
    // A secret that is too short: the old one stays.
    place.write("jwt.key", "short");
    server.signal("HUP");
    eventually("it complains", || server.log().contains("stay as they were"));
    Session::open(server.addr, &format!("token={good}"));
    place.write("jwt.key", [7; 32]);
    place.write("api.keys", "another-key-of-the-stories\n");
    server.signal("HUP");
    eventually_on_every_core("the old one is not taken any more", || {
        Knock::new(&format!("token={good}"))
            .send(server.addr)
            .is_err_and(|answer| answer.starts_with("HTTP/1.1 401 "))
    });
    assert!(alice.is_quiet(), "sessions stay");
    eventually("nor the old API key", || {
        server.api().with_key(API_KEY).get("/v1/clients/alice").status == 401
    });
    assert_eq!(server.api().with_key("another-key-of-the-stories").get("/v1/clients/alice").status, 200);
}
