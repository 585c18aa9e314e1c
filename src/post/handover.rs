//! A node that drains: what it owned, and whether that is live at its new homes.
//!
//! The word that counts is a home's mark: it names a partition only once all its cores serve it. So a node that drains has
//! a link to each new home, with or without sessions. A word is good for the link by which it came and as long as the
//! partition's route leads there: a home that begins anew has to say so again.

use super::whereabouts::Whereabouts;
use crate::model::{Head, Partition, Peer, Route};
use std::collections::{BTreeMap, BTreeSet};

/// The partitions of a node that drains.
#[derive(Debug)]
pub(super) struct Handover {
    /// All that were at home here since the drain began, and the home that has said that it serves them.
    heirs: BTreeMap<Partition, Option<Peer>>,
}

impl Handover {
    /// The drain begins.
    pub fn new(whereabouts: &Whereabouts) -> Self {
        let mut handover = Self { heirs: BTreeMap::new() };
        handover.on_view(whereabouts);
        handover
    }

    /// Routes may have changed. Until all know that this node leaves, more may become its own.
    pub fn on_view(&mut self, whereabouts: &Whereabouts) {
        for (partition, route) in (0..).map(Partition).zip(whereabouts.routes.iter()) {
            match (route, self.heirs.get_mut(&partition)) {
                (Route::Here, _) => drop(self.heirs.insert(partition, None)),
                (Route::Away(home), Some(heir)) if *heir == Some(*home) => {}
                (_, Some(heir)) => *heir = None,
                (_, None) => {}
            }
        }
    }

    /// A home says that it serves these.
    pub fn serves(&mut self, home: Peer, heads: &[Head]) {
        for head in heads {
            if let Some(heir) = self.heirs.get_mut(&head.partition) {
                *heir = Some(home);
            }
        }
    }

    /// The link to this home is over: what it said may be so no more.
    pub fn forget(&mut self, home: Peer) {
        self.heirs.values_mut().filter(|heir| **heir == Some(home)).for_each(|heir| *heir = None);
    }

    /// What is not live at a new home. Nothing, where nobody stays to take it.
    pub fn left(&self, whereabouts: &Whereabouts) -> impl Iterator<Item = Partition> {
        let heirs = self.heirs.iter().filter(|_| !whereabouts.all_leave);
        let has_moved = |partition: Partition| whereabouts.routes[usize::from(partition.0)] != Route::Here;
        let is_heard = move |partition| crate::sabotaged!(LeavesUnheard) && has_moved(partition);
        let unheard = heirs.filter(move |(partition, heir)| heir.is_none() && !is_heard(**partition));
        unheard.map(|(partition, _)| *partition)
    }

    /// The homes whose word is waited for.
    pub fn awaited(&self, whereabouts: &Whereabouts) -> BTreeSet<Peer> {
        let route = |partition: Partition| whereabouts.routes[usize::from(partition.0)];
        let home = |partition| if let Route::Away(home) = route(partition) { Some(home) } else { None };
        self.left(whereabouts).filter_map(home).collect()
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self, whereabouts: &Whereabouts) {
        let is_its_home = |(partition, home)| whereabouts.is_home(home, partition);
        let mut heirs = self.heirs.iter().filter_map(|(partition, heir)| Some((*partition, (*heir)?)));
        assert!(heirs.all(is_its_home), "an heir's clients are at home there");
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig::{BOB, EVE, ME, Rig, V1, head, hello};
    use super::super::{Output, Own};
    use super::*;
    use crate::links::PATIENCE_MS;
    use crate::model::Parcel;
    use crate::wire::node_record::Down;

    fn drain(rig: &mut Rig) -> Vec<Output> {
        rig.input(|post, now_ms, out| post.on_drain(now_ms, out));
        rig.took()
    }

    fn serves(partitions: &[Partition]) -> Down {
        Down::Mark { echo: 0, heads: partitions.iter().map(|it| head(*it, 1, 9)).collect() }
    }

    fn of(rig: &Rig, home: Peer) -> Vec<Partition> {
        let routes = rig.routes();
        let partitions = (0..routes.len() as u16).map(Partition);
        partitions.filter(|it| routes[usize::from(it.0)] == Route::Away(home)).collect()
    }

    #[test]
    fn a_drain_moves_all_at_once_and_waits_for_the_word_of_the_new_home() {
        let mut rig = Rig::among(&[BOB]);
        let owned = rig.owned();
        assert_eq!(rig.post.handing_over(), None);
        let out = drain(&mut rig);
        assert!(out.contains(&Output::Own(Own::default())), "no tick was waited for: {out:?}");
        assert!(out.iter().any(|it| matches!(it, Output::ToCores(Parcel::Routes { .. }))), "{out:?}");
        assert!(hello(BOB, 1).iter().all(|it| out.contains(it)), "a link without any session: {out:?}");
        assert!(rig.post.is_member() && of(&rig, BOB).len() == rig.routes().len());
        assert_eq!(rig.post.handing_over(), Some(owned.clone()));
        let (last, others) = owned.split_last().unwrap();
        rig.down(BOB, 1, 1, serves(others));
        assert_eq!(rig.post.handing_over(), Some(vec![*last]));
        rig.down(BOB, 1, 2, serves(&owned));
        assert_eq!(rig.post.handing_over(), Some(vec![]));
    }

    #[test]
    fn only_the_new_home_of_a_partition_is_believed() {
        let mut rig = Rig::among(&[BOB, EVE]);
        let owned = rig.owned();
        drain(&mut rig);
        let (bobs, eves) = (of(&rig, BOB), of(&rig, EVE));
        let to =
            |home: &[Partition]| owned.iter().copied().filter(|it| home.contains(it)).collect::<Vec<_>>();
        assert!(!to(&bobs).is_empty() && !to(&eves).is_empty(), "both get some");
        rig.down(EVE, 2, 1, serves(&owned));
        assert_eq!(rig.post.handing_over(), Some(to(&bobs)));
        rig.down(BOB, 1, 1, serves(&bobs));
        assert_eq!(rig.post.handing_over(), Some(vec![]));
    }

    #[test]
    fn a_word_is_good_while_the_link_lasts_by_which_it_came() {
        let mut rig = Rig::among(&[BOB]);
        let owned = rig.owned();
        drain(&mut rig);
        rig.down(BOB, 1, 1, serves(&owned));
        rig.pass(PATIENCE_MS);
        assert_eq!(rig.post.handing_over(), Some(owned.clone()), "it has fallen silent");
        assert!(hello(BOB, 2).iter().all(|it| rig.out.contains(it)), "and is asked again");
        rig.down(BOB, 2, 1, serves(&owned));
        assert_eq!(rig.post.handing_over(), Some(vec![]));
        let again = Peer { incarnation: 201, ..BOB };
        rig.says_alive(again);
        assert_eq!(rig.post.handing_over(), Some(owned), "it was started again");
    }

    #[test]
    fn where_nobody_stays_there_is_nothing_to_hand_over() {
        let mut rig = Rig::among(&[]);
        let out = drain(&mut rig);
        assert_eq!((out, rig.post.handing_over()), (vec![], Some(vec![])), "it serves until it goes");
        rig.says_alive(BOB);
        assert_eq!(rig.post.handing_over(), Some(of(&rig, BOB)), "somebody came");
    }

    /// What was handed over before stays so only while its new home is heard of; whoever waits for it gives up by the clock
    /// (`cli/serve`), and the post lets it go without a word of Kafka's.
    #[test]
    fn while_kafka_is_away_nothing_counts_as_handed_over_and_it_may_go_all_the_same() {
        let mut rig = Rig::among(&[BOB]);
        let owned = rig.owned();
        drain(&mut rig);
        rig.down(BOB, 1, 1, serves(&owned));
        assert_eq!(rig.post.handing_over(), Some(vec![]));
        rig.pass_without_kafka(20_000);
        assert_eq!(rig.post.handing_over(), Some(owned.clone()), "who was heard of long ago may be dead");
        rig.took();
        rig.is_mute = true;
        rig.input(|post, now_ms, out| post.on_stop(now_ms, out));
        rig.pass_without_kafka(10_000);
        let said = rig.took();
        assert!(!said.iter().any(|it| matches!(it, Output::ToNode { .. } | Output::Exit(_))), "{said:?}");
        assert!(rig.owned().is_empty(), "it takes nothing back");
    }

    #[test]
    fn a_drain_that_begins_while_kafka_is_away_moves_once_it_is_back() {
        let mut rig = Rig::among(&[BOB]);
        let owned = rig.owned();
        rig.is_mute = true;
        drain(&mut rig);
        rig.pass_without_kafka(20_000);
        assert_eq!(
            (rig.post.handing_over(), rig.owned()),
            (Some(owned.clone()), owned.clone()),
            "nobody has heard it"
        );
        rig.pass(2_000);
        assert!(rig.owned().is_empty(), "it is said again, and heard");
        rig.down(BOB, 1, 1, serves(&owned));
        assert!(rig.post.handing_over().unwrap().len() < owned.len());
    }

    #[test]
    fn nothing_is_handed_over_before_the_log_knows_that_this_node_leaves() {
        let mut rig = Rig::among(&[BOB]);
        let owned = rig.owned();
        rig.is_mute = true;
        drain(&mut rig);
        rig.alive.insert(EVE, V1);
        rig.pass(3_000);
        assert_eq!(rig.routes().iter().filter(|route| **route == Route::Here).count(), rig.owned().len());
        assert_eq!(rig.post.handing_over(), Some(owned), "also what a new node has taken meanwhile");
        assert!(!rig.owned().is_empty() && rig.post.me() == ME);
    }
}
