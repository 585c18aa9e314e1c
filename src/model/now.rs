//! The time, as the shell reads it once per turn and passes it in.

/// One reading of both clocks. Nothing in the pure core looks at a clock itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never steps back; its origin means nothing. For every deadline of ours.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch; may step. Only for what others wrote in it: a token's `exp`.
    pub unix_ms: u64,
}
