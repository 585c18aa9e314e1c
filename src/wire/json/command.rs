//! A client's frame, understood: the syntax of DESIGN.md §4 and nothing else.

use super::document::{Document, Reader, Value};
use super::recipients::{Many, NotAdded};
use super::salvage;
use crate::limits::{JSON_DEPTH, RECIPIENTS};
use crate::model::{Command, ErrorCode, IdRef, Mistake, Recipients, SendCommand};
use simd_json::{Node, StaticNode};
use std::borrow::Cow;

/// Understands frames, one after the other. One per core: its buffers are as large as the largest frame was.
pub struct Parser {
    pub(super) document: Document,
    pub(super) many: Many,
}

/// Why a frame is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected<'p> {
    /// To be answered by an `error`; the session lives.
    Mistake(Mistake<'p>),
    /// To be closed with 1007.
    NotUtf8,
}

/// The members of a frame that mean something; everything else is ignored.
#[derive(Default)]
pub(super) struct Members<'t, 'p> {
    pub kind: Option<&'t Node<'p>>,
    pub id: Option<&'t Node<'p>>,
    pub from: Option<&'t Node<'p>>,
    pub copy: Option<&'t Node<'p>>,
    pub ephemeral: Option<&'t Node<'p>>,
    pub token: Option<&'t Node<'p>>,
    pub to: Option<To<'p>>,
    pub body: Option<&'p [u8]>,
    /// A member that is there twice.
    pub twice: Option<&'static str>,
}

/// `to`, as it stands and as it was understood.
#[derive(Clone, Copy)]
pub(super) struct To<'p> {
    pub json: &'p [u8],
    pub value: ToValue<'p>,
}

#[derive(Clone, Copy)]
pub(super) enum ToValue<'p> {
    /// A string.
    One(&'p str),
    /// An array; what was understood of it is in [`Many`].
    Many,
    /// An array with something wrong in it.
    Bad(BadList),
    /// Neither.
    Neither,
}

#[derive(Clone, Copy)]
pub(super) enum BadList {
    Empty,
    NotAString { index: usize },
    Id { index: usize, why: crate::model::BadId },
    TooMany,
}

/// A mistake without its frame's id, which is added where it is known.
pub(super) struct Wrong {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
}

impl Parser {
    /// With empty buffers.
    pub fn new() -> Self {
        Self { document: Document::new(JSON_DEPTH), many: Many::new() }
    }

    /// Understands one text message, whose UTF-8 need not have been checked.
    ///
    /// The command borrows both `message` (its body) and the parser (its strings).
    #[inline]
    pub fn command<'p>(&'p mut self, message: &'p [u8]) -> Result<Command<'p>, Rejected<'p>> {
        self.understand(message, "a frame must be a JSON object", |members, many| members.command(many))
            .map_err(|mistake| mistake.map_or(Rejected::NotUtf8, Rejected::Mistake))
    }

    /// What the object that `text` is `means` by its members, or else the mistake in it; `None`: it is not even UTF-8.
    #[inline]
    pub(super) fn understand<'p, T>(
        &'p mut self,
        text: &'p [u8],
        no_object: &'static str,
        means: impl FnOnce(&Members<'_, 'p>, &'p Many) -> Result<T, Wrong>,
    ) -> Result<T, Option<Mistake<'p>>> {
        let Self { document, many } = self;
        let understood = document.with(text, many, |reader, many| {
            let members = Members::read(reader, many).ok_or_else(|| bad_request(no_object).of(None))?;
            means(&members, many).map_err(|wrong| wrong.of(members.any_id()))
        });
        understood.map_or_else(|many| Err(salvage::explain(text, many)), |it| it.map_err(Some))
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Wrong {
    /// With the frame's id.
    pub fn of(self, id: Option<IdRef<'_>>) -> Mistake<'_> {
        Mistake { id, code: self.code, message: self.message }
    }
}

impl<'t, 'p> Members<'t, 'p> {
    /// `None` if the text is no object.
    #[inline]
    pub fn read(reader: &Reader<'t, 'p>, many: &mut Many) -> Option<Self> {
        let mut members = Self::default();
        reader.members(|key, value| members.member(key, value, reader, many)).then_some(members)
    }

    #[inline]
    fn member(&mut self, key: &str, value: Value<'t, 'p>, reader: &Reader<'t, 'p>, many: &mut Many) {
        let (slot, name) = match key {
            "type" => (&mut self.kind, "type"),
            "id" => (&mut self.id, "id"),
            "from" => (&mut self.from, "from"),
            "copy" => (&mut self.copy, "copy"),
            "ephemeral" => (&mut self.ephemeral, "ephemeral"),
            "token" => (&mut self.token, "token"),
            "to" => {
                let to = To { json: reader.json(value), value: read_to(value, reader, many) };
                if self.to.replace(to).is_some() {
                    self.twice.get_or_insert("to");
                }
                return;
            }
            "body" => {
                if self.body.replace(reader.json(value)).is_some() {
                    self.twice.get_or_insert("body");
                }
                return;
            }
            _ => return,
        };
        // A second `id` outweighs any other: it is the one that decides what an `error` may carry.
        if slot.replace(value.node).is_some() && (self.twice.is_none() || name == "id") {
            self.twice = Some(name);
        }
    }

    /// The frame's id if it has exactly one and that is valid, for errors.
    pub fn any_id(&self) -> Option<IdRef<'p>> {
        match self.id {
            Some(Node::String(id)) if self.twice != Some("id") => IdRef::new(id).ok(),
            _ => None,
        }
    }

    #[inline]
    fn command(&self, many: &'p Many) -> Result<Command<'p>, Wrong> {
        self.refuse_twice()?;
        match self.kind {
            Some(Node::String("send")) => self.send(many).map(Command::Send),
            Some(Node::String("auth")) => match self.token {
                Some(Node::String(token)) => Ok(Command::Auth { token }),
                _ => Err(bad_request("auth needs `token`, a string")),
            },
            Some(Node::String("ping")) => Ok(Command::Ping),
            Some(Node::String(_)) => Err(Wrong {
                code: ErrorCode::UnknownType,
                message: Cow::Borrowed("`type` must be send, auth or ping"),
            }),
            _ => Err(bad_request("a frame needs `type`, a string")),
        }
    }

    #[inline]
    fn send(&self, many: &'p Many) -> Result<SendCommand<'p>, Wrong> {
        let copy = flag(self.copy, "`copy` must be true or false")?;
        let ephemeral = flag(self.ephemeral, "`ephemeral` must be true or false")?;
        if copy && ephemeral {
            return Err(bad_request("a copy of an ephemeral message cannot be kept; leave out `copy`"));
        }
        let id = match self.id {
            None if ephemeral => None,
            _ => Some(self.required_id()?),
        };
        let (to, to_json) = self.recipients(many)?;
        Ok(SendCommand { id, to, to_json, copy, ephemeral, body: self.required_body()? })
    }

    /// Refuses an object in which a member that counts is there twice: readers would differ on which counts.
    pub fn refuse_twice(&self) -> Result<(), Wrong> {
        match self.twice {
            None => Ok(()),
            Some(name) => Err(Wrong {
                code: ErrorCode::BadRequest,
                message: Cow::Owned(format!("`{name}` is there twice; leave one out")),
            }),
        }
    }

    pub fn required_id(&self) -> Result<IdRef<'p>, Wrong> {
        match self.id {
            Some(Node::String(id)) => IdRef::new(id).map_err(|why| Wrong {
                code: ErrorCode::BadRequest,
                message: Cow::Owned(format!("`id` {why}")),
            }),
            _ => Err(bad_request("a message needs `id`, a string that no other message of its sender has")),
        }
    }

    pub fn required_body(&self) -> Result<&'p [u8], Wrong> {
        self.body.ok_or_else(|| bad_request("a message needs `body`, any JSON value"))
    }

    #[inline]
    pub fn recipients(&self, many: &'p Many) -> Result<(Recipients<'p>, &'p [u8]), Wrong> {
        let Some(to) = self.to else {
            return Err(bad_request("a message needs `to`, a client ID or a list of them"));
        };
        match to.value {
            ToValue::One(text) => match IdRef::new(text) {
                Ok(id) => Ok((Recipients::One(id), to.json)),
                Err(why) => Err(Wrong {
                    code: ErrorCode::BadClientId,
                    message: Cow::Owned(format!("the client ID in `to` {why}")),
                }),
            },
            ToValue::Many => Ok((many.list(), to.json)),
            ToValue::Bad(why) => Err(why.into()),
            ToValue::Neither => Err(bad_request("`to` must be a client ID or a list of them")),
        }
    }
}

#[inline]
fn read_to<'p>(value: Value<'_, 'p>, reader: &Reader<'_, 'p>, many: &mut Many) -> ToValue<'p> {
    match *value.node {
        Node::String(text) => ToValue::One(text),
        Node::Array { .. } => read_list(value.at, reader, many),
        _ => ToValue::Neither,
    }
}

fn read_list<'p>(at: usize, reader: &Reader<'_, 'p>, many: &mut Many) -> ToValue<'p> {
    many.clear();
    for (index, (_, node)) in reader.elements_of(at).enumerate() {
        let Node::String(text) = node else { return ToValue::Bad(BadList::NotAString { index }) };
        match many.add(text) {
            Ok(()) => {}
            Err(NotAdded::Bad(why)) => return ToValue::Bad(BadList::Id { index, why }),
            Err(NotAdded::TooMany) => return ToValue::Bad(BadList::TooMany),
        }
    }
    if many.list().is_empty() { ToValue::Bad(BadList::Empty) } else { ToValue::Many }
}

fn flag(value: Option<&Node<'_>>, wrong: &'static str) -> Result<bool, Wrong> {
    match value {
        None => Ok(false),
        Some(&Node::Static(StaticNode::Bool(value))) => Ok(value),
        Some(_) => Err(bad_request(wrong)),
    }
}

pub(super) fn bad_request(message: &'static str) -> Wrong {
    Wrong { code: ErrorCode::BadRequest, message: Cow::Borrowed(message) }
}

impl From<BadList> for Wrong {
    fn from(why: BadList) -> Self {
        let (code, message) = match why {
            BadList::Empty => (ErrorCode::BadRequest, Cow::Borrowed("`to` names nobody")),
            BadList::NotAString { index } => {
                (ErrorCode::BadClientId, Cow::Owned(format!("`to[{index}]` is no string")))
            }
            BadList::Id { index, why } => {
                (ErrorCode::BadClientId, Cow::Owned(format!("the client ID in `to[{index}]` {why}")))
            }
            BadList::TooMany => (
                ErrorCode::TooManyRecipients,
                Cow::Owned(format!("`to` names more than {RECIPIENTS} clients; split the list")),
            ),
        };
        Self { code, message }
    }
}
