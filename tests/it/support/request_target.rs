//! What a request asks for, for servers that answer whatever is asked of them with one answer a
//! connection.

use std::collections::HashMap;

use reqwest::Url;
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Reads the head of a request without a body: the target in its first line. `None` if the
/// connection ends before.
pub(crate) async fn request_target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    Some(head.split(' ').nth(1).unwrap().to_owned())
}

/// The URL that a target is of, and the values of its query by their names.
pub(crate) fn target_parts(target: &str) -> (Url, HashMap<String, String>) {
    let url = Url::parse(&format!("http://fake{target}")).unwrap();
    let parameters = url.query_pairs().into_owned().collect();
    (url, parameters)
}
