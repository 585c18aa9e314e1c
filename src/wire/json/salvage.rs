//! What can still be said about a frame that the parser refused: whether it is JSON at all, and its `id`.
//!
//! The parser refuses more than the grammar does: nesting beyond the limit, numbers beyond a double, lone
//! surrogates. Such a frame is JSON, so its `error` carries its `id` (DESIGN.md §4). This path is cold and allocates.

use super::document::Document;
use super::recipients::Many;
use super::syntax::{NESTING, NotJson, Scanner};
use crate::limits::JSON_DEPTH;
use crate::model::{ErrorCode, IdRef, Mistake};
use simd_json::Node;
use std::borrow::Cow;

// What the parser follows, the grammar follows too.
const _: () = assert!(JSON_DEPTH < NESTING);

/// The mistake to answer for `text`, which the parser refused; `None` if it is not even UTF-8.
#[cold]
pub(super) fn explain<'p>(text: &[u8], many: &'p mut Many) -> Option<Mistake<'p>> {
    simdutf8::basic::from_utf8(text).ok()?;
    let (id, message) = match find_id(text) {
        Ok(id) => (
            id,
            Cow::Owned(format!(
                "this JSON is nested deeper than {JSON_DEPTH}, or has a number that no double holds, or half of a surrogate pair"
            )),
        ),
        Err(NotJson) => (None, Cow::Borrowed("a frame must be one JSON object")),
    };
    Some(mistake(id, ErrorCode::BadRequest, message, many))
}

/// A mistake that was found without parsing `text`, which is UTF-8, with its `id` if it has one.
#[cold]
pub(super) fn refuse<'p>(
    text: &[u8],
    code: ErrorCode,
    message: Cow<'static, str>,
    many: &'p mut Many,
) -> Mistake<'p> {
    mistake(find_id(text).unwrap_or_default(), code, message, many)
}

fn mistake<'p>(
    id: Option<String>,
    code: ErrorCode,
    message: Cow<'static, str>,
    many: &'p mut Many,
) -> Mistake<'p> {
    many.texts.clear();
    many.texts.push_str(id.as_deref().unwrap_or_default());
    Mistake { id: IdRef::new(&many.texts).ok(), code, message }
}

/// The `id` of the object that `text` is, if it has exactly one, a string.
fn find_id(text: &[u8]) -> Result<Option<String>, NotJson> {
    let mut whole = Scanner::new(text);
    whole.value()?;
    if !whole.at_end() {
        return Err(NotJson);
    }
    let (mut scanner, mut id, mut seen) = (Scanner::new(text), None, 0);
    if !scanner.eat(b'{') {
        return Ok(None);
    }
    while scanner.peek() == Some(b'"') {
        let key = scanner.string()?;
        scanner.eat(b':');
        let value = scanner.value()?;
        scanner.eat(b',');
        if unescape(key).as_deref() == Some("id") {
            (id, seen) = (unescape(value), seen + 1);
        }
    }
    Ok(id.filter(|_| seen == 1))
}

/// The text of a JSON string; `None` for other values and for what no UTF-8 can say.
fn unescape(json: &[u8]) -> Option<String> {
    let inside = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inside.contains(&b'\\') {
        return String::from_utf8(inside.to_vec()).ok();
    }
    let mut document = Document::new(1);
    let text = document.with(json, (), |reader, ()| match reader.nodes.first() {
        Some(Node::String(text)) => Some((*text).to_owned()),
        _ => None,
    });
    text.ok().flatten()
}
