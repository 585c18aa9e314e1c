//! Where the homes of this core's clients are: the way a session's word takes.

use crate::model::{
    ClientId, Dispatch, Head, HelloSession, Parcel, Partition, Place, Route, SessionRef, ToHome, Topology,
    Via,
};
use crate::router::output::Output;
use crate::router::turn::Turn;
use std::sync::Arc;

/// The routes as the post has told them; without a post all homes are here.
#[derive(Debug)]
pub struct Routes {
    topology: Topology,
    /// By partition.
    routes: Arc<[Route]>,
}

impl Routes {
    /// Of a node alone, or of one that knows of nobody yet.
    pub fn new(topology: Topology, is_clustered: bool) -> Self {
        let route = if is_clustered { Route::Nowhere } else { Route::Here };
        Self { topology, routes: vec![route; usize::from(topology.partitions())].into() }
    }

    /// Where the clients of that partition are at home.
    pub fn of(&self, partition: Partition) -> Route {
        self.routes[usize::from(partition.0)]
    }

    /// Where a client is at home.
    pub fn route_of(&self, client: &ClientId) -> Route {
        self.of(self.place(client).partition)
    }

    /// The partitions that this route is that of.
    pub fn to(&self, route: Route) -> Vec<Partition> {
        let all = (0..).map(Partition).zip(self.routes.iter());
        all.filter(|(_, other)| **other == route).map(|(partition, _)| partition).collect()
    }

    /// Where a client lives.
    pub fn place(&self, client: &ClientId) -> Place {
        self.topology.place(client.as_ref())
    }

    /// Who tells this core of that place's heads: a core of this node, or behind them the post.
    pub fn source(&self, place: Place) -> u16 {
        if self.of(place.partition) == Route::Here { place.core } else { self.topology.cores() }
    }

    /// Other routes: those before them.
    ///
    /// Panics unless there is one for each partition.
    pub fn change(&mut self, routes: Arc<[Route]>) -> Self {
        assert_eq!(routes.len(), self.routes.len(), "a route for each partition");
        Self { topology: self.topology, routes: std::mem::replace(&mut self.routes, routes) }
    }

    /// The partitions whose route differs.
    pub fn differing(&self, other: &Self) -> Vec<bool> {
        self.routes.iter().zip(other.routes.iter()).map(|(a, b)| a != b).collect()
    }

    /// A session speaks to its home. What is said to nobody is said again when somebody is there.
    pub fn say(&self, client: &ClientId, session: SessionRef, say: ToHome, turn: &mut Turn<'_>) {
        self.say_by(self.of(self.place(client).partition), client, session, say, turn);
    }

    /// The same to the home at the end of another route.
    pub fn say_by(
        &self,
        route: Route,
        client: &ClientId,
        session: SessionRef,
        say: ToHome,
        turn: &mut Turn<'_>,
    ) {
        let place = self.place(client);
        let client = client.clone();
        match route {
            Route::Here => turn.send(place.core, Parcel::ToHome { via: Via::HERE, client, session, say }),
            Route::Away(home) => {
                turn.out.push(Output::dispatch(Dispatch::ToHome { home, client, session, say }))
            }
            Route::Nowhere => {}
        }
    }

    /// A session comes to its home. False: there is none.
    pub fn join(&self, session: HelloSession, turn: &mut Turn<'_>) -> bool {
        let place = self.place(&session.client);
        match self.of(place.partition) {
            Route::Here => {
                turn.send(place.core, Parcel::Join { via: Via::HERE, session: Box::new(session) });
                true
            }
            Route::Away(home) => {
                turn.out.push(Output::dispatch(Dispatch::Join { home, session }));
                true
            }
            Route::Nowhere => false,
        }
    }

    /// Of the heads that are told here, those of partitions that are at home where they are told.
    pub fn is_told_by(&self, source: u16, head: &Head) -> bool {
        let route = self.routes.get(usize::from(head.partition.0));
        route.is_some_and(|route| (*route == Route::Here) == (source < self.topology.cores()))
    }
}
