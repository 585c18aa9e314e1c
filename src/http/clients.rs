//! `GET /v1/clients/{id}`: the sessions of a client, as its home knows them.

use super::Reply;
use crate::model::{IdRef, SessionId};
use crate::words::words;
use serde::Serialize;

words! {
    /// How far a session is.
    SessionState {
        /// Its home has not answered yet.
        Resuming = "resuming",
        /// It is given what it missed.
        CatchUp = "catch_up",
        /// It gets envelopes as they are appended.
        Live = "live",
    }
}

/// One session of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Which.
    pub session: SessionId,
    /// How far it is.
    pub state: SessionState,
    /// Offsets of its partition it lies behind.
    pub cursor_lag: u64,
    /// When it was upgraded, Unix milliseconds.
    pub since_ms: u64,
}

#[derive(Serialize)]
struct Client<'a> {
    client: &'a str,
    home: u16,
    sessions: Vec<Session>,
}

#[derive(Serialize)]
struct Session {
    session: String,
    node: u16,
    core: u16,
    state: &'static str,
    cursor_lag: u64,
    since: u64,
}

/// The answer; `home` is the node that holds the client's mailbox. At most
/// [`crate::limits::SESSIONS_PER_CLIENT`] rows.
pub fn sessions(client: IdRef<'_>, home: u16, rows: impl IntoIterator<Item = SessionRow>) -> Reply {
    let row = |row: SessionRow| Session {
        session: row.session.to_string(),
        node: row.session.node,
        core: row.session.session.core,
        state: row.state.as_str(),
        cursor_lag: row.cursor_lag,
        since: row.since_ms,
    };
    let client = Client { client: client.as_str(), home, sessions: rows.into_iter().map(row).collect() };
    Reply::ok(serde_json::to_vec(&client).expect("plain data is always JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SessionRef;

    #[test]
    fn says_where_each_session_is_and_how_far() {
        let session =
            SessionId { node: 3, incarnation: 9, session: SessionRef { core: 1, slot: 2, generation: 4 } };
        let row =
            SessionRow { session, state: SessionState::CatchUp, cursor_lag: 7, since_ms: 1_760_000_000_000 };
        let client = IdRef::new("Zoë 🦀").unwrap();
        assert_eq!(
            String::from_utf8(sessions(client, 5, [row]).body).unwrap(),
            format!(
                r#"{{"client":"Zoë 🦀","home":5,"sessions":[{{"session":"{session}","node":3,"core":1,"state":"catch_up","cursor_lag":7,"since":1760000000000}}]}}"#
            )
        );
        assert_eq!(sessions(client, 0, []).body, r#"{"client":"Zoë 🦀","home":0,"sessions":[]}"#.as_bytes());
    }
}
