//! Where the kernel lets the threads of a node run.

/// Names of the threads of a process, each with the CPUs on which it may run, as Linux writes lists.
pub fn threads(process: u32) -> Vec<(String, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    // One that ends meanwhile has no status any more.
    let all = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    all.map(|status| (field(&status, "Name:"), field(&status, "Cpus_allowed_list:"))).collect()
}
