//! Decimal digits.

/// Appends `number`.
#[inline]
pub(super) fn write(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_what_the_standard_library_writes() {
        for number in [0, 1, 9, 10, 99, 100, 1_760_000_000_000, u64::from(u32::MAX), u64::MAX] {
            let mut out = vec![];
            super::write(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
