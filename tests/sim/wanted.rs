//! Which seeds a simulation runs.

/// One of `COREPOST_SEED`, or `COREPOST_SEEDS` many, or as many as a quick look needs.
pub fn wanted(few: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match (number("COREPOST_SEED"), number("COREPOST_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, many) => 0..many.unwrap_or(few),
    }
}
