//! A core as small as can be, for the storm: sessions of its clients, a table of sessions by way, and what both say.
//!
//! It does what the post relies on. A session that comes anew is not live until it is answered; a session whose route
//! changes takes leave of the home it had and joins the one it has; a home answers who joins when it owns the partition,
//! delivers to who is in its table, and says once a second how far it is.
//!
//! A message is its offset in its partition. What a session was not given and yet moved past is a message lost in silence.

use crate::model::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) type Truth = BTreeMap<Partition, Vec<ClientId>>;

#[derive(Clone, Debug)]
pub(super) enum In {
    Parcel(Parcel),
    Begun { partition: Partition, term: u64 },
    Ended { partition: Partition },
}

#[derive(Debug)]
pub(super) struct Session {
    pub client: ClientId,
    pub ask: Ask,
    /// Whom it is live with: the home's term.
    pub live: Option<u64>,
    /// Offsets below this one it has.
    pub at: u64,
}

#[derive(Debug)]
pub(super) struct ToyCore {
    pub core: u16,
    pub topology: Topology,
    pub routes: Arc<[Route]>,
    pub sessions: BTreeMap<SessionRef, Session>,
    pub tables: BTreeMap<Via, BTreeMap<SessionRef, (ClientId, Ask)>>,
    forgotten: BTreeSet<Via>,
    terms: BTreeMap<Partition, u64>,
    applied: BTreeMap<Partition, u64>,
    slots: u32,
    pub out: Vec<Dispatch>,
}

impl ToyCore {
    pub fn new(core: u16, topology: Topology) -> Self {
        Self {
            core,
            topology,
            routes: Arc::new([]),
            sessions: BTreeMap::new(),
            tables: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            terms: BTreeMap::new(),
            applied: BTreeMap::new(),
            slots: 0,
            out: Vec::new(),
        }
    }

    fn place(&self, client: &ClientId) -> Place {
        self.topology.place(client.as_ref())
    }

    fn route(&self, client: &ClientId) -> Route {
        self.routes[usize::from(self.place(client).partition.0)]
    }

    pub fn open(&mut self, client: ClientId) {
        self.slots += 1;
        let session = SessionRef { core: self.core, slot: self.slots, generation: 1 };
        let at = 0;
        self.sessions.insert(session, Session { client: client.clone(), ask: Ask(1), live: None, at });
        if let Route::Away(home) = self.route(&client) {
            let (ask, credit) = (Ask(1), Credit(1));
            let start = Start { cursor: None, from: StartFrom::New };
            let say = ToHome::Attach { ask, start, credit, issued_at: None, by_token: false, since_ms: 0 };
            self.out.push(Dispatch::ToHome { home, client, session, say });
        }
    }

    pub fn close(&mut self, session: SessionRef) {
        let Session { client, .. } = self.sessions.remove(&session).unwrap();
        self.leave(session, client);
    }

    fn leave(&mut self, session: SessionRef, client: ClientId) {
        if let Route::Away(home) = self.route(&client) {
            self.out.push(Dispatch::ToHome { home, client, session, say: ToHome::Detach });
        }
    }

    fn join(&mut self, session: SessionRef) {
        let it = self.sessions.get_mut(&session).unwrap();
        it.ask.0 += 1;
        it.live = None;
        let (client, ask) = (it.client.clone(), it.ask);
        let from = HelloFrom::Position(Position { leader_epoch: 0, offset: it.at });
        let Route::Away(home) = self.route(&client) else { return };
        let session = HelloSession {
            client,
            session,
            ask,
            from,
            credit: Credit(1),
            issued_at: None,
            by_token: false,
            since_ms: 0,
        };
        self.out.push(Dispatch::Join { home, session });
    }

    pub fn take(&mut self, input: In, truth: &Truth) {
        match input {
            In::Begun { partition, term } => {
                self.terms.insert(partition, term);
                self.applied.insert(partition, end(truth, partition));
                for via in self.tables.keys().copied().collect::<Vec<_>>() {
                    for (session, (client, ask)) in self.tables[&via].clone() {
                        if self.place(&client).partition == partition {
                            self.answer(via, session, client, ask);
                        }
                    }
                }
            }
            In::Ended { partition } => drop(self.terms.remove(&partition)),
            In::Parcel(parcel) => self.obey(parcel, truth),
        }
    }

    fn obey(&mut self, parcel: Parcel, truth: &Truth) {
        match parcel {
            Parcel::Routes { routes } => self.reroute(routes),
            Parcel::Greet { home } => {
                let at_home = |it: &Session| self.route(&it.client) == Route::Away(home);
                let sessions: Vec<_> =
                    self.sessions.iter().filter(|(_, it)| at_home(it)).map(|(it, _)| *it).collect();
                sessions.into_iter().for_each(|session| self.join(session));
            }
            Parcel::Forget { via } => {
                self.tables.remove(&via);
                self.forgotten.insert(via);
            }
            Parcel::Join { via, session } => {
                let HelloSession { client, session, ask, .. } = *session;
                self.enter(via, session, client, ask);
            }
            Parcel::ToHome { via, client, session, say } => match say {
                ToHome::Attach { ask, .. } => self.enter(via, session, client, ask),
                ToHome::Detach => {
                    if let Some(table) = self.tables.get_mut(&via) {
                        table.remove(&session);
                    }
                }
                other => panic!("nobody says {other:?}"),
            },
            Parcel::ToSession { client, session, term, say } => {
                let Some(it) = self.sessions.get_mut(&session).filter(|it| it.client == client) else {
                    return;
                };
                let ToSession::Live { ask, position } = say else { panic!("nobody says {say:?}") };
                if ask == it.ask {
                    it.live = Some(term);
                    it.at = it.at.max(position.offset);
                }
            }
            Parcel::Deliver { sessions, delivered } => {
                for session in sessions {
                    assert_eq!(session.core, self.core);
                    if let Some(it) = self.sessions.get_mut(&session).filter(|it| it.live.is_some()) {
                        assert!(
                            it.at >= delivered.prev.offset,
                            "a message before this one was lost in silence"
                        );
                        it.at = it.at.max(delivered.position.offset);
                    }
                }
            }
            Parcel::Mark { heads } => heads.iter().for_each(|head| self.moved(*head, truth)),
            Parcel::Meet { .. } | Parcel::Ephemeral { .. } | Parcel::Whisper { .. } => {}
            other => panic!("nobody says {other:?}"),
        }
    }

    fn moved(&mut self, head: Head, truth: &Truth) {
        let topology = self.topology;
        for it in self.sessions.values_mut().filter(|it| it.live == Some(head.term)) {
            if topology.place(it.client.as_ref()).partition != head.partition {
                continue;
            }
            let passed = it.at..head.position.offset.max(it.at);
            let messages = &truth[&head.partition][passed.start as usize..passed.end as usize];
            assert!(!messages.contains(&it.client), "a mark went past a message that was not given");
            it.at = it.at.max(head.position.offset);
        }
    }

    fn reroute(&mut self, routes: Arc<[Route]>) {
        let known = if self.routes.is_empty() { routes.clone() } else { self.routes.clone() };
        let sessions: Vec<_> =
            self.sessions.iter().map(|(it, session)| (*it, session.client.clone())).collect();
        let is_other = |client: &ClientId| {
            let partition = usize::from(self.place(client).partition.0);
            known[partition] != routes[partition]
        };
        let moved: Vec<_> = sessions.into_iter().filter(|(_, client)| is_other(client)).collect();
        for (session, client) in moved.clone() {
            self.leave(session, client);
        }
        self.routes = routes;
        moved.into_iter().for_each(|(session, _)| self.join(session));
    }

    fn enter(&mut self, via: Via, session: SessionRef, client: ClientId, ask: Ask) {
        assert_ne!(via, Via::HERE);
        assert_eq!(self.place(&client).core, self.core, "it is another core's");
        assert!(!self.forgotten.contains(&via), "a way is used again");
        self.tables.entry(via).or_default().insert(session, (client.clone(), ask));
        self.answer(via, session, client, ask);
    }

    fn answer(&mut self, via: Via, session: SessionRef, client: ClientId, ask: Ask) {
        let partition = self.place(&client).partition;
        let Some(&term) = self.terms.get(&partition) else { return };
        let say =
            ToSession::Live { ask, position: Position { leader_epoch: 0, offset: self.applied[&partition] } };
        self.out.push(Dispatch::ToSession { via, client, session, term, say });
    }

    /// Applies what the log has more of one partition, if it serves it.
    pub fn apply(&mut self, partition: Partition, truth: &Truth) {
        if !self.terms.contains_key(&partition) {
            return;
        }
        let applied = self.applied[&partition];
        for offset in applied..end(truth, partition) {
            let client = truth[&partition][offset as usize].clone();
            if self.place(&client).core != self.core {
                continue;
            }
            let before = truth[&partition][..offset as usize].iter().rposition(|it| *it == client);
            let prev = before.map_or(0, |at| at as u64 + 1);
            for (via, table) in &self.tables {
                let sessions: Vec<_> =
                    table.iter().filter(|(_, (whose, _))| *whose == client).map(|(it, _)| *it).collect();
                if !sessions.is_empty() {
                    let delivered = delivered(&client, prev, offset + 1);
                    self.out.push(Dispatch::Deliver { via: *via, sessions, delivered });
                }
            }
        }
        self.applied.insert(partition, end(truth, partition));
    }

    pub fn heads(&mut self) {
        let head = |(partition, term): (&Partition, &u64)| {
            let position = Position { leader_epoch: 0, offset: self.applied[partition] };
            Head { partition: *partition, term: *term, position }
        };
        let heads = self.terms.iter().map(head).collect();
        self.out.push(Dispatch::Heads { heads });
    }
}

fn end(truth: &Truth, partition: Partition) -> u64 {
    truth.get(&partition).map_or(0, |log| log.len() as u64)
}

pub(super) fn delivered(client: &ClientId, prev: u64, offset: u64) -> Delivered {
    let parts = EnvelopeParts {
        kind: Kind::Message,
        to: Some(client.as_ref()),
        from: None,
        id: None,
        copied_to: b"",
        body: b"1",
    };
    let at = |offset| Position { leader_epoch: 0, offset };
    Delivered { envelope: Envelope::new(parts), at_ms: 1, prev: at(prev), position: at(offset) }
}
