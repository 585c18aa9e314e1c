//! The manifests of tuning/kubernetes: what they set is what the program knows, and what they promise adds up.
//!
//! No Kubernetes is here: they are read as it reads them, and the real program is asked about its part.

use crate::support::{Api, Place, corepost};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Seconds that `serve` waits beyond its drain window (`GRACE` in src/cli/serve.rs).
const GRACE_S: u64 = 9;

struct Manifests(Vec<Value>);

impl Manifests {
    fn read() -> Self {
        Self(serde_saphyr::from_multiple(&file("corepost.yaml")).unwrap())
    }

    fn of(&self, kind: &str, name: &str) -> &Value {
        let found = self.0.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    fn set(&self) -> &Value {
        &self.of("StatefulSet", "corepost")["spec"]
    }

    fn pod(&self) -> &Value {
        &self.set()["template"]["spec"]
    }

    fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The configuration of each node.
    fn config(&self) -> &str {
        self.of("ConfigMap", "corepost")["data"]["corepost.toml"].as_str().unwrap()
    }

    /// The number of a named port of the container.
    fn port(&self, name: &Value) -> u64 {
        let ports = self.container()["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == *name);
        port.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].as_u64().unwrap()
    }
}

/// A file of tuning/kubernetes.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/kubernetes");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The container's command as `check` instead of `serve`, on a host of this name, with its files where this test may write.
fn check_on(hostname: &str, place: &Place) -> Output {
    let manifests = Manifests::read();
    place.write("jwt.key", [7; 32]);
    place.write("api.keys", "an-api-key-of-a-cluster\n");
    let keys = format!("{}/", AsRef::<Path>::as_ref(place).display());
    let config = place.write("corepost.toml", manifests.config().replace("/etc/corepost/keys/", &keys));
    let command: Vec<&str> =
        manifests.container()["command"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(command, ["/usr/bin/corepost", "serve", "--config", "/etc/corepost/corepost.toml"]);
    named(hostname, &corepost(), &["check".into(), "--config".into(), config])
}

/// Whether this machine lets tests give a host another name; many containers do not. With `COREPOST_TEST=all` it has to.
fn may_name_hosts() -> bool {
    let tried = named("corepost-0", &Command::new("true"), &[]).status.success();
    if !tried {
        eprintln!("not run: `unshare --map-root-user --uts` is not allowed here");
    }
    tried || std::env::var("COREPOST_TEST").as_deref() == Ok("all")
}

/// Runs a program on a host that has this name as far as it can see.
fn named(hostname: &str, program: &Command, arguments: &[PathBuf]) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", hostname]);
    command.arg(program.get_program()).args(arguments);
    for (name, _) in program.get_envs() {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[test]
fn the_program_takes_the_configuration_and_its_ordinal_from_the_pods_name() {
    if !may_name_hosts() {
        return;
    }
    let place = Place::new("kubernetes");
    let checked = check_on("corepost-2", &place);
    let (said, errors) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{errors}");
    assert!(said.contains("default: 2, from the hostname"), "{said}");
    assert!(!errors.contains("development mode"), "{errors}");
    // A Deployment's pod has no ordinal, and is told so.
    let refused = check_on("corepost-7d9c5b", &place);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn ports_and_files_are_where_the_configuration_says() {
    let manifests = Manifests::read();
    let config = manifests.config();
    for (port, key) in [("clients", "listen"), ("admin", "admin")] {
        let number = manifests.port(&json!(port));
        assert!(config.contains(&format!("{key} = \"0.0.0.0:{number}\"")), "{port}");
    }
    for service in ["corepost", "corepost-nodes"] {
        for port in manifests.of("Service", service)["spec"]["ports"].as_array().unwrap() {
            manifests.port(&port["targetPort"]);
        }
    }
    let mounts = manifests.container()["volumeMounts"].as_array().unwrap();
    let mounted = |path: &str| mounts.iter().any(|it| path.starts_with(it["mountPath"].as_str().unwrap()));
    assert!(mounted("/etc/corepost/corepost.toml") && mounted("/var/lib/corepost/data"));
    let sources = manifests.pod()["volumes"][0]["projected"]["sources"].as_array().unwrap();
    for item in sources[1]["secret"]["items"].as_array().unwrap() {
        let path = format!("/etc/corepost/{}", item["path"].as_str().unwrap());
        assert!(config.contains(&path), "nobody reads {path}");
    }
}

#[test]
fn probes_ask_what_a_node_answers() {
    let (manifests, place) = (Manifests::read(), Place::new("kubernetes-probes"));
    let server = place.start();
    let admin = manifests.port(&json!("admin"));
    for (probe, path) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        let asks = &manifests.container()[probe]["httpGet"];
        assert_eq!((asks["path"].as_str(), manifests.port(&asks["port"])), (Some(path), admin), "{probe}");
        assert_eq!(Api::connect(server.admin).get(path).status, 200);
    }
}

#[test]
fn a_pod_has_the_time_that_a_drain_takes() {
    let manifests = Manifests::read();
    let window = manifests.config().lines().find_map(|line| line.strip_prefix("drain_window = \"")).unwrap();
    let window_s: u64 = window.strip_suffix("s\"").unwrap().parse().unwrap();
    let pause_s = manifests.container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let given_s = manifests.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(given_s > pause_s + window_s + GRACE_S, "{given_s} s for {pause_s} + {window_s} + {GRACE_S}");
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/serve.rs");
    let stated = format!("const GRACE: Duration = Duration::from_secs({GRACE_S});");
    assert!(std::fs::read_to_string(serve).unwrap().contains(&stated), "another grace than {GRACE_S} s");
}

#[test]
fn the_static_cpu_manager_gives_a_pod_cpus_of_its_own() {
    let manifests = Manifests::read();
    let resources = &manifests.container()["resources"];
    assert_eq!(resources["requests"], resources["limits"], "the class of service is Guaranteed");
    let cpus = resources["limits"]["cpu"].as_str().unwrap().parse::<u32>();
    assert!(cpus.is_ok_and(|cpus| cpus > 0), "a whole number of them: {resources}");
    assert!(resources["limits"]["memory"].is_string());
    assert_eq!(
        manifests.pod()["containers"].as_array().unwrap().len(),
        1,
        "no other container shares the class"
    );
}

#[test]
fn everything_selects_the_pods_of_the_set() {
    let manifests = Manifests::read();
    let labels = &manifests.set()["template"]["metadata"]["labels"];
    assert_eq!(manifests.set()["selector"]["matchLabels"], *labels);
    let budget = &manifests.of("PodDisruptionBudget", "corepost")["spec"];
    assert_eq!((&budget["selector"]["matchLabels"], budget["maxUnavailable"].as_u64()), (labels, Some(1)));
    assert_eq!(manifests.of("NetworkPolicy", "corepost")["spec"]["podSelector"]["matchLabels"], *labels);
    let spread = &manifests.pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"];
    assert_eq!(spread, labels);
    let governing = manifests.set()["serviceName"].as_str().unwrap();
    for service in ["corepost", governing] {
        assert_eq!(manifests.of("Service", service)["spec"]["selector"], *labels, "{service}");
    }
    assert_eq!(manifests.of("Service", governing)["spec"]["clusterIP"], "None");
}

/// Without a key anybody who reaches the admin port can drain a node.
#[test]
fn only_monitoring_reaches_the_admin_port() {
    let manifests = Manifests::read();
    let policy = &manifests.of("NetworkPolicy", "corepost")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress"]), "what nodes connect to is left open");
    let rules = policy["ingress"].as_array().unwrap();
    let from = |port: &str| -> Vec<&Value> {
        let of = |rule: &&Value| rule["ports"].as_array().unwrap().iter().any(|it| it["port"] == port);
        rules.iter().filter(of).map(|rule| &rule["from"]).collect()
    };
    assert_eq!(from("clients"), [&Value::Null], "from everywhere");
    let monitoring =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    assert_eq!(from("admin"), [&monitoring]);
    assert_eq!(rules.len(), 2, "nothing else is let in");
    for port in rules.iter().flat_map(|rule| rule["ports"].as_array().unwrap()) {
        manifests.port(&port["port"]);
        assert_eq!(port["protocol"], "TCP");
    }
    let admin = manifests.port(&json!("admin"));
    for told in [format!("on port {admin}"), "namespace `monitoring`".into()] {
        assert!(file("README.md").contains(&told), "{told}");
    }
}

#[test]
fn the_profile_is_where_the_readme_installs_it() {
    let manifests = Manifests::read();
    let profile = &manifests.pod()["securityContext"]["seccompProfile"];
    assert_eq!(profile["type"], "Localhost");
    let path = format!("/var/lib/kubelet/seccomp/{}", profile["localhostProfile"].as_str().unwrap());
    for name in ["README.md", "corepost.yaml"] {
        assert!(file(name).contains(&path), "{name} does not say {path}");
    }
}
