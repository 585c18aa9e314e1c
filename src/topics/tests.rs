//! Each rule broken once, and what is said about it.

use super::*;

fn plan(replication: Replication) -> Plan {
    Plan { prefix: "corepost".into(), partitions: 64, replication }
}

/// The topics as `create` makes them, beside settings that Kafka adds.
fn as_created(contract: &Contract) -> Found {
    let found = |topic: &TopicContract| {
        let new = topic.new_topic();
        let mut settings = new.settings;
        settings.insert("file.delete.delay.ms".into(), "60000".into());
        let replicas = vec![new.replicas as usize; new.partitions as usize];
        FoundTopic { name: new.name, replicas, settings }
    };
    Found(contract.topics().iter().map(found).collect())
}

/// What is said when one topic is changed.
fn said(replication: Replication, topic: Topic, change: impl FnOnce(&mut FoundTopic)) -> Vec<String> {
    let contract = Contract::of(&plan(replication));
    let mut found = as_created(&contract);
    change(&mut found.0[topic as usize]);
    contract.compare(&found).iter().map(Difference::to_string).collect()
}

fn with(topic: Topic, setting: &str, value: &str) -> Vec<String> {
    said(Replication::Three, topic, |found| drop(found.settings.insert(setting.into(), value.into())))
}

#[test]
fn what_create_makes_is_what_check_asks_for_under_every_plan() {
    for replication in Replication::ALL {
        for partitions in [1, 64, 1_024] {
            let contract = Contract::of(&Plan { partitions, ..plan(*replication) });
            assert_eq!(contract.compare(&as_created(&contract)), []);
        }
    }
}

#[test]
fn a_topic_is_made_with_the_size_and_the_settings_of_its_plan() {
    let three = Contract::of(&plan(Replication::Three));
    let sizes: Vec<_> =
        three.topics().iter().map(|t| t.new_topic()).map(|t| (t.name, t.partitions, t.replicas)).collect();
    let expected = [("mailbox", 64), ("state", 64), ("node", 256), ("cluster", 1)];
    assert_eq!(sizes, expected.map(|(name, partitions)| (format!("corepost.{name}"), partitions, 3)));
    let mailbox = three.topics()[0].new_topic().settings;
    let set: Vec<_> = mailbox.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        set,
        [
            "cleanup.policy=delete",
            "max.message.bytes=1048588",
            "message.timestamp.type=LogAppendTime",
            "min.insync.replicas=2",
            "retention.bytes=-1",
            "retention.ms=604800000",
            "segment.ms=43200000",
            "unclean.leader.election.enable=false",
        ]
    );
    let state = three.topics()[1].new_topic().settings;
    assert_eq!(state["cleanup.policy"], "compact");
    let cluster = three.topics()[3].new_topic().settings;
    assert_eq!(cluster["segment.ms"], "60000");

    let one = Contract::of(&Plan { prefix: "chat.eu".into(), partitions: 8, ..plan(Replication::One) });
    let mailbox = one.topics()[0].new_topic();
    assert_eq!((mailbox.name.as_str(), mailbox.partitions, mailbox.replicas), ("chat.eu.mailbox", 8, 1));
    assert_eq!(mailbox.settings["min.insync.replicas"], "1");
}

#[test]
fn a_value_that_must_be_exact_is_compared_as_a_number_where_it_is_one() {
    assert_eq!(
        with(Topic::State, "cleanup.policy", "delete,compact"),
        [
            "corepost.state: cleanup.policy is delete,compact, must be compact: the newest record of each key is kept \
          for ever; deletion by age would forget revocations"
        ]
    );
    assert_eq!(with(Topic::Mailbox, "unclean.leader.election.enable", "true").len(), 1);
    assert_eq!(with(Topic::Mailbox, "message.timestamp.type", "CreateTime").len(), 1);
    assert_eq!(with(Topic::Mailbox, "retention.bytes", "10737418240").len(), 1);
    assert_eq!(with(Topic::Mailbox, "retention.bytes", "-01"), Vec::<String>::new());
}

#[test]
fn a_bound_holds_at_its_end_and_not_beyond() {
    for (topic, setting, good, bad) in [
        (Topic::Mailbox, "min.insync.replicas", "3", "1"),
        (Topic::Mailbox, "retention.ms", "7200000", "7199999"),
        (Topic::Mailbox, "max.message.bytes", "16777216", "16777217"),
        (Topic::Mailbox, "max.message.bytes", "1048588", "1048587"),
        (Topic::Node, "retention.ms", "3600000", "-1"),
        (Topic::Cluster, "segment.ms", "1000", "60001"),
        (Topic::Cluster, "segment.ms", "60000", "a minute"),
    ] {
        assert_eq!(with(topic, setting, good), Vec::<String>::new(), "{setting}={good}");
        assert_eq!(with(topic, setting, bad).len(), 1, "{setting}={bad}");
    }
}

#[test]
fn retention_for_ever_is_more_than_any_and_a_free_setting_may_be_anything() {
    assert_eq!(with(Topic::Mailbox, "retention.ms", "-1"), Vec::<String>::new());
    assert_eq!(with(Topic::Mailbox, "segment.ms", "1"), Vec::<String>::new());
    let free = |found: &mut FoundTopic| drop(found.settings.remove("segment.ms"));
    assert_eq!(said(Replication::Three, Topic::Mailbox, free), Vec::<String>::new());
}

#[test]
fn a_setting_that_these_brokers_do_not_have_is_a_difference() {
    let told =
        said(Replication::Three, Topic::Mailbox, |found| drop(found.settings.remove("retention.bytes")));
    assert!(told[0].starts_with("corepost.mailbox: retention.bytes is not there, must be -1"), "{told:?}");
}

#[test]
fn the_mailbox_has_exactly_p_partitions_and_nodes_may_have_more() {
    let sized = |topic, n| said(Replication::Three, topic, |found| found.replicas = vec![3; n]);
    assert!(sized(Topic::Mailbox, 63)[0].starts_with("corepost.mailbox has 63 partitions, must have 64"));
    assert_eq!(sized(Topic::State, 65).len(), 1);
    assert_eq!(sized(Topic::Cluster, 2).len(), 1);
    assert_eq!(sized(Topic::Node, 255).len(), 1);
    assert_eq!(sized(Topic::Node, 1_000), Vec::<String>::new());
}

#[test]
fn one_partition_with_too_few_replicas_is_enough() {
    let fewer = |found: &mut FoundTopic| found.replicas[7] = 2;
    let told = said(Replication::Three, Topic::Mailbox, fewer);
    assert!(
        told[0].starts_with("corepost.mailbox has partitions of replication factor 2, must have at least 3")
    );
    let one = |found: &mut FoundTopic| found.replicas.fill(1);
    assert_eq!(said(Replication::Three, Topic::Node, one).len(), 1);
    assert_eq!(said(Replication::One, Topic::Node, one), Vec::<String>::new());
    // More than asked for is no difference.
    let three = |found: &mut FoundTopic| found.replicas.fill(3);
    assert_eq!(said(Replication::One, Topic::Mailbox, three), Vec::<String>::new());
}

#[test]
fn each_difference_comes_with_what_mends_it() {
    let contract = Contract::of(&plan(Replication::Three));
    let mut found = as_created(&contract);
    found.0[0].settings.insert("retention.bytes".into(), "5".into());
    found.0[1].replicas = vec![3; 32];
    found.0[2].replicas = vec![3; 16];
    found.0[3].replicas = vec![2];
    let mends = |found: &Found, secured| -> Vec<Mending> {
        let differences = contract.compare(found);
        differences.iter().map(|d| d.mending(contract.plan(), "k:9092", secured)).collect()
    };
    let told = mends(&found, false);
    let tool = |line: &str| Mending::Tool(line.into());
    assert_eq!(
        told[0],
        tool(
            "kafka-configs.sh --bootstrap-server k:9092 --alter --entity-type topics --entity-name corepost.mailbox \
              --add-config retention.bytes=-1"
        )
    );
    assert!(matches!(&told[1], Mending::Choice(how) if how.contains("say --partitions 32")), "{told:?}");
    assert_eq!(
        told[2],
        tool("kafka-topics.sh --bootstrap-server k:9092 --alter --topic corepost.node --partitions 256")
    );
    assert!(matches!(&told[3], Mending::Choice(how) if how.contains("--replication 1")), "{told:?}");
    found.0[3].replicas = vec![3; 2];
    let told = mends(&found, true);
    assert_eq!(
        told[3],
        tool(
            "kafka-topics.sh --bootstrap-server k:9092 --command-config FILE --delete --topic corepost.cluster"
        )
    );
    found.0.remove(3);
    assert_eq!(mends(&found, false)[3], Mending::Create);
}

#[test]
fn the_table_has_every_topic_whether_it_is_there_or_not() {
    let contract = Contract::of(&plan(Replication::Three));
    let mut found = as_created(&contract);
    found.0[0].settings.insert("retention.bytes".into(), "5".into());
    found.0.remove(1);
    assert_eq!(
        table(&contract, &found),
        "topic             partitions  replicas  contract\n\
         corepost.mailbox          64         3  1 difference\n\
         corepost.state             -         -  not there\n\
         corepost.node            256         3  holds\n\
         corepost.cluster           1         3  holds\n"
    );
}

#[test]
fn a_contract_that_contradicts_itself_is_refused() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../kafka/topics.json")).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut file = file.clone();
        change(&mut file);
        Contract::parse(&file.to_string(), &plan(Replication::Three)).unwrap_err().0
    };
    let rule = |rule: serde_json::Value| {
        refused(&|file| file["topics"][0]["settings"]["retention.ms"] = rule.clone())
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let own = rule(json(r#"{"at_least": 5, "create": 4, "why": ""}"#));
    assert_eq!(own, "mailbox: retention.ms would not accept its own `create`, 4");
    assert!(rule(json(r#"{"exactly": 5, "at_most": 5, "why": ""}"#)).contains("keep one"));
    assert!(rule(json(r#"{"at_least": 5, "at_most": 4, "why": ""}"#)).contains("above"));
    assert!(rule(json(r#"{"at_most": 4, "why": ""}"#)).contains("add `create`"));
    assert!(rule(json(r#"{"at_least": "much", "why": ""}"#)).contains("no number"));
    assert!(rule(json(r#"{"exact": 5, "why": ""}"#)).contains("unknown field"));
    let gone = refused(&|file| file["topics"][1]["name"] = "mailbox".into());
    assert_eq!(gone, "there are two topics mailbox");
    assert!(refused(&|file| file["topics"][1]["name"] = "stat".into()).contains("no topic state"));
    assert!(refused(&|file| file["version"] = 2.into()).contains("version 2"));
    assert!(refused(&|file| file["topics"][0]["partitions"] = json(r#"{"why": ""}"#)).contains("partitions"));
}
