//! The memory of this process, as the kernel counts it.

/// Bytes in RAM; `None` where there is no `/proc`.
pub(super) fn resident_bytes() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmRSS` of a `status` file: unlike `statm` it says its unit.
fn parse(status: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(parse("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   1234 kB\n"), Some(1_234 * 1_024));
        assert_eq!(parse("Name:\tx\n"), None);
        let mine = resident_bytes().expect("this machine has /proc");
        assert!((1 << 20..1 << 40).contains(&mine), "{mine}");
    }
}
