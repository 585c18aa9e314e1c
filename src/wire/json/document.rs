//! One JSON text, checked and taken apart without copying more than once.
//!
//! simd-json parses a scratch copy, for it unescapes strings in place; where each value stands in the *original*
//! comes from the parser's own list of structural characters. All buffers are used again.

use simd_json::{Buffers, INPUT_PADDING, Node, Tape, fill_tape_padded};

/// The reused buffers of a parser.
pub(super) struct Document {
    buffers: Buffers,
    tape: Tape<'static>,
    scratch: Vec<u8>,
}

/// A text that was parsed.
pub(super) struct Reader<'t, 'p> {
    /// The values in order: a container, then all that is in it.
    pub nodes: &'t [Node<'p>],
    /// Where in `text` each of `{}[]:,` and the start of each other value stands.
    marks: &'t [u32],
    text: &'p [u8],
}

/// A member of an object.
#[derive(Clone, Copy)]
pub(super) struct Value<'t, 'p> {
    /// What it is.
    pub node: &'t Node<'p>,
    /// The index of `node` in [`Reader::nodes`].
    pub at: usize,
    /// The marks at which it begins and behind which it ends, see [`Reader::json`].
    marks: (usize, usize),
}

impl Document {
    pub fn new(max_depth: usize) -> Self {
        Self {
            buffers: Buffers::with_max_depth(4 << 10, max_depth),
            tape: Tape::null(),
            scratch: Vec::with_capacity(4 << 10),
        }
    }

    /// Parses `text` and lets `read` take from it what it wants; strings it takes live on in the scratch copy. What
    /// `read` needs for that comes back if the text is not what the parser accepts; see [`super::salvage`] for why.
    #[inline]
    pub fn with<'p, C, R>(
        &'p mut self,
        text: &'p [u8],
        context: C,
        read: impl FnOnce(&Reader<'_, 'p>, C) -> R,
    ) -> Result<R, C> {
        let Self { buffers, tape, scratch } = self;
        scratch.clear();
        scratch.reserve(text.len() + INPUT_PADDING);
        scratch.extend_from_slice(text);
        scratch.resize(text.len() + INPUT_PADDING, b' ');
        let mut nodes = std::mem::replace(tape, Tape(Vec::new())).reset();
        let result = match fill_tape_padded(scratch, text.len(), buffers, &mut nodes) {
            Ok(()) => {
                Ok(read(&Reader { nodes: &nodes.0, marks: buffers.structural_indexes(), text }, context))
            }
            Err(_) => Err(context),
        };
        *tape = nodes.reset();
        result
    }
}

impl<'t, 'p> Reader<'t, 'p> {
    /// Calls `each` with every member of the object that the text is. False if it is none.
    #[inline]
    pub fn members(&self, mut each: impl FnMut(&'p str, Value<'t, 'p>)) -> bool {
        let Some(&Node::Object { len: members, .. }) = self.nodes.first() else { return false };
        // The first mark is the object's brace, then per member: key, colon, value's marks, comma or brace.
        let (mut at, mut mark) = (1, 1);
        for member in 0..members {
            let [Node::String(key), node, ..] = &self.nodes[at..] else {
                unreachable!("a member begins with its key")
            };
            let is_last = member + 1 == members;
            let end = if is_last { self.marks.len() - 1 } else { self.end_of(node, mark + 2) };
            each(key, Value { node, at: at + 1, marks: (mark + 2, end) });
            at += 2 + inner(node);
            mark = end + 1;
        }
        true
    }

    /// Calls `each` with every member of the object at `nodes[at]`, without its place in the original.
    pub fn members_of(&self, at: usize, mut each: impl FnMut(&'p str, &'t Node<'p>)) {
        let Node::Object { len: members, .. } = self.nodes[at] else { return };
        let mut at = at + 1;
        for _ in 0..members {
            let [Node::String(key), value, ..] = &self.nodes[at..] else {
                unreachable!("a member begins with its key")
            };
            each(key, value);
            at += 2 + inner(value);
        }
    }

    /// The elements of the array at `nodes[at]` with their indexes; nothing if it is none.
    pub fn elements_of(&self, at: usize) -> impl Iterator<Item = (usize, &'t Node<'p>)> {
        let len = match self.nodes[at] {
            Node::Array { len, .. } => len,
            _ => 0,
        };
        let (nodes, mut next) = (self.nodes, at + 1);
        (0..len).map(move |_| {
            let here = next;
            next += 1 + inner(&nodes[here]);
            (here, &nodes[here])
        })
    }

    /// The mark behind the value that begins at `mark`.
    #[inline]
    fn end_of(&self, node: &Node<'p>, mark: usize) -> usize {
        if !matches!(node, Node::Object { .. } | Node::Array { .. }) {
            return mark + 1;
        }
        let (mut open, mut end) = (1, mark + 1);
        while open > 0 {
            match self.text[self.marks[end] as usize] {
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            end += 1;
        }
        end
    }

    /// Its bytes in the original. Few members are asked for them.
    #[inline]
    pub fn json(&self, value: Value<'_, 'p>) -> &'p [u8] {
        let (from, to) = value.marks;
        self.text[self.marks[from] as usize..self.marks[to] as usize].trim_ascii_end()
    }
}

/// How many nodes are inside this one.
#[inline]
fn inner(node: &Node<'_>) -> usize {
    match *node {
        Node::Object { count, .. } | Node::Array { count, .. } => count,
        _ => 0,
    }
}
