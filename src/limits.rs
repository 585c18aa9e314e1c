//! Every bound of the program, in one place, with what happens when it is reached and why it is this large.
//!
//! A queue, buffer, map or loop elsewhere names its bound here. Relations between bounds are asserted at
//! compile time in `limits/agreement.rs`, so that nobody can change one and forget the other.

mod agreement;

/// Bytes of a client ID or message ID (DESIGN.md §2). Longer: `bad_client_id` / `bad_request`.
pub const ID_BYTES: usize = 128;
/// Recipients of one `send`, and of all elements of one HTTP publish together. More: `too_many_recipients`.
pub const RECIPIENTS: usize = 1_000;
/// Bytes of one WebSocket message or HTTP element that is kept. Larger: skimmed, then `too_large`.
pub const MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of one WebSocket message that is even skimmed. Larger, declared or summed: close 1009.
pub const SKIM_BYTES: usize = 16 << 20;
/// Nesting of a message's JSON. Deeper: `bad_request`.
pub const JSON_DEPTH: usize = 32;
/// Bytes of an HTTP request head up to and with its empty line. More: 431.
pub const HEAD_BYTES: usize = 8 << 10;
/// Bytes of a PROXY header, its TLVs included. The specification allows 65,551, but means what fits one small segment.
/// More: 400.
pub const PROXY_HEADER_BYTES: usize = 512;
/// Time between two warnings of a core that a proxy sends no good header: each of its connections would be one.
pub const PROXY_WARNING_MS: u64 = 60_000;
/// Lines a second of one kind in the program's log. More: left out, counted, and told by the next line of that kind.
pub const LOG_LINES_PER_SECOND: u32 = 10;
/// Lines of one kind that may come at once after a pause: what happens to each partition of a node is a burst.
pub const LOG_BURST: u32 = 200;
/// Bytes of an HTTP publish body. More: 413.
pub const PUBLISH_BYTES: usize = 8 << 20;
/// Bytes of publishes that one core reads in one turn, each of them three times. Reached: the rest comes a millisecond
/// later, whoever's it is. The worst JSON costs 8 ns a byte.
pub const PUBLISH_TURN_BYTES: usize = 512 << 10;
/// Bytes of an element of a publish that is too large, but whose `id` is looked for. Larger: it is refused without.
pub const SALVAGED_BYTES: usize = 256 << 10;
/// Bytes of a body where none is asked for, read and forgotten. More: 413.
pub const IGNORED_BODY_BYTES: usize = 4 << 10;
/// Bytes of request bodies that one core holds while they come in, and of answers while they are taken. More: who asks
/// for more is answered 503. An answer to what was done already goes beyond it, one for each request that was let in.
pub const BODY_BYTES: usize = 64 << 20;
/// Time from a request's head to the end of its body. Later: 408 and close.
pub const BODY_MS: u64 = 60_000;
/// Time between two requests of one connection. Later: closed without a word.
pub const KEEP_ALIVE_MS: u64 = 75_000;
/// Bytes of the line before a chunk of a body. More: 400.
pub const CHUNK_LINE_BYTES: usize = 256;
/// Bytes of all extensions and trailers of one chunked body together, which nobody reads. More: 400.
pub const CHUNK_EXTRAS_BYTES: usize = 4 << 10;
/// Time from accept to a complete request head. Later: 408 and close.
pub const HANDSHAKE_MS: u64 = 5_000;
/// Time from upgrade to `welcome`. Later: close 1013, for the home could not answer.
pub const WELCOME_MS: u64 = 10_000;
/// Time for which a session that stands beyond what a node of a cluster has read of the log is waited for. Later: its
/// cursor is refused, as `future`.
pub const AHEAD_MS: u64 = 3_000;
/// Default time between server pings to a socket from which nothing was heard.
pub const PING_INTERVAL_MS: u64 = 25_000;
/// Time after a ping within which any frame must come. Later: the peer is dead and its socket closed.
pub const PONG_TIMEOUT_MS: u64 = 10_000;
/// Default time after which a quiet client is told its position.
pub const CURSOR_REFRESH_MS: u64 = 3_600_000;
/// Time a close handshake may take before the socket is closed without it.
pub const CLOSE_MS: u64 = 3_000;
/// Sessions of one client at a time. One more is closed 4409.
pub const SESSIONS_PER_CLIENT: usize = 64;
/// Bytes accepted for a session and not yet written to its socket. Reached: Live → CatchUp, nothing is queued.
pub const OUTBOUND_BYTES: usize = 256 << 10;
/// Bytes above the outbound budget kept for answers (acks, errors, pongs) to what the peer itself sent.
/// Reached: the socket is not read until some of it has been written.
pub const OUTBOUND_ANSWERS: usize = 256 << 10;
/// Bytes beyond a socket's outbound budget that may be unsent, for a process that takes the socket: the answers, and
/// what was begun while there was room (a message or an answer, or one echo). More: the socket is not taken, and its
/// client comes again.
pub const UNSENT_BYTES_BEYOND: usize = 17 << 20;
/// Bytes of replay under way to all sessions of a core together. Reached: further ones wait in line.
pub const REPLAY_CREDIT_BYTES: u32 = 64 << 20;
/// Bytes of replay under way to one session before it is stopped until its socket has taken them.
pub const REPLAY_SHARE_BYTES: u32 = 128 << 10;
/// Bytes of recent envelopes a core keeps in memory. Reached: the oldest go; replay then reads the store.
pub const RECENT_BYTES: usize = 32 << 20;
/// Bytes of partial frames and messages of one core together. Reached: the session that asks is closed 1013.
pub const PARTIAL_BYTES: usize = 64 << 20;
/// Time a message may stay incomplete. Later: close 1008, so that slow fragments cannot hold memory.
pub const PARTIAL_MS: u64 = 30_000;
/// Growth step of a partial message: a declared length is never trusted with more than this.
pub const PARTIAL_STEP: usize = 16 << 10;
/// Appends of one core that the log has not answered. Reached: the session whose send needs one is parked, until as
/// many are answered; from the HTTP API: 503.
pub const APPENDS_IN_FLIGHT: usize = 16_384;
/// Bytes of those appends, a list's body counted for each recipient. Reached: likewise. A list that alone is more, for
/// which `--message-bytes` must have been raised: `too_large`.
pub const APPEND_BYTES_IN_FLIGHT: usize = 64 << 20;
/// Commands of one core that wait in another core's inbox, each counted once and again for each KiB of it. Reached:
/// the session whose command needs it is parked.
pub const INBOX_COMMANDS: usize = 16_384;
/// Sockets one core accepts in one turn; more wait in the kernel's backlog until the next.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Connections the kernel keeps for each core until it accepts them. More: refused by the kernel.
pub const BACKLOG: i32 = 4_096;
/// Pause in accepting after the system had no descriptor or memory left for one more.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Sockets of one core whose request head is not complete. One more is answered 503.
pub const ARRIVALS: usize = 32_768;
/// Bytes of incomplete request heads of one core. More: the one that asks is answered 503.
pub const ARRIVAL_BYTES: usize = 32 << 20;
/// Bytes of the buffer in which a socket's frames are collected, at first: many sockets may need one in one turn.
pub const WRITE_BYTES: usize = 512;
/// The largest of those that is kept for the next socket, grown as it is.
pub const WRITE_BYTES_KEPT: usize = 16 << 10;
/// Bytes of those that a core keeps together; more are given back to the allocator.
pub const FRAME_POOL_BYTES: usize = 1 << 20;
/// Bytes that are read from a socket at a time.
pub const READ_BYTES: usize = 4 << 10;
/// The same after a read that brought as many: a long message is coming.
pub const READ_BYTES_LONG: usize = 64 << 10;
/// Bytes of a TLS record, without what TLS adds (RFC 8446 §5.1): longer ones leave as several.
pub const TLS_RECORD_BYTES: usize = 16 << 10;
/// Bytes that are held of a TLS record that is not whole, or of a message of the handshake. More: the connection ends. A
/// record has 18,437 at most (RFC 5246 §6.2.3), and what a client says first far fewer.
pub const TLS_PARTIAL_BYTES: usize = 20 << 10;
/// What rustls allocates for an open session, about: both directions' keys and where the protocol stands.
pub const TLS_KEYS_BYTES: usize = 4 << 10;
/// Seconds before its end from which a certificate is warned of: who renews by hand has a holiday's time for it.
pub const CERTIFICATE_SOON_S: u64 = 1_209_600;
/// Time between two looks at it. Each is a line in the log while the certificate is about to end, or over.
pub const CERTIFICATE_LOOK_MS: u64 = 3_600_000;
/// Steps of TLS handshakes that a core takes in one turn; more wait for the next. A handshake takes two, of which one is a
/// signature and an agreement on a key: 0.2 ms with an elliptic curve and 1 ms with RSA, for which sessions would wait. Which
/// one that is cannot be told before.
pub const HANDSHAKES_PER_TURN: usize = 8;
/// Looks at the ring before the next handshakes of a crowd. One shows 20 of the completions that were deferred (Linux 6.18), the
/// oldest first, so that who is there already would come after all who came with the crowd.
pub const HANDSHAKE_LOOKS: usize = 8;
/// Reads of a core that bring something in one turn. More: the turn ends at once, so that what is read later in it waits for
/// less, and what was read first is still in the processor's cache when it is answered.
pub const READS_PER_TURN: usize = 64;
/// Things a core has to do for others at the end of a turn. More: it ends at once, for the same reasons. Fewer, and who is
/// written to is woken for each write: of 64, 128, 256 and 512, sixteen messages under way in each of 500 pairs cost
/// 1.00, 0.96, 0.93 and 0.91 µs.
pub const OUTPUTS_PER_TURN: usize = 256;
/// Sockets of one core that are written to in one turn. More: the rest waits for the next turn, before which others come;
/// what those add for it leaves in the same write.
pub const SENDS_PER_TURN: usize = 128;
/// Short buffers for reading that a core keeps for the next socket; more are given back to the allocator.
pub const POOLED_BUFFERS: usize = 1_024;
/// Long buffers a core keeps, likewise.
pub const POOLED_BUFFERS_LONG: usize = 32;
/// Connections of one core. One more is answered 503. (Descriptors usually run out before.)
pub const CONNECTIONS: usize = 1 << 20;
/// Time a refused request's answer may take to be read before its socket is closed over it.
pub const REFUSAL_MS: u64 = 1_000;
/// Bytes read and forgotten after a refusal, so that the peer sees the answer instead of a reset.
pub const REFUSAL_BYTES: usize = 64 << 10;
/// Time a stopping core waits for its sockets to end after it has shut them all.
pub const STOP_MS: u64 = 2_000;
/// Time between two ticks of a core: the resolution of every deadline.
pub const TICK_MS: u64 = 50;
/// A turn of a core that takes longer is counted as late, for it delays every session of that core.
pub const TURN_MS: u64 = 50;
/// Connections to the admin address at a time. One more is closed at once.
pub const ADMIN_CONNECTIONS: usize = 64;
/// Time for a request to the admin address, and again for its answer to be taken. Later: closed.
pub const ADMIN_MS: u64 = 5_000;
/// Bytes read and forgotten behind a request to the admin address, so that its answer is not lost to a reset.
pub const ADMIN_DRAIN_BYTES: usize = 64 << 10;
/// Time in which a core must report on itself. Later: it counts as silent, and the node as not ready.
pub const REPORT_MS: u64 = 1_000;
/// Store reads of one core that have not been answered; further ones wait in a queue of their sessions.
pub const READS_IN_FLIGHT: usize = 64;
/// Bytes of one page of replay, the unit of fairness between sessions that catch up.
pub const PAGE_BYTES: usize = 64 << 10;
/// Envelopes of one page of replay.
pub const PAGE_ENVELOPES: usize = 256;
/// `missed` counts exactly so far, and says `more` beyond.
pub const MISSED_COUNTED: usize = 10_000;
/// `from=-n` looks back at most so many envelopes.
pub const FROM_LAST: u64 = 10_000;
/// Default and greatest `limit` of an HTTP pull.
pub const PULL_DEFAULT: usize = 100;
/// Greatest `limit` of an HTTP pull. More: 400.
pub const PULL_MOST: usize = 1_000;
/// Bytes of the messages of one HTTP pull, one more than fits excepted. Reached: the page ends there, with `more`.
pub const PULL_BYTES: usize = 1 << 20;
/// Questions of one core, for its HTTP API, that homes on other nodes have not answered. More: 503.
pub const QUESTIONS: usize = 32;
/// Of those, questions to one home: one that is silent leaves some for the others. More: 503.
pub const QUESTIONS_OF_HOME: usize = 16;
/// Time such a home has to answer. Later: 503, and its answer is dropped.
pub const QUESTION_MS: u64 = 3_000;
/// Pages of the log that one core reads for other nodes' pulls at a time. More: they are answered 503.
pub const QUESTIONS_HEARD: usize = 32;
/// Bytes of the messages of a pull that goes to another node, in one record, one larger message excepted. Reached: the page
/// ends there, with `more`.
pub const QUESTION_PAGE_BYTES: usize = 256 << 10;
/// Log time a dedupe key is remembered (DESIGN.md §3.4).
pub const DEDUPE_MS: u64 = 600_000;
/// Offsets of a partition a dedupe key is remembered, whichever of the two ends first.
pub const DEDUPE_OFFSETS: u64 = 131_072;
/// Unexpired envelopes of one mailbox. Reached: `mailbox_full`.
pub const MAILBOX_ENVELOPES: u64 = 100_000;
/// Bytes (key + headers + body) of the unexpired envelopes of one mailbox. Reached: `mailbox_full`.
pub const MAILBOX_BYTES: u64 = 64 << 20;
/// Partitions of the embedded log, and default of the cluster's mailbox topic. Fixed for the life of a log.
pub const PARTITIONS: u16 = 64;
/// What `--partitions` may be raised to: ack latency grows with the partitions that a producer has at one broker
/// (FINDINGS.md §4). More: a configuration error.
pub const PARTITIONS_MOST: u16 = 1_024;
/// Bytes of `--topic-prefix`; Kafka takes 249 for a whole name. More: a configuration error.
pub const TOPIC_PREFIX_BYTES: usize = 200;
/// Brokers named by `--kafka`, and `--kafka-option`s. More: a configuration error.
pub const KAFKA_BROKERS: usize = 64;
/// See [`KAFKA_BROKERS`]. More: a configuration error.
pub const KAFKA_OPTIONS: usize = 128;
/// Bytes of the file with the token that is shown to brokers. More: it is not read, and Kafka lets nobody in.
pub const KAFKA_TOKEN_BYTES: usize = 64 << 10;
/// How long a token that does not say it itself is taken to be good. Over: the file is read anew.
pub const KAFKA_TOKEN_MS: u64 = 60_000;
/// Time Kafka has to answer one question about its topics. Later: the command that asked fails.
pub const KAFKA_ANSWER_MS: u64 = 15_000;
/// Time for one question of the follower about its partitions. Later: those that were not answered are asked about again.
pub const KAFKA_ASK_MS: u64 = 5_000;
/// The same for all that one beginning, or one look at where logs begin, asks.
pub const KAFKA_ASK_TOGETHER_MS: u64 = 10_000;
/// Time that one broker may take for the first little that is read from it at a node's start. Later: the next broker.
pub const KAFKA_MEET_MS: u64 = 2_000;
/// Time in which a Kafka where nobody listens may come to be there. Later: the command that asked fails.
pub const KAFKA_COMING_MS: u64 = 3_000;
/// Records that a node has under way to the mailbox topic. Reached: further appends are refused, until half of them are
/// answered.
pub const KAFKA_APPENDS: usize = 262_144;
/// Bytes of those records, with [`KAFKA_RECORD_EXTRA`] each. Reached: likewise.
pub const KAFKA_APPEND_BYTES: usize = 256 << 20;
/// What a record under way costs beside its bytes, at librdkafka and here.
pub const KAFKA_RECORD_EXTRA: usize = 512;
/// An append that Kafka has not acknowledged for so long is refused, with all that its producer has under way.
pub const KAFKA_GIVE_UP_MS: u64 = 30_000;
/// librdkafka gives up so much later than we do, so that what fails fails together.
pub const KAFKA_GIVE_UP_SLACK_MS: u64 = 5_000;
/// Time an appender has at its stop for what is under way. Later: refused.
pub const KAFKA_STOP_MS: u64 = 5_000;
/// Batches of cores that are taken in one turn of the appender, before its reports are heard.
pub const KAFKA_BATCHES_PER_TURN: usize = 64;
/// Events that are taken from one producer in a row. More: after the other producers.
pub const KAFKA_REPORTS: usize = 256;
/// Partitions that an idempotent producer has at one broker: librdkafka has one in each request, and five requests under
/// way (FINDINGS.md §4).
pub const KAFKA_PARTITIONS_PER_BROKER: usize = 5;
/// Producers of one kind in a node. Reached: each has more partitions at a broker, and an acknowledgement takes longer.
pub const KAFKA_PRODUCERS: usize = 64;
/// Time between two counts of the brokers that lead a partition.
pub const KAFKA_COUNT_MS: u64 = 60_000;
/// Bytes that are read ahead of all partitions of a topic together, if each has as many; and one answer of a broker beside.
pub const KAFKA_READ_AHEAD_BYTES: u64 = 128 << 20;
/// A partition's share of these, at least.
pub const KAFKA_READ_AHEAD_LEAST: u64 = 128 << 10;
/// And at most.
pub const KAFKA_READ_AHEAD_MOST: u64 = 4 << 20;
/// Records that are read ahead of one partition. Reached: its broker is asked for no more until some are taken.
pub const KAFKA_READ_AHEAD_RECORDS: usize = 20_000;
/// Bytes of history that are read ahead.
pub const KAFKA_HISTORY_BYTES: u64 = 8 << 20;
/// Records of one partition that are told in a row. More: after the other partitions.
pub const KAFKA_TURN_RECORDS: usize = 256;
/// Time that a trouble with connections is believed in after librdkafka spoke of it, which repeats itself twice a minute.
pub const KAFKA_TROUBLE_MS: u64 = 40_000;
/// Time between two looks at partitions of which nothing was heard.
pub const KAFKA_SWEEP_MS: u64 = 1_000;
/// Silence of a partition that is read after which its end is asked for, and time between two such questions. Where two answers
/// in a row say that there is more, its reader is made anew: later than librdkafka gives up a broker that stands still (ten seconds).
pub const KAFKA_UNREAD_MS: u64 = 6_000;
/// Time for an answer to where a log ends, and again to where it begins. Later: there is none.
pub const KAFKA_END_MS: u64 = 1_000;
/// Such questions that wait. More: not asked.
pub const KAFKA_QUESTIONS: usize = 16;
/// Records of ours that are under way to the cluster log. More: not written.
pub const KAFKA_CLUSTER_RECORDS: usize = 64;
/// A record of the cluster log that is not acknowledged for so long is told as not written.
pub const KAFKA_CLUSTER_GIVE_UP_MS: u64 = 10_000;
/// Records under way to other nodes by one producer. Reached: what comes is given up, and its link breaks.
pub const KAFKA_NODE_RECORDS: usize = 100_000;
/// Bytes of those records. Reached: likewise.
pub const KAFKA_NODE_BYTES: usize = 64 << 20;
/// A record to another node that did not come through for so long is given up: its link has broken for the silence.
pub const KAFKA_NODE_GIVE_UP_MS: u64 = 4_000;
/// Revocations that a node has under way to Kafka. More: refused.
pub const KAFKA_REVOCATIONS: usize = 1_024;
/// Peers that reports can name. Reached: their numbers begin anew, and a late report may name another.
pub const KAFKA_PEERS: usize = 8_192;
/// Cores of one node. More: a configuration error.
pub const CORES: usize = 256;
/// Messages that wait in a core's inbox, beyond which the log's thread waits before it tells the core more.
pub const CORE_BACKLOG: u64 = 65_536;
/// Descriptors a node needs beside its sockets; the limit of open files less these bounds the connections.
pub const OWN_FILES: usize = 128;
/// Time a client of the HTTP API may take nothing of its answer. Later: the connection is closed.
pub const TAKE_MS: u32 = 30_000;
/// Age beyond which what a core knows of its log is too old to say `welcome` or `live` from.
pub const FRESH_MS: u64 = 1_000;
/// Sessions of a core that join a home again at each tick, after theirs has moved or its link begins anew. More: the next.
pub const JOINS_PER_TICK: usize = 2_048;
/// Credit of a live session whose home has moved: it has missed little. More: it is stopped, and resumes with a share.
pub const MOVED_CREDIT_BYTES: u32 = 4 << 10;
/// Time after which a session that asked a home on another node, and was not answered, asks again.
pub const ASK_AGAIN_MS: u64 = 2_000;
/// Sessions that waited for a fresher log and are served at its next beat, and again at each tick. More: at the next.
pub const STALE_PER_TICK: usize = 2_048;
/// `send` patterns in one token. More: the token is refused.
pub const PERMITS: usize = 256;
/// Token signatures checked in one turn of a core; more wait for the next turn.
pub const SIGNATURES_PER_TURN: usize = 16;
/// Bytes of a token. Longer: 401 without a look at it.
pub const TOKEN_BYTES: usize = 4 << 10;
/// API keys in a key file. More: a configuration error.
pub const API_KEYS: usize = 1_000;
/// Bytes of an API key, at least. Fewer: a configuration error, for it could be guessed.
pub const API_KEY_BYTES_LEAST: usize = 16;
/// Bytes of an API key, at most. More: a configuration error; in a request: 401.
pub const API_KEY_BYTES: usize = 256;
/// Bytes of an HS256 secret, at least: as many as its hash has (RFC 7518 §3.2). Fewer: a configuration error.
pub const HS256_SECRET_BYTES: usize = 32;
/// Keys that tokens are checked with, of key file and JWKS document together. More: a configuration error.
/// A token without a key ID is tried against each of its algorithm.
pub const JWT_KEYS: usize = 16;
/// Bytes of a file of keys or of configuration. More: a configuration error.
pub const CONFIG_FILE_BYTES: u64 = 1 << 20;
/// Origins that may be listed. More: a configuration error.
pub const ORIGINS: usize = 64;
/// Networks of proxies that may be listed. More: a configuration error. Each new connection is compared with them all.
pub const PROXY_NETWORKS: usize = 64;
/// Messages or bytes a second of a rate, at most: 1 GB/s. More: a configuration error.
pub const RATE_MOST: u32 = 1_000_000_000;
/// What `--sessions-per-client` may be raised to: a deliver names each session of its core.
pub const SESSIONS_MOST: u32 = 4_096;
/// Revocations a node remembers. Reached: `revoke=true` answers 503 and changes nothing. Where another node of a cluster has
/// written one more, all tokens as old as that are refused: whoever's they are, they can be renewed.
pub const REVOCATIONS: usize = 1_000_000;
/// Records of one commit of the store. Reached: the commit goes, and what waits is the next one. A commit may be
/// larger by one core's turn, which is never split: of a batch, a prefix per recipient reaches the log.
pub const COMMIT_RECORDS: usize = 4_096;
/// Bytes of the envelopes of one commit. Reached: likewise.
pub const COMMIT_BYTES: usize = 8 << 20;
/// Time between two ticks of the thread that speaks to other nodes.
pub const POST_TICK_MS: u64 = 100;
/// Records of each topic that it takes in one turn. More: the next.
pub const POST_TAKE: usize = 1_024;
/// Time for which it waits for the end of this node's partition. Then it asks again with its next tick.
pub const POST_BEGIN_MS: u64 = 1_000;
/// Silence of the cluster topic, to which each node's own word comes every [`ALIVE_MS`], after which a node is not ready, and
/// greets nobody.
pub const KAFKA_SILENT_MS: u64 = 3_000;
/// Longest turn of the thread that follows partitions without anything to do.
pub const KAFKA_TURN_MS: u64 = 100;
/// Records that it takes in one turn. More: the next, after the cores and the index have these.
pub const KAFKA_FOLLOW_RECORDS: usize = 2_048;
/// Time between two questions where the followed logs end.
pub const KAFKA_WATCH_MS: u64 = 300;
/// Time between two questions where they begin.
pub const KAFKA_GROUND_MS: u64 = 60_000;
/// Time after which history that nobody has asked for again is not read any more: longer than clients wait before they
/// come back.
pub const KAFKA_WANT_MS: u64 = 60_000;
/// Time between two looks whether the mailbox topic is still the same: in a log made anew a node reads on for so long.
pub const KAFKA_SAME_LOG_MS: u64 = 1_000;
/// Looks at that, of which one asks, too, whether the topics keep their contract.
pub const KAFKA_GUARD_LOOKS: u32 = 10;
/// Time after which a partition that could not begin is asked about again.
pub const KAFKA_BEGIN_AGAIN_MS: u64 = 5_000;
/// Records of history in one batch.
pub const KAFKA_FILL_RECORDS: usize = 512;
/// Batches of history that wait for the thread that follows. More: reading history waits.
pub const KAFKA_FILL_BATCHES: usize = 4;
/// Time between two beats of a healthy log. Cores call their knowledge too old after [`FRESH_MS`].
pub const BEAT_MS: u64 = 200;
/// Threads that read the store.
pub const STORE_READERS: usize = 2;
/// Default bytes of the store's block cache.
pub const STORE_CACHE_BYTES: u64 = 64 << 20;
/// Table files the store keeps open. Reached: the least used one is closed.
pub const STORE_FILES: usize = 48;
/// Bytes of one keyspace's newest rows in memory. Reached: they are written to a table.
pub const STORE_MEMTABLE_BYTES: u64 = 16 << 20;
/// Tables waiting to be written, or so many times a memtable grown in the meantime. Reached: commits wait.
pub const STORE_MEMTABLES: usize = 3;
/// Bytes of the store's journals. Reached: whoever holds an old one back is written to a table.
pub const STORE_JOURNAL_BYTES: u64 = 256 << 20;
/// Retention is kept in so many time buckets, each dropped whole.
pub const STORE_BUCKETS: u64 = 8;
/// Buckets there may be after retention was changed. Reached: the newest bucket goes on until one is dropped; in an index,
/// whose rows may be of any time, the one before goes on.
pub const STORE_BUCKETS_MOST: usize = 32;
/// Shortest time of a bucket.
pub const STORE_BUCKET_MS: u64 = 1_000;
/// Mailbox counts in memory, twice. Reached: those not used since the last time go; they are read again.
pub const STORE_COUNTS: usize = 65_536;
/// Mailbox counts in memory that are newer than those in the store. Reached: the oldest are written.
pub const STORE_DIRTY_COUNTS: usize = 16_384;
/// Records, and log time, after which a count in memory is written: what a start has to count again.
pub const STORE_DIRTY_RECORDS: u64 = 262_144;
/// See [`STORE_DIRTY_RECORDS`].
pub const STORE_DIRTY_MS: u64 = 60_000;
/// Records, and log time, after which heads and sizes are written down: what a start has to add up again.
pub const STORE_CHECKPOINT_RECORDS: u64 = 65_536;
/// See [`STORE_CHECKPOINT_RECORDS`].
pub const STORE_CHECKPOINT_MS: u64 = 1_000;
/// Erased mailboxes whose rows wait to be taken off the disk. Reached: those of further ones go when they expire.
pub const STORE_SWEEPS: usize = 65_536;
/// Rows taken off the disk in one go, between commits.
pub const STORE_SWEEP_ROWS: usize = 256;
/// Time between two attempts to open a store again that could not write.
pub const STORE_REOPEN_MS: u64 = 500;
/// Bytes that must fit on the disk before such an attempt.
pub const STORE_PROBE_BYTES: usize = 4 << 20;
/// `retry_after_ms` when the log cannot take a record now.
pub const RETRY_UNAVAILABLE_MS: u32 = 1_000;
/// `retry_after_ms` when a mailbox or the whole log is full: only time helps.
pub const RETRY_FULL_MS: u32 = 60_000;
/// Sends of one client that nobody has answered. More: `send` says so and the application waits.
pub const OUTBOX_LETTERS: usize = 1_024;
/// Bytes of those sends. More: likewise.
pub const OUTBOX_BYTES: usize = 4 << 20;
/// Refusals that one send of a client may meet before it is reported as failed.
pub const SEND_TRIES: u32 = 16;
/// A client waits at most so long before it repeats a refused send or knocks again, whatever a server asks for.
pub const RETRY_MOST_MS: u64 = 300_000;
/// Upper end of a client's first random wait before it reconnects; doubled with each failure.
pub const BACKOFF_FIRST_MS: u64 = 500;
/// Upper end of its longest such wait.
pub const BACKOFF_MOST_MS: u64 = 30_000;
/// A connection that lived so long after its `welcome` has proved the server well: the back-off starts anew.
pub const BACKOFF_FORGIVEN_MS: u64 = 10_000;
/// Time a client gives the network from connect to upgrade. Later: it tries again.
pub const CONNECT_MS: u64 = 10_000;
/// Bytes of a node's answer that `where` and `top` take in. More: it counts as none, and is said to be not whole.
pub const ANSWER_BYTES: usize = 4 << 20;
/// Nodes that `top` watches: each takes a thread. More: a mistake in its arguments.
pub const TOP_NODES: usize = 64;
/// Lines of a picture that `top --once` writes. Those beyond are not shown: the worst come first.
pub const TOP_LINES: u16 = 500;
/// What a client waits beyond the server's own deadlines before it takes the server for dead.
pub const CLIENT_SLACK_MS: u64 = 5_000;
/// Tokens in a row that a server may refuse before a client gives up.
pub const TOKEN_TRIES: u32 = 3;
/// Characters of a cursor, of any version (DESIGN.md §4). Longer: the server is not one of ours.
pub const CURSOR_TEXT: usize = 64;
/// Ordinals of a cluster's nodes: 0 to one less. A record of another ordinal is none of ours; a node that is given
/// another one does not start.
pub const NODES: usize = 1_024;
/// Live incarnations of one ordinal that are known. Reached: the lowest is forgotten, for the highest is the holder.
pub const NODE_INCARNATIONS: usize = 8;
/// Bytes of a record of the cluster log. Larger: it moves log time and says nothing.
pub const CLUSTER_RECORD_BYTES: usize = 1 << 10;
/// Log time that one record of the cluster log adds, at most: what keeps a silence of Kafka from being anybody's.
pub const LOG_STEP_MS: u64 = 2_000;
/// Time between two ticks of a node's membership, each of which says `alive` or `look`.
pub const ALIVE_MS: u64 = 1_000;
/// Such records of one node that are under way. Reached: none is written until one of them is seen in the log.
pub const ALIVES_UNSEEN: u32 = 8;
/// `node_timeout` is at least this: shorter, one step of log time and one tick would end a life.
pub const NODE_TIMEOUT_LEAST_MS: u32 = 4_000;
/// And at most this, so that the cluster log keeps it several times over.
pub const NODE_TIMEOUT_MOST_MS: u32 = 60_000;
/// Times `node_timeout` that a starter waits for an ordinal. Longer: it exits.
pub const STARTER_TIMEOUTS: u64 = 3;
/// Partitions of a cluster's mailbox topic, at most. More: the node does not start.
pub const CLUSTER_PARTITIONS: u16 = 1_024;
/// What a node would say that waits until it has read the cluster log to its end. Reached: what comes is dropped and
/// its link breaks.
pub const UNSAID: usize = 65_536;
/// Bytes of it. Reached: likewise.
pub const UNSAID_BYTES: usize = 64 << 20;
