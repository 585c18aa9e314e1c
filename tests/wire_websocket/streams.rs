//! Random client streams, mostly right and often broken, from a seed.

/// A small generator of its own, so that a seed means the same for ever.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// One to six frames.
pub fn stream(random: &mut Random, largest: u64) -> Vec<u8> {
    let (mut out, mut open) = (vec![], false);
    for _ in 0..1 + random.below(6) {
        let bad = random.one_in(14);
        let control = random.one_in(3);
        let fin = control || random.one_in(2);
        let op = if bad {
            random.below(16) as u8
        } else if control {
            [9, 10, 9, 8][random.below(40) as usize / 13]
        } else if open {
            0
        } else {
            1 + random.below(2) as u8
        };
        if !control && !bad {
            open = !fin;
        }
        let len = length(random, control, bad, largest);
        let mut payload: Vec<u8> =
            "añ€😀b".bytes().cycle().skip(random.below(11) as usize).take(len).collect();
        if !random.one_in(3) {
            payload.iter_mut().for_each(|byte| *byte = b'a' + (*byte & 15));
        }
        if op == 8 && len >= 2 {
            let codes: [u16; 9] = [1000, 1001, 1005, 1006, 999, 3000, 5000, 1014, 1015];
            payload[..2].copy_from_slice(&codes[random.below(9) as usize].to_be_bytes());
        }
        write(random, fin, op, &payload, &mut out);
    }
    out
}

fn length(random: &mut Random, control: bool, bad: bool, largest: u64) -> usize {
    (match random.below(8) {
        0 => 0,
        1 if !control => (126 + random.below(300)).min(largest),
        2 if !control => largest - random.below(9),
        3 => 125.min(largest),
        4 if bad => 200,
        _ => random.below(40),
    }) as usize
}

/// A frame that is sometimes not masked, not minimal, or has a reserved bit.
fn write(random: &mut Random, fin: bool, op: u8, payload: &[u8], out: &mut Vec<u8>) {
    let key = [(); 4].map(|()| random.below(256) as u8);
    let masked = !random.one_in(60);
    let mask_bit = u8::from(masked) << 7;
    let reserved = if random.one_in(60) { 0x10 << random.below(3) as u8 } else { 0 };
    out.push(u8::from(fin) << 7 | op | reserved);
    if payload.len() < 126 && !random.one_in(40) {
        out.push(mask_bit | payload.len() as u8);
    } else if payload.len() < 65_536 && !random.one_in(40) {
        out.push(mask_bit | 126);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    } else {
        out.push(mask_bit | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    if masked {
        out.extend_from_slice(&key);
        out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    } else {
        out.extend_from_slice(payload);
    }
}

/// Cuts of a stream of this length.
pub fn cuts(random: &mut Random, len: usize) -> Vec<usize> {
    let (mut pieces, mut rest) = (vec![], len as u64);
    while rest > 0 {
        let piece = match random.below(4) {
            0 => 1,
            1 => 1 + random.below(16),
            2 => rest,
            _ => 1 + random.below(200),
        };
        pieces.push(piece.min(rest) as usize);
        rest -= piece.min(rest);
    }
    pieces
}
