//! The client's half of the handshake: what it asks.

use super::SUBPROTOCOL;

/// `Sec-WebSocket-Key`: 16 bytes in base 64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientKey([u8; 24]);

impl ClientKey {
    /// From 16 bytes, which should be random.
    pub fn new(bytes: [u8; 16]) -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let number = u128::from_be_bytes(bytes);
        let mut text = [b'='; 24];
        for (i, digit) in text[..22].iter_mut().enumerate() {
            // 128 bits are 21 digits of six and one of two, which stands in front of four zeros.
            let six = if i == 21 { number << 4 } else { number >> (122 - 6 * i) };
            *digit = DIGITS[(six & 63) as usize];
        }
        Self(text)
    }

    /// The 24 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base 64 is ASCII")
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `host` or `host:port`.
    pub host: &'a str,
    /// Path and query, as in `/v1/ws?client=bob`.
    pub target: &'a str,
    /// A JWT for the `Authorization` header.
    pub token: Option<&'a str>,
}

/// Appends the head of an upgrade request that offers [`SUBPROTOCOL`].
pub fn write_request(request: &Request<'_>, key: &ClientKey, out: &mut Vec<u8>) {
    let mut piece = |text: &str| out.extend_from_slice(text.as_bytes());
    for text in ["GET ", request.target, " HTTP/1.1\r\nHost: ", request.host] {
        piece(text);
    }
    piece(
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
    );
    piece(key.as_str());
    piece("\r\nSec-WebSocket-Protocol: ");
    piece(SUBPROTOCOL);
    if let Some(token) = request.token {
        piece("\r\nAuthorization: Bearer ");
        piece(token);
    }
    piece("\r\n\r\n");
}
