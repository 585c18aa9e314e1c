//! Builds what sysfs and procfs show of a host, in the layout that the kernel's documentation gives. Synthetic: nobody has
//! such a machine here.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder that looks like `/` to `read_host`. It goes with the value.
pub struct Tree(PathBuf);

/// How CPUs are arranged. First threads of all physical cores are numbered before their siblings, as on most x86 hosts.
pub struct Shape {
    pub nodes: u16,
    pub physical_per_node: u16,
    pub threads: u16,
}

impl Tree {
    pub fn new(name: &str, shape: &Shape) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("placement-{name}"));
        let _ = fs::remove_dir_all(&dir);
        let tree = Self(dir);
        let all = shape.nodes * shape.physical_per_node;
        let last = all * shape.threads - 1;
        tree.write("sys/devices/system/cpu/online", &format!("0-{last}"));
        tree.write("sys/devices/system/cpu/isolated", "");
        for cpu in 0..=last {
            tree.write_cpu(cpu, cpu % all / shape.physical_per_node, shape);
        }
        for node in 0..shape.nodes {
            let of_node = (0..=last).filter(|cpu| cpu % all / shape.physical_per_node == node);
            let list = of_node.map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",");
            tree.write(&format!("sys/devices/system/node/node{node}/cpulist"), &list);
        }
        tree.allow(&format!("0-{last}"))
    }

    fn write_cpu(&self, cpu: u16, node: u16, shape: &Shape) {
        let all = shape.nodes * shape.physical_per_node;
        let dir = format!("sys/devices/system/cpu/cpu{cpu}");
        let siblings: Vec<String> =
            (0..shape.threads).map(|nth| (cpu % all + nth * all).to_string()).collect();
        self.write(&format!("{dir}/topology/core_cpus_list"), &siblings.join(","));
        self.write(&format!("{dir}/topology/physical_package_id"), &node.to_string());
        let first = node * shape.physical_per_node;
        let shared = format!("{first}-{}", first + shape.physical_per_node - 1);
        for (index, level, cpus) in [(0, 1, siblings.join(",")), (1, 1, siblings.join(",")), (2, 3, shared)] {
            self.write(&format!("{dir}/cache/index{index}/level"), &level.to_string());
            self.write(&format!("{dir}/cache/index{index}/shared_cpu_list"), &cpus);
        }
    }

    /// What affinity leaves to the process.
    pub fn allow(self, cpus: &str) -> Self {
        self.write(
            "proc/self/status",
            &format!("Name:\tcorepost\nCpus_allowed:\tff\nCpus_allowed_list:\t{cpus}"),
        );
        self
    }

    pub fn isolate(self, cpus: &str) -> Self {
        self.write("sys/devices/system/cpu/isolated", cpus);
        self
    }

    /// A cgroup of version 2, with this `cpu.max`, in one that grants more.
    pub fn with_quota(self, max: &str) -> Self {
        self.write("proc/self/cgroup", "0::/kubepods/pod7");
        self.write("sys/fs/cgroup/kubepods/cpu.max", "6400000 100000");
        self.write("sys/fs/cgroup/kubepods/pod7/cpu.max", max);
        self
    }

    /// The same of version 1.
    pub fn with_old_quota(self, quota_us: i64) -> Self {
        self.write("proc/self/cgroup", "4:memory:/docker/7\n3:cpu,cpuacct:/docker/7\n0::/");
        let dir = "sys/fs/cgroup/cpu,cpuacct/docker/7";
        self.write(&format!("{dir}/cpu.cfs_quota_us"), &quota_us.to_string());
        self.write(&format!("{dir}/cpu.cfs_period_us"), "100000");
        self
    }

    /// A card on PCI, behind a bridge, as a driver with an interrupt for each queue makes it.
    pub fn with_nic(self, name: &str, node: i32, queues: u32) -> Self {
        let bridge = "sys/devices/pci0000:00/0000:00:1c.0";
        self.write(&format!("{bridge}/msi_irqs/58"), "msi");
        self.write("proc/irq/58/smp_affinity_list", "0-7");
        fs::create_dir_all(self.0.join("proc/irq/58/PCIe PME, pciehp")).unwrap();
        let device = &format!("{bridge}/0000:3b:00.0");
        self.write(&format!("{device}/numa_node"), &node.to_string());
        for queue in 0..queues {
            let irq = 60 + queue;
            self.write(&format!("{device}/msi_irqs/{irq}"), "msix");
            self.write(&format!("proc/irq/{irq}/smp_affinity_list"), "0-7");
            fs::create_dir_all(self.0.join(format!("proc/irq/{irq}/{name}-rx-{queue}"))).unwrap();
            fs::create_dir_all(self.0.join(format!("{device}/net/{name}/queues/rx-{queue}"))).unwrap();
        }
        self.write(&format!("{device}/msi_irqs/59"), "msix");
        self.write("proc/irq/59/smp_affinity_list", "0-7");
        fs::create_dir_all(self.0.join("proc/irq/59/mlx5_async")).unwrap();
        self.link_nic(device, name);
        self
    }

    /// A card of a virtual machine on KVM: a device on a device of PCI, with two interrupts for each pair of queues, in the order in
    /// which virtio_net asks for them.
    pub fn with_virtio(self, name: &str, pairs: u16) -> Self {
        let pci = "sys/devices/pci0000:00/0000:00:03.0";
        self.write(&format!("{pci}/numa_node"), "-1");
        let queues = (0..pairs).flat_map(|pair| [format!("input.{pair}"), format!("output.{pair}")]);
        for (nth, what) in ["config".to_owned()].into_iter().chain(queues).enumerate() {
            let irq = 40 + nth;
            self.write(&format!("{pci}/msi_irqs/{irq}"), "msix");
            self.write(&format!("proc/irq/{irq}/smp_affinity_list"), "0-7");
            fs::create_dir_all(self.0.join(format!("proc/irq/{irq}/virtio0-{what}"))).unwrap();
        }
        let device = format!("{pci}/virtio0");
        for queue in (0..pairs).flat_map(|pair| [format!("rx-{pair}"), format!("tx-{pair}")]) {
            fs::create_dir_all(self.0.join(format!("{device}/net/{name}/queues/{queue}"))).unwrap();
        }
        self.link_nic(&device, name);
        self
    }

    fn link_nic(&self, device: &str, name: &str) {
        std::os::unix::fs::symlink("../..", self.0.join(format!("{device}/net/{name}/device"))).unwrap();
        let class = self.0.join("sys/class/net");
        fs::create_dir_all(class.join("lo")).unwrap();
        std::os::unix::fs::symlink(format!("../../../{device}/net/{name}"), class.join(name)).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
