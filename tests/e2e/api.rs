//! The HTTP API as an application uses it, on connections that are kept.

use crate::support::{API_KEY, Place, Session, frame, token, upgrade_request};
use corepost::wire::websocket::Opcode;
use serde_json::{Value, json};

fn message(to: impl Into<Value>, id: &str, body: impl Into<Value>) -> Value {
    json!({"from": "app", "to": to.into(), "id": id, "body": body.into()})
}

#[test]
fn publish_answers_for_each_element() {
    for cores in [1, 2] {
        let place = Place::new("api-publish").with("cores", cores);
        let server = place.start();
        let mut api = server.api();
        let reply = api.publish(&message("bob", "1", "x"));
        let result = reply.json()["results"][0].take();
        assert_eq!((reply.status, &result["id"], result["at"].is_u64()), (200, &json!("1"), true));
        let reply = api.publish(&json!([message("bob", "2", 2), message(json!(["bob", "carol"]), "3", 3)]));
        assert_eq!((reply.status, reply.json()["results"].as_array().unwrap().len()), (200, 2));
        // A mistake is its element's own.
        let mixed = json!([message("bob", "4", 4), message("b\"", "5", 5), {"to": "bob"}]);
        let reply = api.publish(&mixed);
        let results = reply.json()["results"].take();
        assert_eq!(reply.status, 207);
        assert!(results[0]["at"].is_u64());
        assert_eq!((&results[1]["id"], &results[1]["error"]["code"]), (&json!("5"), &json!("bad_client_id")));
        assert_eq!(results[2]["error"]["code"], "bad_request");
        assert!(results[2]["error"]["message"].is_string());
        // A single object with a mistake, and what is no publish at all.
        for (body, code) in [
            (message("b\"", "6", 6).to_string(), "bad_client_id"),
            (json!({"to": "bob", "id": "6", "body": 1}).to_string(), "bad_request"),
            ("[]".into(), "bad_request"),
            ("7".into(), "bad_request"),
            ("{\"from\":".into(), "bad_request"),
            (Value::from(vec![message("bob", "x", 1); 1_001]).to_string(), "too_many_recipients"),
        ] {
            let reply = api.ask("POST", "/v1/messages", body.as_bytes()).unwrap();
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (400, code),
                "{}",
                body.get(..80).unwrap_or(&body)
            );
        }
        server.settle();
        assert_eq!(
            Session::open(server.addr, "client=bob&from=start").replay(),
            [json!("x"), json!(2), json!(3), json!(4)]
        );
        assert_eq!(Session::open(server.addr, "client=carol&from=start").replay(), [3]);
    }
}

#[test]
fn a_mailbox_is_pulled_page_by_page() {
    for cores in [1, 2] {
        let place = Place::new("api-pull").with("cores", cores);
        let server = place.start();
        let mut api = server.api();
        let all: Value = (0..250).map(|n| message("bob", &n.to_string(), n)).collect();
        assert_eq!(api.publish(&all).status, 200);
        server.settle();
        let (mut query, mut got, mut pages) = ("from=start".to_owned(), Vec::new(), 0);
        loop {
            let reply = api.get(&format!("/v1/clients/bob/messages?{query}"));
            assert_eq!(reply.status, 200, "{reply:?}");
            let mut page = reply.json();
            if pages > 0 {
                assert_eq!(page["resumed"], true, "{page}");
            }
            for message in page["messages"].as_array_mut().unwrap() {
                assert!(
                    message.get("type").is_none()
                        && message.get("prev").is_none()
                        && message["cursor"].is_string()
                );
                assert_eq!(message["from"], "app");
                got.push(message["body"].take());
            }
            pages += 1;
            query = format!("cursor={}", page["cursor"].as_str().unwrap());
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(got, (0..250).map(Value::from).collect::<Vec<_>>());
        assert_eq!(pages, 3, "a hundred each, unless asked for more");
        // The same cursor serves a session, and new ones a pull.
        assert_eq!(api.publish(&message("bob", "new", "new")).status, 200);
        server.settle();
        let mut bob = Session::open(server.addr, &format!("client=bob&{query}"));
        assert_eq!(bob.replay(), ["new"]);
        let page = api.get(&format!("/v1/clients/bob/messages?cursor={}", bob.cursor)).json();
        assert_eq!((&page["messages"], &page["more"]), (&json!([]), &json!(false)));
        let page = api.get("/v1/clients/bob/messages?from=-3&limit=2").json();
        assert_eq!(
            page["messages"].as_array().unwrap().iter().map(|m| m["body"].clone()).collect::<Vec<_>>(),
            [248, 249]
        );
        assert_eq!(page["more"], true);
        let page = api.get("/v1/clients/bob/messages?from=start&limit=1000").json();
        assert_eq!(page["messages"].as_array().unwrap().len(), 251);
        let page = api.get("/v1/clients/bob/messages?cursor=nonsense&from=-1").json();
        assert_eq!((&page["resumed"], &page["reason"]), (&json!(false), &json!("invalid")));
        assert_eq!(page["messages"][0]["body"], "new");
        assert_eq!(api.get("/v1/clients/nobody/messages?from=start").json()["messages"], json!([]));
        for bad in ["from=x", "limit=0", "limit=1001", "limit=x", "from=start&from=new", "fron=start"] {
            assert_eq!(api.get(&format!("/v1/clients/bob/messages?{bad}")).status, 400, "{bad}");
        }
    }
}

#[test]
fn sessions_are_shown_and_sent_away() {
    for cores in [1, 2] {
        let place = Place::new("api-sessions").with("cores", cores);
        let server = place.start();
        let mut api = server.api();
        assert_eq!(api.get("/v1/clients/bob").json(), json!({"client": "bob", "home": 0, "sessions": []}));
        let mut bobs: Vec<_> = (0..3).map(|_| Session::open(server.addr, "client=bob")).collect();
        let mut alice = Session::open(server.addr, "client=alice");
        let shown = api.get("/v1/clients/bob").json();
        let rows = shown["sessions"].as_array().unwrap();
        assert_eq!(rows.len(), 3);
        for bob in &bobs {
            let row = rows.iter().find(|row| row["session"] == bob.welcome["session"]).expect("it is shown");
            assert_eq!(
                (&row["state"], &row["cursor_lag"], &row["node"]),
                (&json!("live"), &json!(0), &json!(0))
            );
            assert!(row["since"].as_u64() > Some(1_600_000_000_000) && row["core"].as_u64() < Some(cores));
        }
        assert_eq!(api.delete("/v1/clients/bob/sessions").status, 204);
        assert!(bobs.iter_mut().all(|bob| bob.close_code() == 4403));
        assert_eq!(api.get("/v1/clients/bob").json()["sessions"], json!([]));
        assert!(alice.is_quiet(), "nobody else");
        assert_eq!(
            api.delete("/v1/clients/bob/sessions?revoked=true").status,
            400,
            "a misspelt word is no half measure"
        );
        assert_eq!(api.get("/v1/clients/a%22b").status, 400);
    }
}

#[test]
fn an_erased_mailbox_is_empty_for_ever_and_its_sessions_go_on() {
    for cores in [1, 2] {
        let place = Place::new("api-erase").with("cores", cores);
        let server = place.start();
        let mut api = server.api();
        let early = Session::open(server.addr, "client=bob").cursor;
        let mut bob = Session::open(server.addr, "client=bob");
        for n in 0..5 {
            assert_eq!(api.publish(&message("bob", &n.to_string(), n)).status, 200);
        }
        assert_eq!(bob.bodies(5).len(), 5);
        let seen = bob.cursor.clone();
        assert_eq!(api.delete("/v1/clients/bob/mailbox").status, 204);
        assert!(bob.is_quiet(), "live sessions go on");
        assert_eq!(api.publish(&message("bob", "after", "after")).status, 200);
        assert_eq!(bob.bodies(1), ["after"]);
        // Dedupe is untouched.
        assert_eq!(api.publish(&message("bob", "0", 0)).status, 200);
        assert!(bob.is_quiet());
        let mut server = server;
        for life in 0..2 {
            let mut again = Session::open(server.addr, &format!("client=bob&cursor={early}&from=start"));
            assert_eq!(
                (&again.welcome["resumed"], &again.welcome["reason"]),
                (&json!(false), &json!("erased")),
                "life {life}"
            );
            assert_eq!(again.replay(), ["after"]);
            let current = Session::open(server.addr, &format!("client=bob&cursor={}", bob.cursor));
            assert_eq!(current.welcome["resumed"], true, "{}", current.welcome);
            let page = server.api().get("/v1/clients/bob/messages?from=start").json();
            assert_eq!(page["messages"].as_array().unwrap().len(), 1);
            server = (server.kill(), place.start()).1;
        }
        drop(seen);
    }
}

#[test]
fn only_api_keys_open_it() {
    let place = Place::keyed("api-keys");
    let server = place.start();
    let paths = [
        ("GET", "/v1/clients/bob"),
        ("GET", "/v1/clients/bob/messages"),
        ("POST", "/v1/messages"),
        ("DELETE", "/v1/clients/bob/mailbox"),
    ];
    for (method, path) in paths {
        let mut plain = server.api();
        let reply = plain.ask(method, path, b"").unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{method} {path}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        for wrong in [token("bob"), "a-wrong-key-of-the-stories".into(), "x".repeat(300)] {
            assert_eq!(
                server.api().with_key(&wrong).ask(method, path, b"").unwrap().status,
                401,
                "{method} {path}"
            );
        }
    }
    let mut api = server.api().with_key(API_KEY);
    assert_eq!(api.get("/v1/clients/bob").status, 200);
    assert_eq!(api.publish(&message("bob", "1", 1)).status, 200, "in whatever name");
    // An API key is no token either.
    let closed = Place::new("api-closed").with("jwt-key", place.path("jwt.key").display()).start();
    assert_eq!(closed.api().with_key(API_KEY).get("/v1/clients/bob").status, 401, "no keys, no API");
}

#[test]
fn a_page_from_elsewhere_cannot_use_development_mode() {
    let place = Place::new("api-origin");
    let server = place.start();
    for header in ["Origin: https://evil.example", "X-Forwarded-For: 10.0.0.1", "Via: 1.1 x"] {
        let mut api = server.api();
        api.raw(format!("GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").as_bytes())
            .unwrap();
        assert_eq!(api.reply(false).unwrap().status, 403, "{header}");
    }
    let mut api = server.api();
    api.raw(b"GET /v1/clients/bob HTTP/1.1\r\nHost: evil.example\r\n\r\n").unwrap();
    assert_eq!(api.reply(false).unwrap().status, 403, "a name of its own that points here");
}

#[test]
fn a_connection_is_kept_from_core_to_core() {
    let place = Place::new("api-keep");
    let server = place.start();
    let mut api = server.api();
    // Each client's request is served on its own core; the connection goes there.
    for n in 0..100 {
        let id = format!("client-{n}");
        assert_eq!(api.publish(&message(id.as_str(), "1", n)).status, 200);
        server.settle();
        assert_eq!(api.get(&format!("/v1/clients/{id}")).json()["client"], *id);
        assert_eq!(
            api.get(&format!("/v1/clients/{id}/messages?from=start")).json()["messages"][0]["body"],
            n
        );
    }
    // Several requests at once are answered in order, a body may come in chunks, a head may be asked for alone.
    let mut all = Vec::new();
    for n in 0..20 {
        all.extend(format!("GET /v1/clients/client-{n} HTTP/1.1\r\nHost: localhost\r\n\r\n").bytes());
    }
    api.raw(&all).unwrap();
    for n in 0..20 {
        assert_eq!(api.reply(false).unwrap().json()["client"], format!("client-{n}"));
    }
    let body = message("chunky", "1", "in pieces").to_string();
    let (first, second) = body.split_at(10);
    let chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    api.raw(chunked.as_bytes()).unwrap();
    assert_eq!(api.reply(false).unwrap().status, 200);
    let head = api.ask("HEAD", "/v1/clients/bob", b"").unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(api.ask("PUT", "/v1/messages", b"").unwrap().status, 405);
    assert_eq!(api.get("/v1/elsewhere").status, 404);
    // After a request with `close` it is over.
    api.raw(b"GET /v1/clients/bob HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(api.reply(false).unwrap().headers["connection"], "close");
    assert!(api.reply(false).is_err());
    // And a WebSocket may begin where requests were.
    let mut api = server.api();
    assert_eq!(api.get("/v1/clients/bob").status, 200);
    api.raw(upgrade_request("/v1/ws?client=bob").as_bytes()).unwrap();
    assert_eq!(api.reply(true).unwrap().status, 101);
}

#[test]
fn what_comes_behind_an_upgrade_is_counted_with_no_request() {
    for cores in [1, 2] {
        let place = Place::keyed("api-upgrade").with("cores", cores);
        let server = place.start();
        for path in ["/v1/ws?client=bob".to_owned(), format!("/v1/ws?token={}", token("bob"))] {
            let mut api = server.api();
            assert_eq!(api.get("/v1/clients/bob").status, 401, "refused, and kept");
            let behind =
                frame(Opcode::Text, json!({"type": "ping", "pad": "x".repeat(2_000)}).to_string().as_bytes());
            api.raw(&[upgrade_request(&path).as_bytes(), &behind].concat()).unwrap();
            let status = api.reply(false).unwrap().status;
            assert_eq!(status, if path.contains("token") { 101 } else { 401 }, "{path}");
        }
        let held = server.metrics().sum("corepost_memory_bytes", "purpose=\"requests\"");
        assert_eq!(held, 0.0, "it would be counted until the node ends");
    }
}

#[test]
fn health_is_told_on_the_admin_address_alone() {
    let place = Place::new("api-health");
    let server = place.start();
    let admin = |path: &str| crate::support::Api::connect(server.admin).get(path);
    assert_eq!(admin("/livez").status, 200);
    let ready = admin("/readyz");
    assert_eq!(ready.status, 200, "{}", String::from_utf8_lossy(&ready.body));
    assert_eq!(admin("/elsewhere").status, 404);
    assert!(String::from_utf8(admin("/metrics").body).unwrap().contains("corepost_build_info{"));
    assert_eq!(server.api().get("/metrics").status, 404);
    assert!(server.descriptors() < 100, "{} when idle", server.descriptors());
}
