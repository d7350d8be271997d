//! `agwctl alg`.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use agw_iq::alg::pb;
use agw_iq::client::{CallError, IqClient};

use crate::cli::{Alg, AlgAnswer, AlgCall, AlgDialogue, AlgOffer, AlgPlace, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::{CallNamesView, CallsView, DeletedView, RegistrationView, SignalledView};

/// The longest description, in octets: what a request may take.
const MAX_SDP_OCTETS: u64 = 64 << 10;
/// The most calls of a page.
const PAGE: u32 = 1_000;

pub(crate) async fn run(alg: Alg, reach: &Reach, output: Output) -> Result<(), Failure> {
    match alg {
        Alg::Offer(offer) => self::offer(*offer, reach, output).await,
        Alg::Answer(answer) => self::answer(answer, reach, output).await,
        Alg::Reject(dialogue) => reject(dialogue, reach, output).await,
        Alg::Delete(call) => delete(call, reach, output).await,
        Alg::Query(call) => query(call, reach, output).await,
        Alg::List => list(reach, output).await,
        Alg::Registration { ue } => registration(ue, reach, output).await,
    }
}

async fn offer(offer: AlgOffer, reach: &Reach, output: Output) -> Result<(), Failure> {
    let AlgOffer { dialogue, files, rekey, priority, .. } = offer;
    let offerer =
        side(offer.offerer, offer.offerer_realm, offer.offerer_ue, offer.offerer_protected);
    let answerer =
        side(offer.answerer, offer.answerer_realm, offer.answerer_ue, offer.answerer_protected);
    let sdp = read(&files.sdp)?;
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let request = pb::OfferRequest {
            transaction_id: client.transaction_id(),
            dialogue: Some(dialogue.into()),
            sdp,
            offerer: Some(offerer),
            answerer: Some(answerer),
            rekey,
            priority: priority.map_or(0, |priority| priority.to_wire().into()),
        };
        Ok(client.alg().offer(client.request(request)).await?.into_inner())
    };
    let pb::OfferResponse { gateway: _, sdp, context_id, streams } =
        gateway.ask("alg offer", ask).await?;
    let view = SignalledView::new(&sdp, context_id, streams, None);
    hand_on(&sdp, &view, files.out.as_deref(), output)
}

async fn answer(answer: AlgAnswer, reach: &Reach, output: Output) -> Result<(), Failure> {
    let AlgAnswer { dialogue, status, files } = answer;
    let status = status.unwrap_or_default();
    let sdp = read(&files.sdp)?;
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let transaction_id = client.transaction_id();
        let dialogue = Some(dialogue.into());
        let request = pb::AnswerRequest { transaction_id, dialogue, sdp, status };
        Ok(client.alg().answer(client.request(request)).await?.into_inner())
    };
    let pb::AnswerResponse { gateway: _, sdp, context_id, streams, rekey_advised } =
        gateway.ask("alg answer", ask).await?;
    let view = SignalledView::new(&sdp, context_id, streams, Some(rekey_advised));
    hand_on(&sdp, &view, files.out.as_deref(), output)
}

async fn reject(dialogue: AlgDialogue, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let transaction_id = client.transaction_id();
        let request = pb::RejectRequest { transaction_id, dialogue: Some(dialogue.into()) };
        Ok(client.alg().reject(client.request(request)).await?.into_inner())
    };
    let pb::RejectResponse { gateway: _, context_id, streams } =
        gateway.ask("alg reject", ask).await?;
    output.show(&SignalledView::new(&[], context_id, streams, None), SignalledView::tables)
}

async fn delete(call: AlgCall, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let transaction_id = client.transaction_id();
        let request = pb::DeleteRequest { transaction_id, call: Some(call.into()) };
        Ok(client.alg().delete(client.request(request)).await?.into_inner())
    };
    let deleted = gateway.ask("alg delete", ask).await?;
    output.show(&DeletedView::from(deleted), DeletedView::tables)
}

async fn query(call: AlgCall, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let request = pb::QueryRequest { call: Some(call.into()) };
        Ok(client.alg().query(client.request(request)).await?.into_inner())
    };
    let calls = gateway.ask("alg query", ask).await?.calls;
    output.show(&CallsView::from(calls), CallsView::tables)
}

async fn list(reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let calls = gateway.ask("alg list", every_page).await?;
    output.show(&CallNamesView::from(calls), CallNamesView::tables)
}

async fn every_page(client: &IqClient) -> Result<Vec<pb::CallName>, CallError> {
    let (mut calls, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = client.request(pb::ListRequest { page_size: PAGE, page_token });
        let page = client.alg().list(request).await?.into_inner();
        calls.extend(page.calls);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(calls);
        }
    }
}

async fn registration(ue: String, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| {
        let request = client.request(pb::QueryRegistrationRequest { ue });
        Ok(client.alg().query_registration(request).await?.into_inner())
    };
    let registration = gateway.ask("alg registration", ask).await?.registration;
    let registration = registration
        .ok_or_else(|| Failure::unknown("alg registration", "nothing was agreed with this UE"))?;
    output.show(&RegistrationView::from(registration), RegistrationView::tables)
}

/// The description to send on goes where it was asked for; it is shown without its keys.
fn hand_on(
    sdp: &[u8],
    view: &SignalledView,
    out: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    match out {
        Some(path) if path == Path::new("-") => {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(sdp).and_then(|()| stdout.flush());
            written.map_err(|error| Failure::local("standard output", &error))
        }
        Some(path) => {
            write_private(path, sdp)
                .map_err(|error| Failure::local(path.display().to_string(), &error))?;
            output.show(view, SignalledView::tables)
        }
        None => output.show(view, SignalledView::tables),
    }
}

/// Writes a file that nobody else reads.
fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(octets)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |error: io::Error| Failure::usage(path.display().to_string(), error.to_string());
    let mut sdp = Vec::new();
    let source: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(path).map_err(wrong)?),
    };
    source.take(MAX_SDP_OCTETS).read_to_end(&mut sdp).map_err(wrong)?;
    Ok(sdp)
}

fn side(
    place: AlgPlace,
    realm: Option<String>,
    ue: Option<String>,
    is_protected: bool,
) -> pb::SideOptions {
    let place = match place {
        AlgPlace::Access => pb::Place::Access,
        AlgPlace::Core => pb::Place::Core,
    };
    pb::SideOptions {
        place: place.into(),
        realm: realm.unwrap_or_default(),
        ue: ue.unwrap_or_default(),
        protected_signalling: is_protected.then_some(true),
        ..pb::SideOptions::default()
    }
}

impl From<AlgDialogue> for pb::Dialogue {
    fn from(dialogue: AlgDialogue) -> Self {
        let AlgDialogue { call_id, from_tag, to_tag, via_branch } = dialogue;
        let (to_tag, via_branch) = (to_tag.unwrap_or_default(), via_branch.unwrap_or_default());
        Self { call_id, from_tag, to_tag, via_branch }
    }
}

impl From<AlgCall> for pb::CallSelector {
    fn from(call: AlgCall) -> Self {
        let AlgCall { call_id, from_tag, to_tag, via_branch } = call;
        Self {
            call_id,
            from_tag: from_tag.unwrap_or_default(),
            to_tag: to_tag.unwrap_or_default(),
            via_branch: via_branch.unwrap_or_default(),
        }
    }
}
