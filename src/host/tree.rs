//! Reads what a host is from sysfs and procfs, below any root, so that a tree that a test has built is read like the real one.
//!
//! What cannot be read is taken for what harms least (a CPU is a physical core of its own, on NUMA node 0, without
//! quota), since a container may hide any of it. The formats are the kernel's: admin-guide/cputopology,
//! admin-guide/cgroup-v2 (`cpu.max`, `cpuset.cpus.effective`), core-api/irq/irq-affinity, ABI/stable/sysfs-devices-node,
//! ABI/testing/sysfs-class-net-queues.

use super::affinity::allowed_cpus;
use crate::placement::{Cpu, Cpus, Host, Interrupt, Nic};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The host that this root describes, as the process that `proc/self` is about sees it. For the real one: `/`.
pub fn read_host(root: &Path) -> Host {
    let tree = Tree(root.to_owned());
    // Of the real host the kernel itself is asked: a sandbox may show other files than it obeys.
    let asked = if root == Path::new("/") { allowed_cpus() } else { None };
    let allowed = asked.unwrap_or_else(|| tree.allowed());
    let online = tree.cpus("sys/devices/system/cpu/online").unwrap_or_default();
    let online = if allowed.without(&online).is_empty() { online } else { allowed.clone() };
    let nodes = tree.node_of_each();
    let cpus: Vec<Cpu> =
        online.iter().map(|cpu| tree.cpu(cpu, nodes.get(&cpu).copied().unwrap_or(0))).collect();
    let ours = allowed;
    let isolated = tree.cpus("sys/devices/system/cpu/isolated").unwrap_or_default().and(&online);
    let isolated =
        tree.cpuset().map_or(isolated.clone(), |cpuset| isolated.and(&cpuset).or(&isolated.and(&ours)));
    Host { cpus, ours, isolated, quota_milli: tree.quota_milli(), nics: tree.nics() }
}

/// Words by which drivers name what carries no packets: virtio, mlx5 and mlx4, Intel's, ena and gve, vmxnet3.
const MANAGEMENT: [&str; 7] = ["config", "control", "async", "misc", "mgmnt", "mgmt", "event"];

struct Tree(PathBuf);

impl Tree {
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }

    fn cpus(&self, path: impl AsRef<Path>) -> Option<Cpus> {
        Cpus::parse(&self.text(path)?)
    }

    /// What affinity and cpuset leave to the process.
    fn allowed(&self) -> Cpus {
        let status = self.text("proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.and_then(Cpus::parse)
            .filter(|cpus| !cpus.is_empty())
            // Every machine has the first.
            .unwrap_or_else(|| Cpus::from_iter([0]))
    }

    fn cpu(&self, cpu: u16, node: u16) -> Cpu {
        let dir = PathBuf::from(format!("sys/devices/system/cpu/cpu{cpu}"));
        let first = |cpus: Cpus| cpus.iter().next();
        let threads = ["topology/core_cpus_list", "topology/thread_siblings_list"];
        let physical =
            threads.iter().find_map(|list| self.cpus(dir.join(list)).and_then(first)).unwrap_or(cpu);
        let cache = self.last_shared_cache(&dir).and_then(first).unwrap_or(physical);
        Cpu { cpu, physical, node, cache }
    }

    fn last_shared_cache(&self, cpu: &Path) -> Option<Cpus> {
        let level = |index: &PathBuf| self.text(index.join("level"))?.trim().parse::<u32>().ok();
        // Four are usual: both of level 1, and one of each further level.
        let last = (0..8).map(|n| cpu.join(format!("cache/index{n}"))).max_by_key(|index| level(index))?;
        self.cpus(last.join("shared_cpu_list"))
    }

    fn node_of_each(&self) -> BTreeMap<u16, u16> {
        let mut of_each = BTreeMap::new();
        for (name, path) in self.list("sys/devices/system/node") {
            if let Some(node) = name.strip_prefix("node").and_then(|number| number.parse::<u16>().ok()) {
                let cpus = self.cpus(path.join("cpulist")).unwrap_or_default();
                of_each.extend(cpus.iter().map(|cpu| (cpu, node)));
            }
        }
        of_each
    }

    /// The cgroup's cpuset, which may have more than affinity leaves.
    fn cpuset(&self) -> Option<Cpus> {
        let read = |controller: &str, file: &str| {
            let path = self.cgroup_path(controller)?;
            // Where the controller is not enabled for the group itself, that of a group around it counts.
            path.ancestors().find_map(|dir| self.cpus(dir.join(file)))
        };
        let v2 = read("", "cpuset.cpus.effective");
        v2.or_else(|| read("cpuset", "cpuset.effective_cpus")).filter(|cpus| !cpus.is_empty())
    }

    /// The least that any cgroup on the way to the root grants.
    fn quota_milli(&self) -> Option<u32> {
        let v2 = self.cgroup_path("").and_then(|path| self.least_quota(&path, |dir| self.quota_v2(dir)));
        let v1 = self.cgroup_path("cpu").and_then(|path| self.least_quota(&path, |dir| self.quota_v1(dir)));
        v2.into_iter().chain(v1).min()
    }

    fn least_quota(&self, path: &Path, quota: impl Fn(&Path) -> Option<u32>) -> Option<u32> {
        let is_inside = |dir: &&Path| dir.starts_with("sys/fs/cgroup");
        path.ancestors().take_while(is_inside).filter_map(quota).min()
    }

    fn quota_v2(&self, dir: &Path) -> Option<u32> {
        let text = self.text(dir.join("cpu.max"))?;
        let (quota, period) = text.trim().split_once(' ')?;
        milli(quota.parse().ok()?, period.parse().ok()?)
    }

    fn quota_v1(&self, dir: &Path) -> Option<u32> {
        let number = |name: &str| self.text(dir.join(name))?.trim().parse::<i64>().ok();
        // -1: all there is.
        let quota = u64::try_from(number("cpu.cfs_quota_us")?).ok()?;
        milli(quota, u64::try_from(number("cpu.cfs_period_us")?).ok()?)
    }

    /// Where a controller's files of this process's cgroup are; the empty name is version 2.
    fn cgroup_path(&self, controller: &str) -> Option<PathBuf> {
        let text = self.text("proc/self/cgroup")?;
        // `0::/path`, or `4:cpu,cpuacct:/path`.
        let of_line = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            let is_it = names.split(',').any(|name| name == controller);
            is_it.then(|| (names.to_owned(), path.trim_start_matches('/').to_owned()))
        };
        let (names, path) = text.lines().find_map(of_line)?;
        let base = Path::new("sys/fs/cgroup");
        let mounted = [base.join(&names), base.join(controller), base.to_owned()];
        // A namespace may show another path than the one that is mounted.
        let places = mounted.iter().flat_map(|mount| [mount.join(&path), mount.clone()]);
        places.into_iter().find(|place| self.0.join(place).is_dir())
    }

    fn nics(&self) -> Vec<Nic> {
        let all = self.list("sys/class/net");
        all.into_iter().filter_map(|(name, path)| self.nic(name, &path)).collect()
    }

    /// `None`: it is no device, such as the loopback, or nothing is plugged in.
    fn nic(&self, name: String, path: &Path) -> Option<Nic> {
        let device = fs::canonicalize(self.0.join(path).join("device")).ok()?;
        if self.text(path.join("operstate")).is_some_and(|state| state.trim() == "down") {
            return None;
        }
        // What virtio makes is a device on a device: NUMA node and interrupts are those of the latter.
        let places = [Some(device.as_path()), device.parent()].into_iter().flatten();
        let places: Vec<PathBuf> = places.map(Path::to_owned).collect();
        let node = places.iter().find_map(|dir| fs::read_to_string(dir.join("numa_node")).ok());
        let node = node.and_then(|text| text.trim().parse::<i32>().ok()).and_then(|n| u16::try_from(n).ok());
        let queues = self.list(path.join("queues"));
        let count = |kind: &str| {
            let all = queues.iter().filter(|(queue, _)| queue.starts_with(kind));
            all.count().try_into().unwrap_or(u16::MAX)
        };
        let (rx_queues, tx_queues) = (count("rx-"), count("tx-"));
        // Those of the first that has any: what a card of PCI is on is a bridge, whose lines are no card's.
        let mut lines = places.iter().map(|dir| numbers_in(&dir.join("msi_irqs")));
        let lines = lines.find(|lines| !lines.is_empty()).unwrap_or_default().into_iter();
        let mut interrupts: Vec<Interrupt> = lines.filter_map(|irq| self.interrupt(irq, &name)).collect();
        interrupts.sort_by_key(|interrupt| interrupt.irq);
        Some(Nic { name, node, rx_queues, tx_queues, interrupts })
    }

    /// `None`: nobody handles it, or it has nothing to do with packets.
    fn interrupt(&self, irq: u32, nic: &str) -> Option<Interrupt> {
        let dir = PathBuf::from(format!("proc/irq/{irq}"));
        let now = self.cpus(dir.join("smp_affinity_list"))?;
        // Who handles it is a folder in it.
        let (name, _) = self.list(&dir).into_iter().find(|(_, path)| self.0.join(path).is_dir())?;
        // Nothing keeps a card from being called `misc0`.
        let about = name.replacen(nic, "", 1);
        let is_of_packets = !MANAGEMENT.iter().any(|word| about.contains(word));
        is_of_packets.then_some(Interrupt { irq, name, now })
    }

    /// What is in a folder, by name, with its path below the root.
    fn list(&self, dir: impl AsRef<Path>) -> Vec<(String, PathBuf)> {
        let dir = dir.as_ref();
        let names = fs::read_dir(self.0.join(dir)).into_iter().flatten().flatten();
        let mut all: Vec<_> = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .map(|name| (name.clone(), dir.join(name)))
            .collect();
        all.sort();
        all
    }
}

fn numbers_in(dir: &Path) -> Vec<u32> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn milli(quota_us: u64, period_us: u64) -> Option<u32> {
    quota_us.checked_mul(1000)?.checked_div(period_us)?.try_into().ok()
}
