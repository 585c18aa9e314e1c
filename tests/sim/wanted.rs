//! Which seeds a simulation runs.

/// One of `COREPOST_SEED`, or `COREPOST_SEEDS` many (`5000`, or `5000..10000`, to go on), or as many as a quick look needs.
pub fn wanted(few: u64) -> std::ops::Range<u64> {
    let number =
        |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("`{text}` is no number of seeds"));
    match (std::env::var("COREPOST_SEED"), std::env::var("COREPOST_SEEDS")) {
        (Ok(seed), _) => number(&seed)..number(&seed) + 1,
        (Err(_), Ok(many)) => match many.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => 0..number(&many),
        },
        (Err(_), Err(_)) => 0..few,
    }
}
