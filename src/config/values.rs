//! Values as people write them: durations, sizes, counts. An error says what is wrong and what to write instead.

use std::net::SocketAddr;

/// What is wrong with a value and what to write instead, to follow the value in a sentence.
pub type Problem = String;

/// `7d`, `25s`, `500ms`, in milliseconds.
pub fn duration(text: &str) -> Result<u64, Problem> {
    let (number, unit) = split(text);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if number.parse::<u64>().is_ok() => {
            return Err(format!("has no unit; write {text}s, {text}m, {text}h or {text}d"));
        }
        _ => return Err("is no duration; write a number and ms, s, m, h or d, as in 7d".into()),
    };
    scaled(number, unit_ms)
        .ok_or_else(|| "is no duration; write a whole number before its unit, as in 90s".into())
}

/// `10GiB`, `64MB`, `4096`, in bytes.
pub fn size(text: &str) -> Result<u64, Problem> {
    let (number, unit) = split(text);
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("is no size; write bytes, or a number and KiB, MiB, GiB or TiB, as in 10GiB".into()),
    };
    scaled(number, bytes)
        .ok_or_else(|| "is no size; write a whole number before its unit, as in 10GiB".into())
}

/// A whole number.
pub fn count(text: &str) -> Result<u64, Problem> {
    text.replace('_', "").parse().map_err(|_| "is no whole number; write it in digits".into())
}

/// An address to listen on.
pub fn address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        let fixed = match text.strip_prefix("localhost:").or(text.strip_prefix(':')) {
            Some(port) => format!("127.0.0.1:{port}"),
            None if text.parse::<u16>().is_ok() => format!("127.0.0.1:{text}"),
            None => "127.0.0.1:8080 or [::1]:8080".into(),
        };
        format!("is no address; write an IP address and a port, as in {fixed}")
    })
}

/// One of a few words.
pub fn word<T: Copy>(all: &'static [T], spell: fn(T) -> &'static str) -> impl Fn(&str) -> Result<T, Problem> {
    move |text| {
        all.iter().copied().find(|one| spell(*one) == text).ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|one| spell(*one)).collect();
            format!("is unknown; write one of {}", known.join(", "))
        })
    }
}

/// The same, but `off` is none.
pub fn unless_off<T>(
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> impl Fn(&str) -> Result<Option<T>, Problem> {
    move |text| if text == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// The same, but only from `least` to `most`; `show` writes the bounds as people would.
pub fn within(
    parse: impl Fn(&str) -> Result<u64, Problem>,
    (least, most): (u64, u64),
    show: impl Fn(u64) -> String,
) -> impl Fn(&str) -> Result<u64, Problem> {
    move |text| {
        let value = parse(text)?;
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(format!("is out of bounds; write {} to {}", show(least), show(most)))
        }
    }
}

/// Milliseconds as [`duration`] reads them, in the largest unit that fits.
pub fn show_duration(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = units.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    fits.map_or(format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

/// A number as [`count`] reads it.
pub fn number(n: u64) -> String {
    n.to_string()
}

/// A whole number within these bounds.
pub fn numbers(least: u32, most: u32) -> impl Fn(&str) -> Result<u64, Problem> {
    within(count, (u64::from(least), u64::from(most)), number)
}

/// Bytes as [`size`] reads them, in the largest unit that fits.
pub fn show_size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fits.map_or(bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

fn scaled(number: &str, unit: u64) -> Option<u64> {
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(duration("7d"), Ok(604_800_000));
        assert_eq!(duration("25 s"), Ok(25_000));
        assert_eq!(duration("500ms"), Ok(500));
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("1_000kb"), Ok(1_000_000));
        assert_eq!(size("4096"), Ok(4_096));
        assert_eq!(count("100_000"), Ok(100_000));
    }

    #[test]
    fn an_error_says_what_to_write() {
        assert_eq!(duration("30"), Err("has no unit; write 30s, 30m, 30h or 30d".into()));
        for bad in ["", "d", "7 fortnights", "-1s", "1.5h", "99999999999999999d"] {
            assert!(duration(bad).unwrap_err().contains("is no duration"), "{bad}");
        }
        for bad in ["", "GiB", "1.5GiB", "10 gigs", "99999999999999999TiB"] {
            assert!(size(bad).unwrap_err().contains("is no size"), "{bad}");
        }
        assert!(address("8080").unwrap_err().ends_with("127.0.0.1:8080"));
        assert!(address("localhost:9000").unwrap_err().ends_with("127.0.0.1:9000"));
        let bit = word(&[false, true], |bit| if bit { "yes" } else { "no" });
        assert_eq!((bit("yes"), bit("maybe")), (Ok(true), Err("is unknown; write one of no, yes".into())));
        let few = within(size, (1 << 10, 1 << 20), show_size);
        assert_eq!(few("2MiB"), Err("is out of bounds; write 1KiB to 1MiB".into()));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(n in any::<u64>()) {
            prop_assert_eq!(duration(&show_duration(n)), Ok(n));
            prop_assert_eq!(size(&show_size(n)), Ok(n));
        }

        #[test]
        fn nothing_written_panics(text in "\\PC{0,12}") {
            let _ = (duration(&text), size(&text), count(&text), address(&text));
        }
    }
}
