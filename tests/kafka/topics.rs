//! `corepost topics` against real Kafka: what it makes, what it finds, what it says when it cannot ask.

use crate::kafka_support::{Cluster, code, corepost, corepost_by_a_shell, errors, is_asked_for, text};
use corepost::limits::PARTITIONS;
use corepost::model::{IdRef, Topology};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const ALL_FOUR: [&str; 4] = ["corepost.cluster", "corepost.mailbox", "corepost.node", "corepost.state"];

/// `corepost topics WHAT --kafka BROKERS --replication 1 …`
fn topics(what: &str, cluster: &Cluster, more: &[&str]) -> Output {
    let one = ["topics", what, "--kafka", &cluster.brokers, "--replication", "1"];
    corepost(&[&one[..], more].concat())
}

/// Ends with this exit code, and both outputs are shown if not.
#[track_caller]
fn ends(output: &Output, expected: i32) -> String {
    assert_eq!(code(output), expected, "{}{}", text(output), errors(output));
    text(output)
}

/// Ends so in the end: brokers learn of each other's changes a moment later.
#[track_caller]
fn comes_to(expected: i32, ask: impl Fn() -> Output) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let output = ask();
        if code(&output) == expected || Instant::now() > deadline {
            return ends(&output, expected);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What stands at the brokers, without Kafka's own.
fn topics_there(brokers: &str) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let all = consumer.fetch_metadata(None, Duration::from_secs(20)).unwrap();
    let names = all.topics().iter().map(|topic| topic.name().to_owned());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("__")).collect();
    names.sort();
    names
}

/// Runs the line of Kafka's tools that was printed for a setting.
fn do_as_told(cluster: &Cluster, told: &str) {
    let line = told.lines().map(str::trim).find(|line| line.starts_with("kafka-")).unwrap();
    cluster.tool(&line.split(' ').collect::<Vec<_>>(), "");
}

#[test]
fn topics_are_made_once_checked_and_never_altered() {
    if !is_asked_for() {
        return;
    }
    // This Kafka makes a topic for everyone who names it in the wrong way.
    let cluster = Cluster::start("made", 1, "auto.create.topics.enable=true");

    let told = ends(&topics("check", &cluster, &[]), 4);
    assert_eq!(told.matches("not there").count(), 4 + 1, "{told}");
    assert_eq!(topics_there(&cluster.brokers), Vec::<String>::new(), "asking made topics");

    let made = topics("create", &cluster, &[]);
    let told = ends(&made, 0);
    assert_eq!(errors(&made).matches("made corepost.").count(), 4, "{}", errors(&made));
    assert!(errors(&made).contains("REPLICATION 1"), "{}", errors(&made));
    assert_eq!(told.matches("holds").count(), 4, "{told}");
    assert_eq!(topics_there(&cluster.brokers), ALL_FOUR);
    assert_eq!(text(&topics("check", &cluster, &[])), told);

    // One of the brokers that are named is enough.
    let some = format!("no-such-host.invalid:9092,127.0.0.1:1,{}", cluster.brokers);
    ends(&corepost(&["topics", "check", "--replication", "1", "--kafka", &some]), 0);

    let again = topics("create", &cluster, &[]);
    ends(&again, 0);
    assert!(!errors(&again).contains("made"), "{}", errors(&again));

    #[cfg(feature = "kafka-tls")]
    a_port_that_speaks_no_tls_is_told(&cluster);
    a_setting_is_named_and_mended_by_the_line_that_is_printed(&cluster);
    the_number_of_partitions_is_the_nodes_to_say(&cluster);
    three_replicas_are_asked_for_unless_one_is_said(&cluster);
    another_prefix_is_another_cluster(&cluster);
    kafkas_own_producer_chooses_our_partitions(&cluster);
    a_node_ends_before_its_topics_are_there_with_the_command_that_makes_them(&cluster);
}

#[cfg(feature = "kafka-tls")]
fn a_port_that_speaks_no_tls_is_told(cluster: &Cluster) {
    let wrong = topics("check", cluster, &["--kafka-option", "security.protocol=ssl"]);
    ends(&wrong, 1);
    assert!(errors(&wrong).contains("TLS with Kafka failed"), "{}", errors(&wrong));
}

fn a_setting_is_named_and_mended_by_the_line_that_is_printed(cluster: &Cluster) {
    let configs =
        ["kafka-configs", "--bootstrap-server", &cluster.brokers, "--alter", "--entity-type", "topics"];
    let wrong = ["--entity-name", "corepost.mailbox", "--add-config", "retention.bytes=1000000000"];
    cluster.tool(&[&configs[..], &wrong].concat(), "");
    let told = comes_to(4, || topics("check", cluster, &[]));
    assert!(told.contains("corepost.mailbox: retention.bytes is 1000000000, must be -1"), "{told}");
    // `create` says the same and leaves it.
    assert_eq!(ends(&topics("create", cluster, &[]), 4), told);
    do_as_told(cluster, &told);
    comes_to(0, || topics("check", cluster, &[]));
}

fn the_number_of_partitions_is_the_nodes_to_say(cluster: &Cluster) {
    let told = ends(&topics("check", cluster, &["--partitions", "32"]), 4);
    assert!(told.contains("corepost.mailbox has 64 partitions, must have 32"), "{told}");
    assert!(told.contains("corepost.state has 64 partitions") && told.contains("--partitions 64"), "{told}");
    ends(&topics("check", cluster, &["--partitions", "64"]), 0);
}

fn three_replicas_are_asked_for_unless_one_is_said(cluster: &Cluster) {
    let told = ends(&corepost(&["topics", "check", "--kafka", &cluster.brokers]), 4);
    assert_eq!(told.matches("replication factor 1, must have at least 3").count(), 4, "{told}");
    assert!(told.contains("min.insync.replicas is 1, must be at least 2"), "{told}");
    let prefix = ["topics", "create", "--kafka", &cluster.brokers, "--topic-prefix", "large"];
    let refused = corepost(&prefix);
    ends(&refused, 1);
    assert!(errors(&refused).contains("fewer than three brokers"), "{}", errors(&refused));
}

fn another_prefix_is_another_cluster(cluster: &Cluster) {
    let small = ["--topic-prefix", "chat.eu", "--partitions", "4"];
    ends(&topics("check", cluster, &small), 4);
    let told = ends(&topics("create", cluster, &small), 0);
    assert!(told.contains("chat.eu.mailbox           4"), "{told}");
    assert_eq!(topics_there(&cluster.brokers).len(), 8);
}

/// The command is run as it was printed, by a shell.
fn a_node_ends_before_its_topics_are_there_with_the_command_that_makes_them(cluster: &Cluster) {
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a node's.toml");
    let options = "kafka_option = ['client.id=hunter2']";
    fs::write(&config, format!("kafka = '{}'\nreplication = 1\n{options}\n", cluster.brokers)).unwrap();
    let path = config.display().to_string();
    let node = ["--config", &path, "--topic-prefix", "chat.node", "--partitions", "4", "--node", "3"];
    // Which ends it once it has come past its topics.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (listen, data) = (taken.local_addr().unwrap().to_string(), config.with_extension("data"));
    let place = ["--listen", &listen, "--data", data.to_str().unwrap()];
    let serve = || corepost(&[&["serve"], &node[..], &place].concat());

    let early = serve();
    assert_eq!(ends(&early, 4), "");
    let told = errors(&early);
    assert!(told.contains("the topics break the contract, so this node does not start"), "{told}");
    assert!(told.contains("REPLICATION 1") && !told.contains("hunter2"), "{told}");
    let line = told.lines().map(str::trim).find(|line| line.starts_with("corepost topics create "));
    let line = line.unwrap_or_else(|| panic!("no command: {told}"));
    ends(&corepost_by_a_shell(line), 0);

    // All brokers know of topics a moment after one has made them.
    comes_to(1, serve);
    let late = serve();
    ends(&late, 1);
    assert!(errors(&late).contains(&listen), "{}", errors(&late));
    fs::remove_dir_all(data).unwrap();
    fs::remove_file(config).unwrap();
}

/// What kafka/README.md gives to outside producers: Kafka's own console producer, the client ID as the key.
fn kafkas_own_producer_chooses_our_partitions(cluster: &Cluster) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/records.json");
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut keys: BTreeMap<String, u64> = (0..100)
        .map(|n| format!("client-{n}-{}", "ü".repeat(n % 7)))
        .map(|key| {
            let place = Topology::new(PARTITIONS, 1).place(IdRef::new(&key).unwrap());
            (key, u64::from(place.partition.0))
        })
        .collect();
    let ours = keys.len();
    for vector in vectors["records"].as_array().unwrap() {
        // Lines cannot carry every key.
        let key = vector["key"].as_str().filter(|key| !key.is_empty() && !key.contains(char::is_control));
        if let (Some(key), Some(partition)) = (key, vector["partition"].as_u64()) {
            keys.insert(key.to_owned(), partition);
        }
    }
    assert!(keys.len() > ours, "kafka/records.json has no keys");
    let lines: String = keys.keys().map(|key| format!("{key}\t{{\"text\":\"hi\"}}\n")).collect();
    let properties = ["--property", "parse.key=true", "--property", "key.separator=\t"];
    let producer =
        ["kafka-console-producer", "--bootstrap-server", &cluster.brokers, "--topic", "corepost.mailbox"];
    cluster.tool(&[&producer[..], &properties].concat(), &lines);
    assert_eq!(keys_by_partition(&cluster.brokers, keys.len()), keys);
}

/// Reads so many records of the mailbox topic: each key and the partition that it was in.
fn keys_by_partition(brokers: &str, records: usize) -> BTreeMap<String, u64> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "none").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..i32::from(PARTITIONS) {
        all.add_partition_offset("corepost.mailbox", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut found, deadline) = (BTreeMap::new(), Instant::now() + Duration::from_secs(30));
    while found.len() < records && Instant::now() < deadline {
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(200)) else { continue };
        let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
        assert_eq!(record.payload(), Some(&br#"{"text":"hi"}"#[..]));
        found.insert(key, record.partition() as u64);
    }
    found
}

#[test]
fn three_brokers_hold_each_partition_three_times_also_while_one_is_away() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start("three", 3, "");
    let three = |what: &str| corepost(&["topics", what, "--kafka", &cluster.brokers]);
    let made = three("create");
    ends(&made, 0);
    assert!(!errors(&made).contains("REPLICATION"), "{}", errors(&made));
    cluster.up(&["kill", "3"]);
    ends(&three("check"), 0);
    ends(&three("create"), 0);
}

/// An authority that nobody knows, passwords, and permissions: what README's table of ACLs grants is enough.
#[cfg(feature = "kafka-tls")]
#[test]
fn tls_passwords_and_permissions_are_asked_for_and_told_apart() {
    if !is_asked_for() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (store, certificate) = (folder.join("kafka-keys.p12"), folder.join("kafka-keys.pem"));
    make_keys(&store, &certificate);
    let cluster = Cluster::start("secured", 1, &secured(&store));
    let certificate = format!("ssl.ca.location={}", certificate.display());
    let ask = |what: &str, options: &[&str]| {
        let options = options.iter().flat_map(|option| ["--kafka-option", option]);
        topics(what, &cluster, &options.collect::<Vec<_>>())
    };
    let tls = ["security.protocol=sasl_ssl", "sasl.mechanism=PLAIN", &certificate];

    let unknown = ask(
        "check",
        &[
            "security.protocol=sasl_ssl",
            "sasl.mechanism=PLAIN",
            "sasl.username=alice",
            "sasl.password=alice-secret",
        ],
    );
    ends(&unknown, 1);
    assert!(errors(&unknown).contains("TLS with Kafka failed"), "{}", errors(&unknown));

    let plain = ask("check", &[]);
    ends(&plain, 1);
    assert!(errors(&plain).contains("are closed before Kafka answers"), "{}", errors(&plain));

    let wrong = ask("check", &[&tls[..], &["sasl.username=alice", "sasl.password=hunter2-secret"]].concat());
    ends(&wrong, 1);
    assert!(errors(&wrong).contains("Kafka does not let us in"), "{}", errors(&wrong));
    assert!(!errors(&wrong).contains("hunter2"), "{}", errors(&wrong));

    let alice = [&tls[..], &["sasl.username=alice", "sasl.password=alice-secret"]].concat();
    let forbidden = ask("check", &alice);
    ends(&forbidden, 1);
    assert!(errors(&forbidden).contains("needs Describe on topics"), "{}", errors(&forbidden));

    let admin = folder.join("kafka-admin.properties");
    fs::write(&admin, client_properties(&store)).unwrap();
    let file = admin.display().to_string();
    let acls = ["kafka-acls", "--bootstrap-server", &cluster.brokers, "--command-config", &file, "--add"];
    let grant = |operations: &[&str]| {
        let whom = [
            "--allow-principal",
            "User:alice",
            "--resource-pattern-type",
            "prefixed",
            "--topic",
            "corepost.",
        ];
        cluster.tool(&[&acls[..], &whom, operations].concat(), "");
    };
    grant(&["--operation", "Describe"]);
    let told = comes_to(4, || ask("check", &alice));
    assert_eq!(told.matches("not there").count(), 5, "{told}");
    let forbidden = ask("create", &alice);
    ends(&forbidden, 1);
    assert!(errors(&forbidden).contains("needs Create"), "{}", errors(&forbidden));
    grant(&["--operation", "Create"]);
    // Whether it worked cannot be seen without leave to see it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !errors(&ask("create", &alice)).contains("needs DescribeConfigs") {
        assert!(Instant::now() < deadline, "{}", errors(&ask("create", &alice)));
    }
    grant(&["--operation", "DescribeConfigs"]);
    let told = comes_to(0, || ask("create", &alice));
    assert_eq!(told.matches("holds").count(), 4, "{told}");

    // SCRAM lets in who is known by it.
    let scram = [
        "--add-config",
        "SCRAM-SHA-256=[password=alice-scram]",
        "--entity-type",
        "users",
        "--entity-name",
        "alice",
    ];
    let configs =
        ["kafka-configs", "--bootstrap-server", &cluster.brokers, "--command-config", &file, "--alter"];
    cluster.tool(&[&configs[..], &scram].concat(), "");
    let by_scram = [
        "security.protocol=sasl_ssl",
        "sasl.mechanism=SCRAM-SHA-256",
        "sasl.username=alice",
        "sasl.password=alice-scram",
        &certificate,
    ];
    comes_to(0, || ask("check", &by_scram));
}

/// A key pair for `localhost` and 127.0.0.1, by the JRE's own tool, and its certificate beside it.
#[cfg(feature = "kafka-tls")]
fn make_keys(store: &Path, certificate: &Path) {
    let _ = fs::remove_file(store);
    let keytool = |arguments: &[&str]| {
        let store = store.display().to_string();
        let output = Command::new("keytool")
            .args(arguments)
            .args([
                "-alias",
                "broker",
                "-storepass",
                "store-secret",
                "-storetype",
                "PKCS12",
                "-keystore",
                &store,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    };
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-dname",
        "CN=localhost",
        "-validity",
        "30",
        "-ext",
        "SAN=IP:127.0.0.1",
    ]);
    keytool(&["-exportcert", "-rfc", "-file", &certificate.display().to_string()]);
}

/// A broker that wants TLS and a password, and lets nobody but its admin do anything.
#[cfg(feature = "kafka-tls")]
fn secured(store: &Path) -> String {
    format!(
        "listener.security.protocol.map=PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PKCS12
ssl.keystore.location={store}
ssl.keystore.password=store-secret
ssl.truststore.type=PKCS12
ssl.truststore.location={store}
ssl.truststore.password=store-secret
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"admin\" password=\"admin-secret\" user_admin=\"admin-secret\" user_alice=\"alice-secret\";
listener.name.plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS",
        store = store.display()
    )
}

/// What Kafka's own tools need to come in as the admin.
#[cfg(feature = "kafka-tls")]
fn client_properties(store: &Path) -> String {
    format!(
        "security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" \
         password=\"admin-secret\";
ssl.truststore.type=PKCS12
ssl.truststore.location={store}
ssl.truststore.password=store-secret",
        store = store.display()
    )
}

#[test]
fn brokers_end_with_the_process_that_owns_them_however_it_ends() {
    if !is_asked_for() {
        return;
    }
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let cluster = Cluster::start_for(owner.id(), "owned", 1, "");
    let up = cluster.up(&["status"]);
    let process = up.split("process ").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();
    // A stopped broker must end, too.
    cluster.up(&["pause", "1"]);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while cluster.up(&["status"]).contains("process") {
        assert!(Instant::now() < deadline, "broker {process} is still there");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn where_nobody_listens_it_says_so_and_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let refused = corepost(&["topics", "check", "--kafka", &format!("127.0.0.1:{port}")]);
    ends(&refused, 1);
    let told = errors(&refused);
    assert!(told.contains("waiting for Kafka at"), "{told}");
    assert!(told.contains("no Kafka listens at") && told.contains("kafka/up.sh 1"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_host_that_does_not_exist_is_told() {
    let unknown = corepost(&["topics", "check", "--kafka", "no-such-host.invalid:9092"]);
    ends(&unknown, 1);
    assert!(errors(&unknown).contains("there is no such host"), "{}", errors(&unknown));
}

#[test]
fn mistakes_end_in_2_and_never_show_the_value_of_an_option() {
    let secret = "sasl.pasword=hunter2";
    let wrong = corepost(&["topics", "check", "--partitions", "0", "--kafka-option", secret]);
    ends(&wrong, 2);
    let told = errors(&wrong);
    assert!(told.contains("3 mistakes") && told.contains("--kafka HOST:PORT"), "{told}");
    assert!(told.contains("`sasl.pasword`") && !told.contains("hunter2"), "{told}");
    // Each option is good, together they make no sense.
    let half = corepost(&[
        "topics",
        "check",
        "--kafka",
        "127.0.0.1:1",
        "--kafka-option",
        "sasl.mechanism=PLAIN",
        "--kafka-option",
        "security.protocol=sasl_plaintext",
    ]);
    ends(&half, 2);
    assert!(errors(&half).contains("librdkafka refuses its options"), "{}", errors(&half));
    let serve = corepost(&["serve", "--kafka", "127.0.0.1:1"]);
    ends(&serve, 2);
}
