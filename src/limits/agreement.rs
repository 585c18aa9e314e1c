//! What must hold between bounds that are each good in themselves; the compiler checks it.

use super::*;

// One page fits the outbound budget, so a session with an empty buffer can always take one.
const _: () = assert!(PAGE_BYTES + MESSAGE_BYTES * 2 <= OUTBOUND_BYTES);
// A share of replay is at least a page, and leaves half of the budget to what is live.
const _: () =
    assert!(PAGE_BYTES <= REPLAY_SHARE_BYTES as usize && REPLAY_SHARE_BYTES as usize * 2 <= OUTBOUND_BYTES);
// Beyond its budget a socket has answers up to their bound, and then one echo, or the largest message that may be
// configured and the longest answer.
const _: () = assert!(OUTBOUND_ANSWERS + SKIM_BYTES < UNSENT_BYTES_BEYOND);
const _: () = assert!(PUBLISH_BYTES + (RECIPIENTS + 1) * (ID_BYTES + 64) < SKIM_BYTES);
// A message that is kept is also one that is skimmed.
const _: () = assert!(MESSAGE_BYTES < SKIM_BYTES);
// The largest publish fits what one core may have in flight, or it could never be accepted.
const _: () = assert!(RECIPIENTS < APPENDS_IN_FLIGHT && PUBLISH_BYTES < APPEND_BYTES_IN_FLIGHT);
// An element that is read whole, or looked through for its name, is about what one turn can afford.
const _: () = assert!(MESSAGE_BYTES < SALVAGED_BYTES && SALVAGED_BYTES < PUBLISH_TURN_BYTES);
// A core takes some of the largest publishes at once, or many times as many pulls; and a page of a pull holds several of
// the largest messages.
const _: () = assert!(PUBLISH_BYTES * 4 <= BODY_BYTES && MESSAGE_BYTES * 8 <= PULL_BYTES);
// What a home answers for a pull fits a record of the node topic (`kafka/topics.json`), with what each message costs beside
// its bytes; and no more of it is on its way to one core than a hundredth of what its node may have.
const _: () = assert!(QUESTION_PAGE_BYTES + PULL_MOST * 64 < 1 << 20 && MESSAGE_BYTES < QUESTION_PAGE_BYTES);
const _: () = assert!(QUESTIONS * QUESTION_PAGE_BYTES * 8 <= KAFKA_NODE_BYTES);
const _: () = assert!(QUESTIONS_OF_HOME < QUESTIONS);
// A home that is not there any more is noticed later than who asks has patience.
const _: () = assert!(QUESTION_MS < NODE_TIMEOUT_LEAST_MS as u64);
// The largest list of recipients (each once, quoted, with a comma) and a useful body fit the skim limit.
const _: () = assert!(RECIPIENTS * (ID_BYTES + 3) < SKIM_BYTES);
// Who is held up keeps what one read has brought: a long one comes only after a full short one.
const _: () = assert!(READ_BYTES < READ_BYTES_LONG && HEAD_BYTES <= READ_BYTES_LONG);
// A dead peer is noticed before the balancers' usual idle limit of a minute.
const _: () = assert!(PING_INTERVAL_MS + PONG_TIMEOUT_MS < 60_000);
// Sessions are served faster after a silence than a core takes new ones, and long before they give up.
const _: () =
    assert!(STALE_PER_TICK > ACCEPTS_PER_TURN && (WELCOME_MS / TICK_MS) as usize * STALE_PER_TICK > 400_000);
// The longest name of a topic, with its dot, is one that Kafka takes.
const _: () = assert!(TOPIC_PREFIX_BYTES + ".mailbox".len() <= 249 && PARTITIONS <= PARTITIONS_MOST);
// What is refused for want of room is one core's affair before it is the node's.
const _: () = assert!(APPENDS_IN_FLIGHT < KAFKA_APPENDS && APPEND_BYTES_IN_FLIGHT < KAFKA_APPEND_BYTES);
// One partition's records that are read ahead are a share of all.
const _: () = assert!(
    KAFKA_READ_AHEAD_LEAST <= KAFKA_READ_AHEAD_MOST && KAFKA_READ_AHEAD_MOST < KAFKA_READ_AHEAD_BYTES
);
// A core that hears every beat but one still knows enough, and idle cores are not called stale.
const _: () = assert!(BEAT_MS * 2 < FRESH_MS);
// A count is written long before the commits it would be counted from leave the dedupe window.
const _: () = assert!(STORE_DIRTY_MS * 2 < DEDUPE_MS && STORE_CHECKPOINT_MS * 2 < DEDUPE_MS);
// Evicting clean counts is always enough to make room.
const _: () = assert!(STORE_DIRTY_COUNTS < STORE_COUNTS);
// The largest message fits a client's outbox, and one core's page of acks empties it again.
const _: () = assert!(SKIM_BYTES > OUTBOX_BYTES && OUTBOX_BYTES > MESSAGE_BYTES);
// The server's answer to an attach comes before the client stops waiting for it.
const _: () = assert!(BACKOFF_FIRST_MS < BACKOFF_MOST_MS && BACKOFF_MOST_MS < RETRY_MOST_MS);
// Two words may be late before the topic is called silent.
const _: () = assert!(KAFKA_SILENT_MS >= 3 * ALIVE_MS);
// One capped step and one tick, and there is still time for a record to come.
const _: () = assert!(LOG_STEP_MS + ALIVE_MS < NODE_TIMEOUT_LEAST_MS as u64);
// Records that are not written while one is under way are not missed: a node whose log stands still is not timed out.
const _: () = assert!(NODE_TIMEOUT_LEAST_MS < NODE_TIMEOUT_MOST_MS && ALIVES_UNSEEN > 1);
