use agw_ng::{Form, Message, Options, Request, Shown, came_through, from_source, reply};

/// What is read as a message is written and read again alike in both forms, and whatever it asks
/// for is understood or refused.
pub fn ng_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let octets = reply::write(message.cookie, Form::Bencode, &message.body);
    let again = Message::parse(&octets).map(|message| message.body);
    let sorted = again.as_ref().map(|body| reply::write(message.cookie, Form::Bencode, body));
    assert_eq!(sorted.as_ref(), Ok(&octets), "what is written is read and written alike");
    let json = reply::write(message.cookie, Form::Json, &message.body);
    assert!(Message::parse(&json).is_ok() || json.len() > agw_ng::MAX_MESSAGE);
    if let Ok(Request::Offer(signalling) | Request::Answer(signalling)) =
        Request::read(message.body)
    {
        sides(&signalling.options, &signalling.sdp);
    }
}

fn sides(options: &Options, sdp: &[u8]) {
    let (near, far) = (options.near(true), options.far(sdp, true));
    assert!(far.suites.len() <= near.suites.len().max(options.sdes.only.len()));
    let local = ["192.0.2.1".parse().unwrap_or(std::net::IpAddr::from([127, 0, 0, 1]))];
    let shown = Shown { local: &local, mark: "mark" };
    let edited = options.edit(sdp, &shown);
    assert!(!options.loop_protect || sdp.is_empty() || came_through(&edited, "mark"));
    if let Some(address) = options.received_from {
        let _ = from_source(sdp, address);
    }
}
