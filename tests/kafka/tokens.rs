//! SASL OAUTHBEARER: a real node shows real Kafka the token that stands in a file, and lives through many of them.

use crate::kafka_support::{Cluster, code, errors, is_asked_for};
use crate::support::{Api, Place, Server, Session, eventually_in, now_s};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long each token is good.
const LIFE_S: u64 = 8;
/// How often somebody renews it.
const RENEWED: Duration = Duration::from_secs(3);
const SETTLED: Duration = Duration::from_secs(60);

/// Takes tokens that nobody has signed, as Kafka's own validator does if it is given no keys, and wants a new one from each
/// connection before the old one has expired.
const BROKER: &str = "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=OAUTHBEARER
sasl.mechanism.inter.broker.protocol=OAUTHBEARER
listener.name.plaintext.oauthbearer.connections.max.reauth.ms=4000
listener.name.plaintext.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"admin\";";

#[test]
fn a_node_lives_through_many_tokens_and_says_when_there_is_no_good_one() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start("tokens", 1, BROKER);
    let place = Place::new("tokens");
    let file = TokenFile(place.path("token"));
    nobody_is_let_in_without_one(&cluster, &file);

    file.renewed_while(|| {
        let made = file.topics("create", &cluster);
        assert_eq!(code(&made), 0, "{}", errors(&made));
        assert_eq!(code(&file.topics("check", &cluster)), 0);
    });

    let place = place
        .with("kafka", &cluster.brokers)
        .with("replication", 1)
        .with("partitions", PARTITIONS)
        .with("node", 0);
    let mut serve = place.serve();
    serve.args(file.options());
    let server = file.renewed_while(|| place.run(serve));
    file.renewed_while(|| messages_go_on_while_tokens_come_and_go(&server));
    an_expired_token_is_told_and_a_new_one_ends_it(&server, &file);
    server.stop();
}

const PARTITIONS: u16 = 8;

fn nobody_is_let_in_without_one(cluster: &Cluster, file: &TokenFile) {
    let gone = file.topics("check", cluster);
    assert_eq!(code(&gone), 1);
    assert!(errors(&gone).contains("cannot be read"), "{}", errors(&gone));
    file.write(&token(now_s() - 1));
    let expired = file.topics("check", cluster);
    assert_eq!(code(&expired), 1);
    assert!(errors(&expired).contains("expired at Unix second"), "{}", errors(&expired));
    assert!(!errors(&expired).contains(&token(now_s() - 1)[..12]), "{}", errors(&expired));
}

fn messages_go_on_while_tokens_come_and_go(server: &Server) {
    let (mut alice, mut bob) =
        (Session::open(server.addr, "client=alice"), Session::open(server.addr, "client=bob"));
    let over = Instant::now() + Duration::from_secs(3 * LIFE_S);
    let mut sent = 0;
    while Instant::now() < over {
        let ack = alice.deliver("bob", &format!("m{sent}"), sent);
        assert_eq!(ack["type"], "ack", "{ack}");
        assert_eq!(bob.bodies(1), [sent]);
        sent += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(sent > 20, "{sent} messages only");
}

fn an_expired_token_is_told_and_a_new_one_ends_it(server: &Server, file: &TokenFile) {
    let readiness = || {
        let reply = Api::connect(server.admin).get("/readyz");
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
    };
    eventually_in("it is told that the token has expired", SETTLED, || {
        let (status, told) = readiness();
        status == 503 && told.contains("expired at Unix second")
    });
    file.renewed_while(|| {
        eventually_in("a new token is all that it takes", SETTLED, || readiness().0 == 200);
        let mut alice = Session::open(server.addr, "client=alice");
        assert_eq!(alice.deliver("bob", "after", "7")["type"], "ack");
    });
}

/// What a sidecar keeps fresh.
struct TokenFile(PathBuf);

impl TokenFile {
    fn renew(&self) {
        self.write(&token(now_s() + LIFE_S));
    }

    /// In one step, as whoever renews a file that others read does.
    fn write(&self, token: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, token).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }

    fn renewed_while<T>(&self, run: impl FnOnce() -> T) -> T {
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                self.renew();
                while is_over.recv_timeout(RENEWED) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    self.renew();
                }
            });
            let ran = run();
            drop(over);
            ran
        })
    }

    fn options(&self) -> Vec<String> {
        let config = format!("sasl.oauthbearer.config=token-file={}", self.0.display());
        let options = ["security.protocol=sasl_plaintext", "sasl.mechanism=OAUTHBEARER", &config];
        options.iter().flat_map(|option| ["--kafka-option".to_owned(), (*option).to_owned()]).collect()
    }

    fn topics(&self, what: &str, cluster: &Cluster) -> std::process::Output {
        let (options, partitions) = (self.options(), PARTITIONS.to_string());
        let mut line = vec!["topics", what, "--kafka", &cluster.brokers, "--replication", "1"];
        line.extend(["--partitions", &partitions]);
        line.extend(options.iter().map(String::as_str));
        crate::kafka_support::corepost(&line)
    }
}

fn token(exp_s: u64) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = format!(r#"{{"sub":"node","iat":{},"exp":{exp_s}}}"#, now_s());
    format!("{}.{}.", part(r#"{"alg":"none"}"#.into()), part(claims))
}
