//! What a post does, one duty after the other.

use super::rig::*;
use super::toy_core::delivered;
use super::*;
use crate::cluster::{NodePartition, Protocols};
use crate::limits::{NODES, UNSAID_BYTES};
use crate::links::Break;
use crate::model::*;
use crate::wire::node_record::{Beside, Down, NodeRecord, Says, Unreadable, Up};

fn detach(client: &ClientId, session: SessionRef) -> Up {
    Up::Session { client: client.clone(), session, say: ToHome::Detach }
}

fn live(ask: u32) -> ToSession {
    ToSession::Live { ask: Ask(ask), position: Position::START }
}

fn answer(via: Via, client: &ClientId) -> Dispatch {
    Dispatch::ToSession { via, client: client.clone(), session: session(5, 5), term: 1, say: live(1) }
}

fn answered(client: &ClientId) -> Down {
    Down::Session { client: client.clone(), session: session(5, 5), term: 1, say: live(1) }
}

fn big_delivery(via: Via, client: &ClientId) -> Dispatch {
    let sessions = vec![session(5, 5); UNSAID_BYTES / size_of::<SessionRef>() - 1_000];
    Dispatch::Deliver { via, sessions, delivered: delivered(client, 0, 1) }
}

fn ephemeral() -> Envelope {
    let (id, from) = (None, None);
    Envelope::new(EnvelopeParts { kind: Kind::Ephemeral, to: None, from, id, copied_to: b"", body: b"1" })
}

/// A member with a link to `BOB`'s home, of generation 1, and a client at home there.
fn linked() -> (Rig, ClientId) {
    let mut rig = Rig::among(&[BOB]);
    let client = rig.client(Route::Away(BOB), 0);
    rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]);
    (rig, client)
}

/// A member with a link from `BOB`'s gateway, of generation 1 by the way 1, and a client at home here.
fn greeted() -> (Rig, ClientId) {
    let mut rig = Rig::among(&[BOB]);
    let client = rig.client(Route::Here, 0);
    rig.up(BOB, 1, 0, Up::Hello(vec![]));
    (rig, client)
}

// Where everybody is.

#[test]
fn before_its_first_claim_nobody_is_at_home_anywhere() {
    let mut rig = Rig::started();
    let routes = vec![Route::Nowhere; PARTITIONS.into()].into();
    assert_eq!(rig.took(), [Output::ToCores(Parcel::Routes { routes })]);
    rig.says_alive(BOB);
    rig.pass(20_000);
    assert_eq!(rig.took(), [], "it does not have its partition yet");
}

#[test]
fn a_view_tells_the_cores_all_routes_and_the_log_what_is_ours_and_each_only_when_it_changes() {
    let mut rig = Rig::among(&[]);
    rig.says_alive(BOB);
    let routes = rig.routes();
    let is = |what| (0..PARTITIONS).map(Partition).filter(|it| routes[usize::from(it.0)] == what).collect();
    let own = Own { owned: is(Route::Here), standby: is(Route::Away(BOB)) };
    assert!(!own.owned.is_empty() && !own.standby.is_empty());
    assert_eq!(rig.took(), [Output::ToCores(Parcel::Routes { routes }), Output::Own(own)]);
    rig.alive.insert(BOB, V1);
    rig.pass(5_000);
    assert_eq!(rig.took(), []);
}

#[test]
fn a_node_that_is_started_again_is_another_one() {
    let mut rig = Rig::among(&[BOB]);
    let again = Peer { incarnation: 201, ..BOB };
    rig.says_alive(again);
    let routes = rig.routes();
    assert!(routes.contains(&Route::Away(again)) && !routes.contains(&Route::Away(BOB)));
    assert_eq!(rig.took(), [Output::ToCores(Parcel::Routes { routes })]);
}

#[test]
fn out_of_the_view_it_owns_nothing_and_its_routes_stay() {
    let mut rig = Rig::among(&[BOB]);
    let routes = rig.routes();
    rig.is_mute = true;
    rig.pass(7_000);
    assert_eq!(rig.post.view().members().len(), 1);
    assert_eq!(rig.took(), [Output::Own(Own::default())]);
    rig.is_mute = false;
    rig.pass(1_500);
    assert!(
        matches!(&rig.took()[..], [Output::Own(own)] if own.owned == rig.owned()),
        "routes are as they were"
    );
    assert_eq!(rig.routes(), routes);
}

#[test]
fn out_of_the_view_it_speaks_all_the_same() {
    let (mut rig, client) = linked();
    rig.is_mute = true;
    rig.pass(2_000);
    rig.down(BOB, 1, 1, mark(0));
    rig.pass(2_000);
    rig.down(BOB, 1, 2, mark(0));
    rig.pass(2_000);
    assert_eq!(rig.took(), [Output::Own(Own::default())]);
    let says = rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]);
    assert_eq!(says, [said_up(BOB, 1, 1, detach(&client, session(0, 1)))]);
}

#[test]
fn while_some_nodes_have_no_version_in_common_nothing_is_said() {
    let (mut rig, client) = linked();
    rig.alive.insert(EVE, Protocols { min: 2, max: 2 });
    rig.says_alive(EVE);
    rig.took();
    assert_eq!(rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]), []);
    assert_eq!(rig.post.counts().waiting, 1);
}

const BOTH: Protocols = Protocols { min: 1, max: 2 };

#[test]
fn a_newer_version_is_spoken_from_when_the_last_old_node_is_gone_until_one_returns() {
    let mut rig = Rig::speaking(BOTH);
    rig.input(|post, now_ms, out| post.on_node_partition(NodePartition::Assigned, now_ms, out));
    rig.alive = [(BOB, V1), (EVE, BOTH)].into();
    rig.pass(4_000);
    assert_eq!(rig.spoken.last(), Some(&1));
    rig.alive.remove(&BOB);
    let upgraded = Peer { incarnation: BOB.incarnation + 1, ..BOB };
    rig.alive.insert(upgraded, BOTH);
    rig.spoken.clear();
    rig.says_alive(upgraded);
    assert_eq!(rig.spoken, [2]);
    rig.alive.insert(Peer { incarnation: BOB.incarnation + 2, ..BOB }, V1);
    rig.pass(1_000);
    assert_eq!(rig.spoken, [2, 1]);
}

#[test]
fn what_others_could_speak_is_not_spoken_before_the_view_has_us() {
    let mut rig = Rig::started();
    rig.alive = [(BOB, BOTH), (EVE, BOTH)].into();
    rig.pass(4_000);
    assert!(!rig.post.is_member() && rig.post.view().spoken() == Some(2));
    assert_eq!(rig.spoken, [1]);
}

// A gateway speaks.

#[test]
fn the_first_value_to_a_home_begins_a_link_and_the_sessions_follow_in_one_record() {
    let mut rig = Rig::among(&[BOB]);
    let client = rig.client(Route::Away(BOB), 0);
    let value = || to_home(BOB, &client, session(0, 1));
    assert_eq!(rig.dispatch(0, [value()]), hello(BOB, 1), "the hello brings what it would have said");
    assert_eq!(rig.dropped(Drop::Superseded), 1);
    let sessions: Vec<_> = (0..3).map(|slot| joining(&client, session(0, slot))).collect();
    let joins = sessions.iter().map(|it| Dispatch::Join { home: BOB, session: it.clone() });
    let says = rig.dispatch(0, joins.chain([value()]));
    let more = said_up(BOB, 1, 1, Up::More(sessions));
    assert_eq!(says, [more, said_up(BOB, 1, 2, detach(&client, session(0, 1)))]);
}

#[test]
fn joins_to_two_homes_keep_their_order_and_a_record_takes_only_what_fits() {
    let mut rig = Rig::among(&[BOB, EVE]);
    let [bobs, eves] = [BOB, EVE].map(|home| rig.client(Route::Away(home), 0));
    let join = |home, client: &ClientId| Dispatch::Join { home, session: joining(client, session(0, 1)) };
    rig.dispatch(0, [join(BOB, &bobs), join(EVE, &eves)]);
    let many = std::iter::repeat_n(join(BOB, &bobs), 2_000);
    let says = rig.dispatch(0, many.chain([join(EVE, &eves), join(BOB, &bobs)]));
    let count = |output: &Output| match output {
        Output::ToNode { ordinal, record: NodeRecord { says: Says::Up { value: Up::More(it), .. }, .. } } => {
            (*ordinal, it.len())
        }
        other => panic!("{other:?}"),
    };
    let counts: Vec<_> = says.iter().map(count).collect();
    let fits = counts[0].1;
    assert_eq!(counts, [(1, fits), (1, fits), (1, 2_000 - 2 * fits), (2, 1), (1, 1)]);
    assert!(rig.dispatch(0, std::iter::repeat_n(join(BOB, &bobs), fits)).len() == 1);
}

#[test]
fn a_broken_link_begins_anew_at_once_but_not_twice_in_a_second() {
    let (mut rig, client) = linked();
    rig.pass(1_000);
    assert_eq!(rig.down(BOB, 1, 2, mark(0)), hello(BOB, 2), "the first of its values is missing");
    assert_eq!(rig.down(BOB, 2, 2, mark(0)), []);
    assert_eq!(rig.broken(Break::Gap), 2);
    assert_eq!(rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]), []);
    rig.pass(900);
    assert_eq!(rig.took(), []);
    rig.pass(100);
    assert_eq!(rig.took(), hello(BOB, 3));
}

#[test]
fn a_lost_hello_and_a_lost_last_value_are_said_again() {
    let (mut rig, client) = linked();
    rig.pass(3_000);
    assert_eq!((rig.took(), rig.broken(Break::Silence)), (hello(BOB, 2).into(), 1));
    rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]);
    for number in 1..=3 {
        rig.pass(1_000);
        let says = rig.down(BOB, 2, number, mark(0));
        assert_eq!(says, if number == 3 { hello(BOB, 3).to_vec() } else { vec![] });
    }
    assert_eq!(rig.broken(Break::Echo), 1);
}

#[test]
fn marks_that_wait_while_our_own_loop_stands_still_break_nothing() {
    let (mut rig, client) = linked();
    rig.pass(800);
    rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]);
    rig.stall(10_000);
    rig.input(|post, now_ms, out| post.on_tick(now_ms, out));
    rig.catches_up();
    rig.pass(500);
    for number in 1..=9 {
        assert_eq!(
            rig.down(BOB, 1, number, mark(0)),
            [],
            "the oldest of them was said before ours was heard"
        );
    }
    assert_eq!(rig.down(BOB, 1, 10, mark(1)), []);
    rig.pass(2_500);
    assert_eq!((rig.took(), rig.post.counts().broken.iter().sum::<u64>()), (vec![], 0));
}

#[test]
fn a_home_that_is_not_in_the_view_is_told_nothing_until_it_is() {
    let mut rig = Rig::among(&[BOB]);
    let client = rig.client(Route::Away(BOB), 0);
    assert_eq!(rig.dispatch(0, [to_home(EVE, &client, session(0, 1))]), []);
    assert_eq!(rig.dropped(Drop::NotInView), 1);
    rig.says_alive(EVE);
    let says = rig.took();
    assert!(says.ends_with(&hello(EVE, 1)) && matches!(says[0], Output::ToCores(Parcel::Routes { .. })));
}

/// Nobody's route has changed, so no session joins of itself.
#[test]
fn a_home_that_left_and_came_back_while_we_were_out_of_the_view_is_greeted() {
    let mut rig = Rig::among(&[BOB, EVE]);
    let client = rig.client(Route::Away(EVE), 0);
    rig.dispatch(0, [to_home(EVE, &client, session(0, 1))]);
    rig.is_mute = true;
    rig.alive.remove(&EVE);
    rig.pass(8_000);
    assert_eq!(rig.post.view().members().len(), 1);
    rig.alive.insert(EVE, V1);
    rig.took();
    rig.pass(1_000);
    let says = rig.took();
    let generation = says.len() as u64;
    assert_eq!(generation, 2, "{says:?}");
    assert!(matches!(&says[1], Output::ToCores(Parcel::Greet { home: EVE })));
    assert_eq!(rig.broken(Break::Gone) + rig.broken(Break::Silence), 2);
}

#[test]
fn a_mark_of_a_link_that_we_do_not_have_is_answered_by_an_empty_hello_if_its_home_is_alive() {
    let mut rig = Rig::among(&[BOB]);
    assert_eq!(rig.down(EVE, 7, 3, mark(0)), []);
    let client = rig.client(Route::Away(BOB), 0);
    assert_eq!(rig.down(BOB, 7, 2, answered(&client)), [], "nothing else is");
    assert_eq!(rig.down(BOB, 7, 3, mark(0)), hello(BOB, 1));
    assert_eq!(rig.dropped(Drop::NoLink), 3);
    rig.says_alive(EVE);
    assert!(
        !rig.took().contains(&Output::ToCores(Parcel::Greet { home: EVE })),
        "its next mark will ask again"
    );
}

// A gateway hears.

#[test]
fn what_a_home_says_reaches_the_cores_of_its_sessions() {
    let (mut rig, client) = linked();
    let say = Down::Session { client: client.clone(), session: session(1, 4), term: 9, say: live(3) };
    let parcel = Parcel::ToSession { client: client.clone(), session: session(1, 4), term: 9, say: live(3) };
    assert_eq!(rig.down(BOB, 1, 1, say), [Output::ToCore { core: 1, parcel }]);

    let sessions = vec![session(1, 4), session(0, 1), session(1, 5)];
    let says = rig.down(BOB, 1, 2, Down::Deliver { sessions, delivered: delivered(&client, 0, 1) });
    let deliver = |core, sessions| {
        let parcel = Parcel::Deliver { sessions, delivered: delivered(&client, 0, 1) };
        Output::ToCore { core, parcel }
    };
    let parcels = [deliver(0, vec![session(0, 1)]), deliver(1, vec![session(1, 4), session(1, 5)])];
    assert_eq!(says, parcels);

    let partition = Topology::new(PARTITIONS, CORES).place(client.as_ref()).partition;
    let heads = vec![head(partition, 9, 70)];
    let says = rig.down(BOB, 1, 3, Down::Mark { echo: 0, heads: heads.clone() });
    assert_eq!(says, [Output::ToCores(Parcel::Mark { heads: heads.into() })]);
}

#[test]
fn a_home_says_nothing_to_sessions_of_clients_that_are_at_home_elsewhere() {
    let (mut rig, client) = linked();
    let ours = rig.client(Route::Here, 0);
    assert_eq!(rig.down(BOB, 1, 1, answered(&ours)), []);
    let sessions = vec![session(0, 1)];
    assert_eq!(rig.down(BOB, 1, 2, Down::Deliver { sessions, delivered: delivered(&ours, 0, 1) }), []);
    assert_eq!(rig.dropped(Drop::NotItsHome), 2);
    let place = |client: &ClientId| Topology::new(PARTITIONS, CORES).place(client.as_ref()).partition;
    let (good, bad) = (head(place(&client), 1, 5), head(place(&ours), 1, 5));
    let heads = vec![bad, good, head(Partition(PARTITIONS), 1, 5)];
    let says = rig.down(BOB, 1, 3, Down::Mark { echo: 0, heads });
    assert_eq!(says, [Output::ToCores(Parcel::Mark { heads: vec![good].into() })]);
}

#[test]
fn a_core_that_we_do_not_have_is_counted_and_nothing_else() {
    let (mut rig, client) = linked();
    let sessions = vec![session(CORES, 1), session(0, 1), session(u16::MAX, 1)];
    let says = rig.down(
        BOB,
        1,
        1,
        Down::Deliver { sessions: sessions.clone(), delivered: delivered(&client, 0, 1) },
    );
    assert!(matches!(&says[..], [Output::ToCore { core: 0, .. }]), "{says:?}");
    assert_eq!(rig.down(BOB, 1, 2, answered(&client)), []);
    let beside = Beside::Ephemeral { client, sessions, envelope: ephemeral() };
    assert!(matches!(&rig.hear(BOB, Says::Beside(beside))[..], [Output::ToCore { core: 0, .. }]));
    assert_eq!(rig.dropped(Drop::NoCore), 5);
}

// A home hears.

#[test]
fn each_life_of_a_link_has_a_way_of_its_own_and_the_one_before_is_forgotten_first() {
    let mut rig = Rig::among(&[BOB]);
    let [on_0, on_1] = [0, 1].map(|core| rig.client(Route::Here, core));
    let join = |core, client: &ClientId, via| {
        let session = Box::new(joining(client, session(9, 9)));
        Output::ToCore { core, parcel: Parcel::Join { via: Via(via), session } }
    };
    let came = |client: &ClientId| vec![joining(client, session(9, 9))];
    let meet = |via| Output::ToCores(Parcel::Meet { via: Via(via), gateway: BOB });
    assert_eq!(rig.up(BOB, 1, 0, Up::Hello(came(&on_1))), [meet(1), join(1, &on_1, 1)]);
    assert_eq!(rig.up(BOB, 1, 1, Up::More(came(&on_0))), [join(0, &on_0, 1)]);
    let says = rig.up(BOB, 1, 2, detach(&on_1, session(9, 9)));
    let (client, session) = (on_1.clone(), session(9, 9));
    let parcel = Parcel::ToHome { via: Via(1), client, session, say: ToHome::Detach };
    assert_eq!(says, [Output::ToCore { core: 1, parcel }]);

    let forget = Output::ToCores(Parcel::Forget { via: Via(1) });
    assert_eq!(rig.up(BOB, 2, 0, Up::Hello(came(&on_0))), [forget, meet(2), join(0, &on_0, 2)]);
    assert_eq!(rig.up(BOB, 1, 0, Up::Hello(came(&on_0))), [], "an older one that was passed on its way");
    assert_eq!(rig.up(BOB, 1, 3, Up::More(came(&on_0))), []);
    assert_eq!((rig.post.counts().hellos_taken, rig.post.counts().downlinks), (2, 1));
    assert_eq!((rig.dropped(Drop::OldHello), rig.dropped(Drop::Seen)), (1, 1));
}

#[test]
fn a_broken_link_is_forgotten_and_nothing_is_said_on_it() {
    let (mut rig, client) = greeted();
    let says = rig.dispatch(0, [answer(Via(1), &client)]);
    assert_eq!(says, [said_down(BOB, 1, 1, answered(&client))]);
    let forget = [Output::ToCores(Parcel::Forget { via: Via(1) })];
    assert_eq!(rig.up(BOB, 1, 2, detach(&client, session(5, 5))), forget);
    assert_eq!(rig.dispatch(0, [answer(Via(1), &client), answer(Via(77), &client)]), []);
    assert_eq!((rig.dropped(Drop::StaleVia), rig.broken(Break::Gap)), (2, 1));
    rig.pass(1_000);
    assert_eq!(rig.took(), [], "no mark either");
}

#[test]
fn a_gateway_that_the_view_lacks_is_forgotten_after_node_timeout() {
    let (mut rig, _) = greeted();
    rig.alive.remove(&BOB);
    rig.pass(6_000);
    assert_eq!(rig.post.view().members().len(), 1);
    let forget = Output::ToCores(Parcel::Forget { via: Via(1) });
    assert!(!rig.took().contains(&forget));
    rig.pass(5_000);
    assert!(rig.took().contains(&forget));
    assert_eq!(rig.broken(Break::Gone), 1);
}

#[test]
fn a_gateway_that_left_and_came_back_between_two_views_is_forgotten_at_once() {
    let (mut rig, _) = greeted();
    rig.pass(1_000);
    rig.alive.insert(EVE, V1);
    rig.pass(2_000);
    rig.took();
    // Six seconds of the log in which BOB says nothing, read in one go, and then a word of his.
    rig.alive.remove(&BOB);
    rig.is_deaf = true;
    rig.stall(3_600);
    for _ in 0..4 {
        rig.now_ms += 1_900;
        rig.says_alive(EVE);
    }
    rig.says_alive(BOB);
    rig.alive.insert(BOB, V1);
    rig.catches_up();
    assert!(rig.took().contains(&Output::ToCores(Parcel::Forget { via: Via(1) })));
    assert_eq!(rig.broken(Break::Since), 1);
}

// Marks.

#[test]
fn a_mark_says_what_all_cores_have_applied_of_what_is_ours() {
    let (mut rig, _) = greeted();
    let [one, two] = [rig.owned()[0], rig.owned()[1]];
    let foreign = (0..PARTITIONS).map(Partition).find(|it| !rig.owned().contains(it)).unwrap();
    let mut mark_after = |core, heads: Vec<Head>| {
        rig.dispatch(core, [Dispatch::Heads { heads }]);
        rig.pass(1_000);
        match &rig.took()[..] {
            [Output::ToNode { ordinal: 1, record }] => match &record.says {
                Says::Down { value: Down::Mark { echo: 0, heads }, .. } => heads.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let foreign = head(foreign, 1, 1);
    assert_eq!(mark_after(0, vec![head(one, 1, 10), head(two, 1, 30), foreign]), []);
    assert_eq!(mark_after(1, vec![head(one, 1, 8), head(two, 2, 40), foreign]), [head(one, 1, 8)]);
    let both = [head(one, 1, 8), head(two, 2, 41)];
    assert_eq!(mark_after(0, vec![head(one, 1, 12), head(two, 2, 41)]), [head(one, 1, 8), head(two, 2, 40)]);
    assert_eq!(mark_after(1, both.to_vec()), both);
}

#[test]
fn no_mark_overtakes_a_delivery() {
    let (mut rig, client) = greeted();
    let partition = rig.owned()[0];
    rig.dispatch(1, [Dispatch::Heads { heads: vec![head(partition, 1, 9)] }]);
    rig.stall(10_000);
    let deliver =
        Dispatch::Deliver { via: Via(1), sessions: vec![session(5, 5)], delivered: delivered(&client, 0, 9) };
    let heads = Dispatch::Heads { heads: vec![head(partition, 1, 9)] };
    assert_eq!(rig.dispatch(0, [deliver, heads]), []);
    rig.input(|post, now_ms, out| post.on_tick(now_ms, out));
    assert_eq!(rig.took(), [], "it may not speak, marks among it");
    rig.catches_up();
    rig.pass(1_000);
    let says = rig.took();
    let mark = Down::Mark { echo: 0, heads: vec![head(partition, 1, 9)] };
    assert!(matches!(&says[0], Output::ToNode { record, .. }
        if matches!(record.says, Says::Down { value: Down::Deliver { .. }, .. })));
    assert_eq!(says[1..], [said_down(BOB, 1, 2, mark)]);
}

#[test]
fn a_mark_says_how_far_the_gateway_was_heard() {
    let (mut rig, client) = greeted();
    rig.up(BOB, 1, 1, detach(&client, session(5, 5)));
    rig.up(BOB, 1, 2, detach(&client, session(5, 5)));
    rig.pass(1_000);
    assert_eq!(rig.took(), [said_down(BOB, 1, 1, mark(2))]);
}

// Beside links.

#[test]
fn ephemeral_messages_go_beside_links_both_ways() {
    let (mut rig, _) = greeted();
    let (envelope, clients) = (ephemeral(), [0, 1].map(|core| rig.client(Route::Here, core)));
    let whisper = Beside::Whisper { to: clients.to_vec(), envelope: envelope.clone() };
    let parcel = |core: u16| Parcel::Whisper {
        to: vec![clients[usize::from(core)].clone()],
        envelope: envelope.clone(),
    };
    let to_cores = [0, 1].map(|core| Output::ToCore { core, parcel: parcel(core) });
    assert_eq!(rig.hear(BOB, Says::Beside(whisper.clone())), to_cores);
    let [client, _] = &clients;
    let sessions = vec![session(1, 1)];
    let pass =
        Beside::Ephemeral { client: client.clone(), sessions: sessions.clone(), envelope: envelope.clone() };
    let parcel =
        Parcel::Ephemeral { client: client.clone(), sessions: sessions.clone(), envelope: envelope.clone() };
    assert_eq!(rig.hear(BOB, Says::Beside(pass.clone())), [Output::ToCore { core: 1, parcel }]);

    let says = |home| Dispatch::Whisper { home, to: clients.to_vec(), envelope: envelope.clone() };
    assert_eq!(rig.dispatch(0, [says(BOB), says(EVE)]), [said(BOB, Says::Beside(whisper))], "without a link");
    let passes = |via| {
        let (client, sessions, envelope) = (client.clone(), sessions.clone(), envelope.clone());
        Dispatch::Ephemeral { via: Via(via), client, sessions, envelope }
    };
    assert_eq!(rig.dispatch(0, [passes(1), passes(2)]), [said(BOB, Says::Beside(pass))]);
    assert_eq!((rig.dropped(Drop::NotInView), rig.dropped(Drop::StaleVia)), (1, 1));

    rig.stall(10_000);
    assert_eq!(rig.dispatch(0, [passes(1), says(BOB)]), []);
    rig.catches_up();
    assert_eq!((rig.took(), rig.dropped(Drop::MayNotSpeak)), (vec![], 2));
}

#[test]
fn questions_and_answers_go_beside_links_to_the_core_that_is_asked_or_asks() {
    let (mut rig, _) = greeted();
    let local = rig.client(Route::Here, 1);
    let (asker, question) = (Asker { core: 1, number: 9 }, Question::Sessions);
    let asked = Beside::Question { asker, client: local.clone(), question };
    let ask = Parcel::Ask { from: BOB, asker, client: local.clone(), question };
    assert_eq!(rig.hear(BOB, Says::Beside(asked)), [Output::ToCore { core: 1, parcel: ask }]);
    let findings = Findings::Disconnected;
    let tell = |to| Dispatch::Tell { to, asker, findings: findings.clone() };
    let found = Beside::Findings { asker, findings: findings.clone() };
    assert_eq!(rig.dispatch(1, [tell(BOB), tell(EVE)]), [said(BOB, Says::Beside(found.clone()))]);

    let away = rig.client(Route::Away(BOB), 0);
    let ask = |home| Dispatch::Ask { home, number: 9, client: away.clone(), question };
    let asks = Beside::Question { asker, client: away.clone(), question };
    assert_eq!(rig.dispatch(1, [ask(EVE), ask(BOB)]), [said(BOB, Says::Beside(asks))]);
    let parcel = Parcel::Told { home: BOB, number: 9, findings: Box::new(findings.clone()) };
    assert_eq!(rig.hear(BOB, Says::Beside(found)), [Output::ToCore { core: 1, parcel }]);
    let nowhere = Beside::Findings { asker: Asker { core: CORES, number: 9 }, findings: findings.clone() };
    assert_eq!(rig.hear(BOB, Says::Beside(nowhere)), []);
    assert_eq!((rig.dropped(Drop::NotInView), rig.dropped(Drop::NoCore)), (2, 1));

    rig.stall(10_000);
    assert_eq!(rig.dispatch(1, [ask(BOB), tell(BOB)]), [], "who asked will not have waited");
    rig.catches_up();
    assert_eq!((rig.took(), rig.dropped(Drop::MayNotSpeak)), (vec![], 2));
}

#[test]
fn what_nodes_say_to_each_other_is_counted_by_what_it_is_for() {
    let (mut rig, client) = greeted();
    let count = |rig: &Rig, sort| {
        let counts = rig.post.counts();
        (counts.heard[sort as usize], counts.said[sort as usize])
    };
    rig.up(BOB, 1, 1, detach(&client, session(5, 5)));
    rig.dispatch(0, [answer(Via(1), &client), big_delivery(Via(1), &client)]);
    assert_eq!((count(&rig, Sort::Hello), count(&rig, Sort::Session)), ((1, 0), (1, 1)));
    assert_eq!((count(&rig, Sort::Deliver), count(&rig, Sort::Mark)), ((0, 1), (0, 0)));
    rig.pass(1_000);
    assert_eq!(count(&rig, Sort::Mark), (0, 1));
    let whisper = Beside::Whisper { to: vec![client], envelope: ephemeral() };
    rig.hear(BOB, Says::Beside(whisper));
    assert_eq!(count(&rig, Sort::Ephemeral), (1, 0));
}

// What waits.

#[test]
fn what_may_not_be_said_waits_in_order_and_has_its_number_only_as_it_leaves() {
    let (mut rig, client) = linked();
    rig.stall(10_000);
    let sessions = [1, 2].map(|slot| joining(&client, session(0, slot)));
    let joins = sessions.clone().map(|session| Dispatch::Join { home: BOB, session });
    assert_eq!(rig.dispatch(0, [to_home(BOB, &client, session(0, 7))].into_iter().chain(joins)), []);
    let counts = rig.post.counts();
    assert!(counts.waiting == 3 && counts.waiting_bytes > 100 && counts.members.late == 1, "{counts:?}");
    rig.catches_up();
    let more = said_up(BOB, 1, 2, Up::More(sessions.to_vec()));
    assert_eq!(rig.took(), [said_up(BOB, 1, 1, detach(&client, session(0, 7))), more]);
    assert_eq!((rig.post.counts().waiting, rig.post.counts().waiting_bytes), (0, 0));
}

/// Linked both ways, then late by ten seconds: with a client that is at home there, and one here.
fn linked_and_stalled() -> (Rig, ClientId, ClientId) {
    let (mut rig, client) = linked();
    let local = rig.client(Route::Here, 0);
    rig.up(BOB, 1, 0, Up::Hello(vec![]));
    rig.pass(1_000);
    rig.took();
    rig.stall(10_000);
    (rig, client, local)
}

#[test]
fn what_waits_for_a_life_that_is_over_is_not_said_in_the_next() {
    let (mut rig, client, local) = linked_and_stalled();
    assert_eq!(rig.dispatch(0, [to_home(BOB, &client, session(0, 1)), answer(Via(1), &local)]), []);
    assert_eq!(rig.down(BOB, 1, 2, mark(0)), [], "a gap; the hello waits too");
    let forget = Output::ToCores(Parcel::Forget { via: Via(1) });
    let meet = Output::ToCores(Parcel::Meet { via: Via(2), gateway: BOB });
    assert_eq!(rig.up(BOB, 2, 0, Up::Hello(vec![])), [forget, meet]);
    rig.catches_up();
    assert_eq!(rig.took(), hello(BOB, 2));
    assert_eq!((rig.dropped(Drop::Superseded), rig.dropped(Drop::StaleVia)), (2, 1));
}

#[test]
fn what_has_no_room_breaks_its_link() {
    let (mut rig, client, local) = linked_and_stalled();
    let fill = big_delivery(Via(1), &local);
    let values = std::iter::repeat_n(to_home(BOB, &client, session(0, 1)), 200);
    assert_eq!(rig.dispatch(0, [fill.clone()].into_iter().chain(values)), []);
    assert_eq!(
        (rig.dropped(Drop::NoRoom), rig.broken(Break::Unsaid)),
        (1, 1),
        "one broke it, the rest had no link"
    );
    let forget = [Output::ToCores(Parcel::Forget { via: Via(1) })];
    assert_eq!(rig.dispatch(0, [fill]), forget);
    assert_eq!((rig.dropped(Drop::NoRoom), rig.broken(Break::Unsaid)), (2, 2));
    rig.catches_up();
    assert_eq!(rig.took(), hello(BOB, 2), "nothing of the lives before");
}

// What is lost.

#[test]
fn a_record_that_the_producer_gave_up_breaks_both_links_with_that_node() {
    let (mut rig, _) = linked();
    rig.up(BOB, 1, 0, Up::Hello(vec![]));
    rig.pass(1_000);
    rig.took();
    rig.input(|post, now_ms, out| post.on_given_up(EVE, now_ms, out));
    assert_eq!(rig.took(), []);
    rig.input(|post, now_ms, out| post.on_given_up(BOB, now_ms, out));
    let forget = Output::ToCores(Parcel::Forget { via: Via(1) });
    assert_eq!(rig.took(), [[forget].as_slice(), &hello(BOB, 2)].concat());
    assert_eq!(rig.broken(Break::Unsaid), 2);
}

/// Each would break its link anew as it is given up, once a second for as long as Kafka is away.
#[test]
fn nobody_is_greeted_while_kafka_says_nothing_and_everybody_at_once_when_it_does() {
    let (mut rig, _) = linked();
    rig.pass(1_000);
    // Its first silence is noticed sooner, and answered by a hello that is lost, too.
    rig.pass_without_kafka(4_000);
    rig.took();
    for _ in 0..20 {
        rig.input(|post, now_ms, out| post.on_given_up(BOB, now_ms, out));
        rig.pass_without_kafka(1_000);
    }
    let is_greeting = |output: &Output| matches!(output, Output::ToNode { .. });
    assert!(!rig.took().iter().any(is_greeting));
    assert_eq!(rig.broken(Break::Unsaid), 1, "one life, and no other");
    rig.says_alive(BOB);
    assert!(rig.took().iter().any(is_greeting), "at once");
}

#[test]
fn records_lost_out_of_our_partition_break_all_links_both_ways() {
    let (mut rig, _) = linked();
    rig.up(BOB, 1, 0, Up::Hello(vec![]));
    rig.pass(1_000);
    rig.took();
    rig.input(|post, now_ms, out| post.on_node_records_lost(now_ms, out));
    let forget = Output::ToCores(Parcel::Forget { via: Via(1) });
    assert_eq!(rig.took(), [[forget].as_slice(), &hello(BOB, 2)].concat());
    assert_eq!(rig.broken(Break::Range), 2);
}

#[test]
fn what_cannot_be_read_is_told_once_of_each_kind() {
    let mut rig = Rig::among(&[]);
    let damaged = Unreadable::Damaged { at: 3, what: "kind" };
    for why in [damaged, Unreadable::NewerVersion, Unreadable::NewerVersion, damaged] {
        rig.input(|post, now_ms, out| post.on_node_record(Err(why), now_ms, out));
    }
    assert_eq!(rig.took(), [Output::Unreadable(damaged), Output::Unreadable(Unreadable::NewerVersion)]);
    assert_eq!((rig.post.counts().newer, rig.post.counts().damaged), (2, 2));
}

#[test]
fn records_for_another_start_of_us_or_of_no_other_node_say_nothing() {
    let mut rig = Rig::among(&[BOB]);
    let says = || Says::Up { stamp: stamp(1, 0), value: Up::Hello(vec![]) };
    let record = NodeRecord { from: BOB, to: ME.incarnation - 1, says: says() };
    rig.input(|post, now_ms, out| post.on_node_record(Ok(record), now_ms, out));
    assert_eq!(rig.dropped(Drop::OtherIncarnation), 1);
    for node in [ME.node, NODES as u16, u16::MAX] {
        rig.hear(Peer { node, incarnation: 1 }, says());
    }
    assert_eq!((rig.dropped(Drop::Stranger), rig.post.counts().downlinks), (3, 0));
    rig.pass(1_000);
    assert_eq!(rig.took(), [], "nobody is marked");
}

#[test]
fn it_says_that_it_lives_once_a_second_however_often_it_is_ticked() {
    let mut rig = Rig::among(&[]);
    let before = rig.end;
    rig.pass(10_000);
    assert_eq!(rig.end - before, 10);
}

#[test]
fn a_node_that_leaves_says_nothing_more() {
    let (mut rig, client) = linked();
    rig.input(|post, now_ms, out| post.on_stop(now_ms, out));
    assert!(rig.took().contains(&Output::Left));
    assert_eq!(rig.dispatch(0, [to_home(BOB, &client, session(0, 1))]), []);
    rig.pass(5_000);
    assert!(!rig.took().iter().any(|output| matches!(output, Output::ToNode { .. })));
}
