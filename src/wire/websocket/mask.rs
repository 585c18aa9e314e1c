//! XOR with the four bytes every client frame is masked by.

/// Buffers up to this size are done by the loop below, which the compiler vectorises; beyond it the wider
/// instructions that are looked up at run time win.
const SMALL: usize = 1_024;

/// Masks or unmasks `data`, which begins at byte `at` of its frame's payload.
#[inline]
pub(super) fn apply(data: &mut [u8], mask: [u8; 4], at: usize) {
    let mask = u32::from_le_bytes(mask).rotate_right((at as u32 & 3) * 8);
    if data.len() > SMALL {
        return sockudo_ws::simd::apply_mask(data, mask.to_le_bytes());
    }
    let wide = (u64::from(mask) << 32 | u64::from(mask)).to_le_bytes();
    let (blocks, rest) = data.as_chunks_mut::<8>();
    for block in blocks {
        *block = (u64::from_ne_bytes(*block) ^ u64::from_ne_bytes(wide)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_rfc_formula_at_every_length_and_start() {
        let mask = [1, 20, 77, 255];
        for len in (0..100).chain([1_023, 1_024, 1_025, 4_096, 9_999]) {
            for at in 0..5 {
                let plain: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
                let mut masked = plain.clone();
                apply(&mut masked, mask, at);
                let expected: Vec<u8> =
                    plain.iter().enumerate().map(|(i, byte)| byte ^ mask[(at + i) % 4]).collect();
                assert_eq!(masked, expected, "{len} bytes from {at}");
            }
        }
    }
}
