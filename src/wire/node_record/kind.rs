//! The numbers of the kinds of values. Each stands for one thing for ever; one that is not here is a newer version's.
//!
//! Once a version of the cluster's protocol is released, a further kind is the next version's: a node may say it only where
//! the version that all nodes of the view speak has it. Who hears an unknown one counts it; if it was beside links, no more
//! than that one value is lost.

/// The first that a gateway may say to a home.
pub const UP: u8 = 0x01;
pub const HELLO: u8 = 0x01;
pub const MORE: u8 = 0x02;
pub const ATTACH: u8 = 0x03;
pub const RESUME: u8 = 0x04;
pub const RENEW: u8 = 0x05;
pub const DETACH: u8 = 0x06;
/// The last that there is room for.
pub const UP_LAST: u8 = 0x3f;

/// The first that a home may say to a gateway.
pub const DOWN: u8 = 0x40;
pub const ATTACHED: u8 = 0x40;
pub const REPLAY: u8 = 0x41;
pub const LIVE: u8 = 0x42;
pub const STOP: u8 = 0x43;
pub const DISMISSED: u8 = 0x44;
pub const DELIVER: u8 = 0x45;
pub const MARK: u8 = 0x46;
/// The last that there is room for.
pub const DOWN_LAST: u8 = 0x7f;

// Beside links: from here on.
pub const WHISPER: u8 = 0x80;
pub const EPHEMERAL: u8 = 0x81;
pub const QUESTION: u8 = 0x82;
pub const FINDINGS: u8 = 0x83;
