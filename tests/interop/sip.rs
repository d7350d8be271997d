//! SIP user agents that know just enough, for tests of proxies: their messages are text, written and
//! read by the test.

mod wire;

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher as _};
use std::net::SocketAddr;

use agw_tests::Authority;

use wire::Wire;

/// A SIP user agent.
pub(crate) struct Agent {
    name: String,
    wire: Wire,
    /// The proxy that it speaks to.
    proxy: SocketAddr,
    /// Repetitions are not told twice.
    heard: RefCell<HashSet<String>>,
}

/// A message as it was heard.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    text: String,
    from: SocketAddr,
}

/// What one party knows of a dialogue (RFC 3261 §12).
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    call: String,
    own: String,
    peer: String,
    target: String,
    routes: Vec<String>,
    number: u32,
}

impl Agent {
    /// An agent that speaks UDP.
    pub(crate) fn new(name: &str, proxy: SocketAddr) -> Self {
        Self::over(Wire::udp(proxy, 0), name, proxy)
    }

    /// An agent that is heard at a port of the loopback.
    pub(crate) fn at(port: u16, name: &str, proxy: SocketAddr) -> Self {
        Self::over(Wire::udp(proxy, port), name, proxy)
    }

    /// An agent with a TLS connection to the proxy.
    pub(crate) fn tls(name: &str, proxy: SocketAddr, authority: &Authority) -> Self {
        Self::over(Wire::tls(proxy, authority), name, proxy)
    }

    fn over(wire: Wire, name: &str, proxy: SocketAddr) -> Self {
        Self { name: name.to_owned(), wire, proxy, heard: RefCell::default() }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// Where it is found, as `Contact` has it.
    pub(crate) fn contact(&self) -> String {
        let parameter = self.wire.parameter();
        format!("<sip:{}@{}{parameter}>", self.name, self.address())
    }

    /// Sends a request that begins something, to a user of the domain or to a URI.
    pub(crate) fn begins(
        &self,
        method: &str,
        to: &str,
        headers: &[&str],
        (call, number): (&str, u32),
    ) {
        self.offers(method, to, headers, (call, number), b"");
    }

    /// The same with a description.
    pub(crate) fn offers(
        &self,
        method: &str,
        to: &str,
        headers: &[&str],
        (call, number): (&str, u32),
        sdp: &[u8],
    ) {
        let own = format!("<sip:{}@ims.example>;tag={}", self.name, self.name);
        let (uri, peer) = if to.starts_with("sip:") || to.starts_with("urn:") {
            (to.to_owned(), format!("<{to}>"))
        } else if method == "REGISTER" {
            ("sip:ims.example".to_owned(), format!("<sip:{to}@ims.example>"))
        } else {
            (format!("sip:{to}@ims.example"), format!("<sip:{to}@ims.example>"))
        };
        let dialog = Dialog {
            call: call.to_owned(),
            own,
            peer,
            target: uri,
            routes: Vec::new(),
            number: number - 1,
        };
        self.requests(&mut dialog.clone(), method, headers, sdp);
    }

    /// Sends a request within a dialogue.
    pub(crate) fn requests(&self, dialog: &mut Dialog, method: &str, headers: &[&str], sdp: &[u8]) {
        if method != "ACK" {
            dialog.number += 1;
        }
        let Dialog { call, own, peer, target, routes, number } = dialog;
        let (address, transport) = (self.address(), self.wire.transport());
        let branch = self.branch(method, *number, call);
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: {own}\r\nTo: {peer}\r\nCall-ID: {call}\r\n\
             CSeq: {number} {method}\r\nContact: {}\r\n",
            self.contact(),
        );
        for route in routes {
            text += &format!("Route: {route}\r\n");
        }
        self.wire.send(&finished(text, headers, sdp), self.proxy);
    }

    /// The next message whose first line has this word.
    pub(crate) fn hears(&self, word: &str) -> Message {
        loop {
            let (text, from) = self.wire.receive();
            if !self.heard.borrow_mut().insert(text.clone()) {
                continue;
            }
            if text.lines().next().is_some_and(|line| line.contains(word)) {
                return Message { text, from };
            }
            println!("{} hears {text}", self.name);
        }
    }

    /// The same message once more, octet by octet.
    pub(crate) fn hears_again(&self, message: &Message) {
        loop {
            let (text, _) = self.wire.receive();
            if text == message.text {
                return;
            }
            println!("{} hears {text}", self.name);
        }
    }

    /// Registers a contact that is not where it is.
    pub(crate) fn registers_at(&self, contact: &str, (call, number): (&str, u32)) {
        let text = format!(
            "REGISTER sip:ims.example SIP/2.0\r\n\
             Via: SIP/2.0/{} {};rport;branch=z9hG4bK-at-{call}-{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@ims.example>;tag={name}\r\nTo: <sip:{name}@ims.example>\r\n\
             Call-ID: {call}\r\nCSeq: {number} REGISTER\r\nContact: {contact}\r\n",
            self.wire.transport(),
            self.address(),
            name = self.name,
        );
        self.wire.send(&finished(text, &[], b""), self.proxy);
    }

    /// Cancels an INVITE to a user, which was the first request of its dialogue or had this number.
    pub(crate) fn cancels(&self, to: &str, (call, number): (&str, u32)) {
        let (address, transport) = (self.address(), self.wire.transport());
        let branch = self.branch("INVITE", number, call);
        let text = format!(
            "CANCEL sip:{to}@ims.example SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {address};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@ims.example>;tag={name}\r\nTo: <sip:{to}@ims.example>\r\n\
             Call-ID: {call}\r\nCSeq: {number} CANCEL\r\n",
            name = self.name,
        );
        self.wire.send(&finished(text, &[], b""), self.proxy);
    }

    /// Answers a request.
    pub(crate) fn answers(&self, request: &Message, status: &str, headers: &[&str], sdp: &[u8]) {
        let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"];
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.head() {
            if kept.iter().any(|name| line.starts_with(name)) {
                text += &format!("{line}\r\n");
            } else if line.starts_with("To:") {
                text += &format!("{}\r\n", self.tagged(line));
            }
        }
        if !headers.iter().any(|header| header.starts_with("Contact:")) {
            text += &format!("Contact: {}\r\n", self.contact());
        }
        self.wire.send(&finished(text, headers, sdp), request.from);
    }

    /// Ends a call with another agent, which agrees.
    pub(crate) fn hangs_up(&self, dialog: &mut Dialog, other: &Self) {
        self.requests(dialog, "BYE", &[], b"");
        let bye = other.hears("BYE");
        other.answers(&bye, "200 OK", &[], b"");
        self.hears("200");
    }

    /// The dialogue that an answer of this agent to a request makes.
    pub(crate) fn called(&self, request: &Message) -> Dialog {
        Dialog {
            call: request.header("Call-ID").to_owned(),
            own: self.tagged(request.header("To")),
            peer: request.header("From").to_owned(),
            target: request.target(),
            routes: request.headers("Record-Route"),
            number: 0,
        }
    }

    /// Names the transaction of a request.
    fn branch(&self, method: &str, number: u32, call: &str) -> String {
        // Not every name of a call is a token.
        let mut hasher = DefaultHasher::new();
        hasher.write(call.as_bytes());
        format!("z9hG4bK-{}-{method}-{number}-{:x}", self.name, hasher.finish())
    }

    fn tagged(&self, to: &str) -> String {
        let tag = if to.contains("tag=") { String::new() } else { format!(";tag={}", self.name) };
        format!("{to}{tag}")
    }
}

impl Dialog {
    /// Where its requests go.
    pub(crate) fn way(&mut self) -> (&mut String, &mut Vec<String>) {
        (&mut self.target, &mut self.routes)
    }

    /// The other party, as `From` and `To` have it.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }
}

impl Message {
    /// The lines before the body.
    pub(crate) fn head(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| !line.is_empty())
    }

    /// The values of all header fields with a name, as they stand.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let fields = self.head().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        fields.map(|value| value.trim().to_owned()).collect()
    }

    /// The value of the first header field with a name; nothing if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut fields = self.head().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        fields.next().unwrap_or_default().trim()
    }

    /// The body.
    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").expect("a body").1
    }

    /// Where it came from.
    pub(crate) const fn from(&self) -> SocketAddr {
        self.from
    }

    /// Whom a request is for.
    pub(crate) fn target_of_request(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }

    /// The same with other words in it, the first time that they occur.
    pub(crate) fn altered(&self, from: &str, to: &str) -> Self {
        Self { text: self.text.replacen(from, to, 1), from: self.from }
    }

    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The dialogue that this response to a request of a caller makes.
    pub(crate) fn dialog(&self) -> Dialog {
        let mut routes = self.headers("Record-Route");
        routes.reverse();
        let number = self.header("CSeq").split(' ').next().and_then(|number| number.parse().ok());
        Dialog {
            call: self.header("Call-ID").to_owned(),
            own: self.header("From").to_owned(),
            peer: self.header("To").to_owned(),
            target: self.target(),
            routes,
            number: number.expect("a number"),
        }
    }

    /// The URI of `Contact`.
    fn target(&self) -> String {
        let contact = self.header("Contact");
        let uri = contact.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
        uri.map_or(contact, |(uri, _)| uri).to_owned()
    }
}

/// A message with its last header fields and its body.
fn finished(mut text: String, headers: &[&str], sdp: &[u8]) -> String {
    for header in headers {
        text += &format!("{header}\r\n");
    }
    if !sdp.is_empty() && !headers.iter().any(|header| header.starts_with("Content-Type:")) {
        text += "Content-Type: application/sdp\r\n";
    }
    text + &format!("Content-Length: {}\r\n\r\n{}", sdp.len(), str::from_utf8(sdp).expect("text"))
}
