//! Stories that need more than a client's words: tokens, operators.

use crate::device::{Device, Token};
use crate::plan::{Plan, Weather};
use crate::world::{Asked, World};
use corepost::model::ClientId;

fn fair(wrong_core: bool) -> World {
    let usual = Plan::of(7);
    let (cores, weather) = (2, Weather::Fair);
    World::new(Plan {
        cores,
        wrong_core,
        weather,
        ping_interval_ms: 25_000,
        messages_per_second: None,
        ..usual
    })
}

/// Alice's phone with a token issued that many seconds from now, and welcome.
fn alice(world: &mut World, issued_in_s: i64) -> u32 {
    let iat_s = (world.now.unix_ms / 1_000).wrapping_add_signed(issued_in_s);
    let token = Token { iat_s, exp_s: iat_s + 10_000, permits: None };
    let device = world.add_device(Device::new(ClientId::new("alice").unwrap(), None, None, Some(token), 1));
    world.pass(3_000);
    device
}

/// Alice's tokens issued until now are worth nothing any more.
fn revoke(world: &mut World) {
    let client = ClientId::new("alice").unwrap();
    let core = world.topology.place(client.as_ref()).core;
    let until_s = world.now.unix_ms / 1_000;
    let request = world.request(Asked::Revoke { client: client.clone(), until_s });
    world.enter(core, |shard, now, out| shard.revoke(request, &client, now, out));
    world.pass(1_000);
}

fn renew(world: &mut World, device: u32, issued_in_s: i64) {
    let iat_s = (world.now.unix_ms / 1_000).wrapping_add_signed(issued_in_s);
    let token = Token { iat_s, exp_s: iat_s + 10_000, permits: None };
    world.devices[device as usize].client.renew(&token.text(), world.now);
    world.devices[device as usize].token = Some(token);
    world.attend(device);
    world.pass(1_000);
}

#[test]
fn a_revoked_token_renews_nothing() {
    for wrong_core in [false, true] {
        let mut world = fair(wrong_core);
        let phone = alice(&mut world, 60);
        revoke(&mut world);
        assert!(
            world.devices[phone as usize].client.is_welcome(),
            "its token is younger than the revocation"
        );
        renew(&mut world, phone, -60);
        assert!(world.devices[phone as usize].is_over, "a token that was revoked is refused in band too");
    }
}

#[test]
fn who_renewed_in_time_stays_when_the_old_token_is_revoked() {
    for wrong_core in [false, true] {
        let mut world = fair(wrong_core);
        let phone = alice(&mut world, 0);
        renew(&mut world, phone, 60);
        revoke(&mut world);
        assert!(world.devices[phone as usize].client.is_welcome(), "the token it lives by is not revoked");
    }
}
