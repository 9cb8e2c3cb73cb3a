//! A receiver that accepts every request and passes it on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, Sender, TryRecvError, channel};
use std::thread;

use anyhow::{Context, bail};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::PATIENCE;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

pub struct Receiver {
    pub url: String,
    received: Queue<Request>,
}

pub struct Request {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Receiver {
    pub fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (sender, received) = channel();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    serve(&connection, &sender).unwrap_or_else(|error| eprintln!("the receiver failed: {error:#}"));
                });
            }
        });
        Ok(Self { url, received })
    }

    /// The next request.
    pub fn next(&self) -> anyhow::Result<Request> {
        self.received.recv_timeout(PATIENCE).context("no request arrived in time")
    }

    /// Fails if a request has arrived that was not taken.
    pub fn is_empty(&self) -> anyhow::Result<()> {
        match self.received.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            _ => bail!("a request arrived that was not expected"),
        }
    }
}

/// Accepts the requests of a connection until it is closed.
fn serve(connection: &TcpStream, sender: &Sender<Request>) -> anyhow::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(&head)?;
        let mut headers = HeaderMap::new();
        for field in request.headers.iter() {
            headers.append(HeaderName::from_bytes(field.name.as_bytes())?, HeaderValue::from_bytes(field.value)?);
        }
        let length = headers.get("content-length").context("no content-length")?.to_str()?.parse()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        sender.send(Request { headers, body })?;
        writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}
