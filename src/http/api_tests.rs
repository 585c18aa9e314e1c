//! Requests as data: what each asks for, and the status of each that may not or cannot.

use super::*;
use crate::access::{ApiKeys, Keys, Origins};
use crate::http::Incoming;
use crate::model::BadCursor;

const KEY: &str = "0123456789abcdef-key";

fn head(line: &str, headers: &str) -> Head {
    let mut incoming = Incoming::default();
    incoming.push(format!("{line} HTTP/1.1\r\n{headers}\r\n").as_bytes());
    incoming.head().unwrap().unwrap_or_else(|| panic!("{line} {headers}"))
}

fn closed() -> Access {
    Access { api_keys: Some(ApiKeys::parse(KEY.as_bytes()).unwrap()), ..Access::default() }
}

fn ask(line: &str) -> Result<ApiRequest, Reply> {
    let headers = format!("Host: api.example.org\r\nAuthorization: Bearer {KEY}\r\n");
    ApiRequest::of(&head(line, &headers), &closed())
}

fn status(result: Result<ApiRequest, Reply>) -> u16 {
    result.expect_err("it should be refused").status.as_u16()
}

fn bob() -> ClientId {
    ClientId::new("bob").unwrap()
}

#[test]
fn each_request_is_one_of_the_list() {
    let pull = |cursor, from, limit| ApiRequest::Pull { client: bob(), start: Start { cursor, from }, limit };
    for (line, request) in [
        ("POST /v1/messages", ApiRequest::Publish(vec![])),
        ("GET /v1/clients/bob", ApiRequest::Sessions { client: bob() }),
        ("HEAD /v1/clients/bob", ApiRequest::Sessions { client: bob() }),
        ("GET http://api.example.org/v1/clients/bob", ApiRequest::Sessions { client: bob() }),
        ("GET /v1/clients/bob/messages", pull(None, StartFrom::New, 100)),
        ("GET /v1/clients/bob/messages?from=start&limit=1000", pull(None, StartFrom::Start, 1_000)),
        ("GET /v1/clients/bob/messages?from=-10000&", pull(None, StartFrom::Last(10_000), 100)),
        (
            "GET /v1/clients/bob/messages?limit=1&from=1760000000000",
            pull(None, StartFrom::Since(1_760_000_000_000), 1),
        ),
        ("GET /v1/clients/bob/messages?cursor=junk", pull(Some(Err(BadCursor)), StartFrom::New, 100)),
        (
            "GET /v1/clients/bob/messages?cursor=%ff&from=start",
            pull(Some(Err(BadCursor)), StartFrom::Start, 100),
        ),
        ("DELETE /v1/clients/bob/sessions", ApiRequest::Disconnect { client: bob(), revoke: false }),
        (
            "DELETE /v1/clients/bob/sessions?revoke=false",
            ApiRequest::Disconnect { client: bob(), revoke: false },
        ),
        (
            "DELETE /v1/clients/bob/sessions?revoke=true",
            ApiRequest::Disconnect { client: bob(), revoke: true },
        ),
        ("DELETE /v1/clients/bob/mailbox", ApiRequest::Erase { client: bob() }),
    ] {
        let client = (!line.contains("/v1/messages")).then(bob);
        let asked = ask(line).unwrap_or_else(|reply| panic!("{line}: {reply:?}"));
        assert_eq!(asked.client(), client.as_ref(), "{line}");
        assert_eq!(asked, request, "{line}");
    }
}

#[test]
fn what_cannot_be_understood_says_which_status() {
    for (line, expected) in [
        ("GET /", 404),
        ("GET /v1/clients/bob/message", 404),
        ("POST /v1/clients/%00", 400),
        ("GET /v1/messages", 405),
        ("PUT /v1/messages", 405),
        ("TRACE /v1/messages", 405),
        ("POST /v1/clients/bob", 405),
        ("DELETE /v1/clients/bob", 405),
        ("DELETE /v1/clients/bob/messages", 405),
        ("GET /v1/clients/bob/sessions", 405),
        ("GET /v1/clients/bob/mailbox", 405),
        ("POST /v1/messages?from=a", 400),
        ("GET /v1/clients/bob?x", 400),
        ("DELETE /v1/clients/bob/mailbox?revoke=true", 400),
        ("DELETE /v1/clients/bob/sessions?revoke=1", 400),
        ("DELETE /v1/clients/bob/sessions?revoke=TRUE", 400),
        ("DELETE /v1/clients/bob/sessions?revoke", 400),
        ("DELETE /v1/clients/bob/sessions?Revoke=true", 400),
        ("DELETE /v1/clients/bob/sessions?revoke=true&revoke=false", 400),
        ("GET /v1/clients/bob/messages?limit=0", 400),
        ("GET /v1/clients/bob/messages?limit=1001", 400),
        ("GET /v1/clients/bob/messages?limit=-1", 400),
        ("GET /v1/clients/bob/messages?limit=%2B1", 400),
        ("GET /v1/clients/bob/messages?limit=", 400),
        ("GET /v1/clients/bob/messages?limit=99999999999999999999", 400),
        ("GET /v1/clients/bob/messages?from=yesterday", 400),
        ("GET /v1/clients/bob/messages?from=-0", 400),
        ("GET /v1/clients/bob/messages?from=-10001", 400),
        ("GET /v1/clients/bob/messages?from=%ff", 400),
    ] {
        assert_eq!(status(ask(line)), expected, "{line}");
    }
}

#[test]
fn options_and_405_say_what_a_path_takes() {
    let allowed = |line| {
        let reply = ask(line).unwrap_err();
        (reply.status.as_u16(), reply.allow.unwrap())
    };
    assert_eq!(allowed("OPTIONS /v1/messages"), (204, "POST, OPTIONS"));
    assert_eq!(allowed("GET /v1/messages"), (405, "POST, OPTIONS"));
    assert_eq!(allowed("PATCH /v1/clients/bob"), (405, "GET, HEAD, OPTIONS"));
    assert_eq!(allowed("OPTIONS /v1/clients/bob/mailbox"), (204, "DELETE, OPTIONS"));
    assert_eq!(allowed("OPTIONS *"), (204, "GET, HEAD, POST, DELETE, OPTIONS"));
    assert_eq!(status(ask("OPTIONS /nowhere")), 404);
}

#[test]
fn only_an_api_key_opens_it() {
    let key = |header: &str, access: &Access| {
        let head = head("GET /v1/clients/bob", &format!("Host: x\r\n{header}"));
        ApiRequest::of(&head, access).map_err(|reply| reply.status.as_u16())
    };
    assert!(key(&format!("Authorization: Bearer {KEY}\r\n"), &closed()).is_ok());
    assert!(key(&format!("authorization: bearer   {KEY}\r\n"), &closed()).is_ok());
    for header in [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer 0123456789abcdef-kez\r\n",
        "Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZi1rZXk=\r\n",
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2ln\r\n",
        &format!("Authorization: {KEY}\r\n"),
        &format!("Authorization: Bearer {}\r\n", "x".repeat(5_000)),
    ] {
        assert_eq!(key(header, &closed()), Err(401), "{header}");
    }
    let twice = format!("Authorization: Bearer {KEY}\r\nAuthorization: Bearer {KEY}\r\n");
    assert_eq!(key(&twice, &closed()), Err(400));
    let keys = Keys::parse_file(&[b'k'; 32]).unwrap();
    let tokens_only = Access { keys: Some(keys), ..Access::default() };
    assert_eq!(key(&format!("Authorization: Bearer {KEY}\r\n"), &tokens_only), Err(401), "it is closed then");
}

#[test]
fn development_mode_is_for_this_machine_alone() {
    let open = Access::default();
    let ask = |line: &str, headers: &str| {
        ApiRequest::of(&head(line, headers), &open).map_err(|reply| (reply.status.as_u16(), reply.refusal))
    };
    for headers in [
        "Host: localhost:8080\r\n",
        "Host: 127.0.0.1\r\n",
        "Host: [::1]:8080\r\n",
        "Host: localhost\r\nOrigin: http://localhost:3000\r\n",
        "Host: localhost\r\nAuthorization: Bearer whatever\r\n",
    ] {
        assert!(ask("GET /v1/clients/bob", headers).is_ok(), "{headers}");
    }
    let foreign = Err((403, Some(crate::counters::Refusal::ForeignOrigin)));
    for headers in [
        "Host: evil.example:8080\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "Host: localhost\r\nForwarded: for=127.0.0.1\r\n",
        "Host: localhost\r\nVia: 1.1 proxy\r\n",
    ] {
        assert_eq!(ask("GET /v1/clients/bob", headers), foreign, "{headers}");
    }
    assert_eq!(ask("GET http://evil.example/v1/clients/bob", "Host: localhost\r\n"), foreign);
    assert_eq!(ask("GET /v1/clients/bob", "").unwrap_err().0, 400, "no Host");
    assert_eq!(ask("GET /v1/clients/bob", "Host: localhost\r\nHost: localhost\r\n").unwrap_err().0, 400);
}

#[test]
fn with_a_list_of_origins_others_pages_are_refused_though_they_hold_a_key() {
    let access = Access { origins: Origins::new(["https://app.example.org"]).unwrap(), ..closed() };
    let ask = |origin: &str| {
        let headers = format!("Host: x\r\nAuthorization: Bearer {KEY}\r\nOrigin: {origin}\r\n");
        ApiRequest::of(&head("GET /v1/clients/bob", &headers), &access).map_err(|reply| reply.status.as_u16())
    };
    assert!(ask("https://app.example.org").is_ok());
    assert_eq!(ask("https://other.example.org"), Err(403));
}

#[test]
fn a_publish_is_plain_json_of_any_claimed_type() {
    let post = |header: &str| {
        let headers = format!("Host: x\r\nAuthorization: Bearer {KEY}\r\n{header}");
        ApiRequest::of(&head("POST /v1/messages", &headers), &closed()).map_err(|reply| reply.status.as_u16())
    };
    assert!(post("Content-Type: application/x-www-form-urlencoded\r\n").is_ok());
    assert!(post("Content-Encoding: identity\r\n").is_ok());
    assert_eq!(post("Content-Encoding: gzip\r\n"), Err(415));
}
