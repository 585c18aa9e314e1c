//! Baseline: the router that a Rust engineer writes in an afternoon.
use dashmap::DashMap;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, RwLock};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::Message;

#[derive(Deserialize)]
struct In<'a> {
    to: &'a str,
    body: &'a str,
}
#[derive(Serialize)]
struct Out<'a> {
    from: &'a str,
    body: &'a str,
}
#[derive(Default)]
struct Hub {
    clients: DashMap<String, UnboundedSender<Message>>,
    group: RwLock<Vec<UnboundedSender<Message>>>,
}

async fn serve(
    hub: Arc<Hub>,
    stream: tokio::net::TcpStream,
    config: WebSocketConfig,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut query = String::new();
    let note_query = |r: &Request, s: Response| {
        query = r.uri().query().unwrap_or("").to_string();
        Ok(s)
    };
    let ws = tokio_tungstenite::accept_hdr_async_with_config(stream, note_query, Some(config))
        .await
        .ok()?;
    let id = query
        .split('&')
        .find_map(|p| p.strip_prefix("id="))?
        .to_string();
    let (sink, mut source) = ws.split();
    let (tx, rx) = unbounded_channel();
    hub.clients.insert(id.clone(), tx.clone());
    if query.contains("g=1") {
        hub.group.write().unwrap().push(tx.clone());
    }
    tokio::spawn(UnboundedReceiverStream::new(rx).map(Ok).forward(sink));
    while let Some(Ok(m)) = source.next().await {
        let Message::Text(text) = m else { continue };
        let Ok(msg) = serde_json::from_str::<In>(&text) else {
            continue;
        };
        let out = Message::text(
            serde_json::to_string(&Out {
                from: &id,
                body: msg.body,
            })
            .ok()?,
        );
        if msg.to == "*" {
            hub.group
                .read()
                .unwrap()
                .iter()
                .for_each(|t| drop(t.send(out.clone())));
        } else if let Some(t) = hub.clients.get(msg.to) {
            let _ = t.send(out);
        }
    }
    hub.clients.remove(&id);
    hub.group.write().unwrap().retain(|t| !t.same_channel(&tx));
    Some(())
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).unwrap_or("9001".into());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket
        .bind(format!("127.0.0.1:{port}").parse().unwrap())
        .unwrap();
    let listener = socket.listen(4096).unwrap();
    let hub = Arc::new(Hub::default());
    // Second argument: bytes of read buffer per connection. The library's default is 128 KiB, all
    // of it zeroed before every read; 4 KiB makes this baseline faster, so it is ours.
    let read_buffer = std::env::args().nth(2).map_or(4096, |n| n.parse().unwrap());
    let config = WebSocketConfig::default().read_buffer_size(read_buffer);
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(hub.clone(), stream, config));
    }
}
