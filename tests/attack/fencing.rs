//! C9: two instances of one controller, of which the older one does not know that it is over.

use std::collections::BTreeSet;

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb::transact_stream_response::Outcome;
use agw_iq::{FILE_DESCRIPTOR_SET, pb};
use agw_tests::{Endpoint, Key, Side, api};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use crate::scene::{SUITE, Scene};

const TITLE: &str = "two controllers, split brain";
/// Where a controller states the number of its present instance.
const EPOCH: &str = "agw-controller-epoch";
const STALE: &str = "STALE_CONTROLLER";
/// Procedures that only tell: an instance that is over may look.
const TELLING: [&str; 4] = ["AuditValue", "AuditCapabilities", "SubscribeEvents", "GetStatus"];

/// The procedures of the Iq service that do more than tell.
fn procedures() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let services = set.file.iter().flat_map(|file| &file.service);
    let iq = services.filter(|service| service.name() == "IqService");
    let names = iq.flat_map(|service| &service.method).map(|method| method.name().to_owned());
    names.filter(|name| !TELLING.contains(&name.as_str())).collect()
}

/// A stream of transactions of one instance.
struct Pipeline {
    requests: mpsc::Sender<pb::TransactStreamRequest>,
    answers: Streaming<pb::TransactStreamResponse>,
}

impl Pipeline {
    fn of(scene: &Scene, epoch: &str) -> Self {
        let (requests, line) = mpsc::channel(1);
        let mut request = Request::new(ReceiverStream::new(line));
        request.metadata_mut().insert(EPOCH, epoch.parse().expect("a value"));
        let mut service = scene.gateway.iq.service();
        let answers = scene.gateway.wait(service.transact_stream(request)).expect("a stream");
        Self { requests, answers: answers.into_inner() }
    }

    /// How a gate that closes is answered: nothing, or why not.
    fn close(&mut self, scene: &Scene, id: &str) -> Option<String> {
        let change = api::gates(scene.call.context, 1, pb::StreamMode::Inactive);
        let command = Some(pb::command::Command::ChangeThroughConnection(change));
        let transaction_id = id.to_owned();
        let commands = vec![pb::Command { command }];
        let request = pb::TransactStreamRequest { transaction_id, commands };
        let answer = scene.gateway.wait(async {
            self.requests.send(request).await.expect("a stream");
            self.answers.message().await.expect("an answer").expect("an answer")
        });
        match answer.outcome {
            Some(Outcome::Refused(refusal)) => Some(refusal.reason),
            Some(Outcome::Done(_)) | None => None,
        }
    }
}

/// Everything by which an instance could change the call, or the gateway.
fn changes(scene: &Scene, by: &IqClient) -> Vec<(&'static str, Option<CallError>)> {
    let (gateway, context) = (&scene.gateway, scene.call.context);
    let stream = || api::plain(1, &Endpoint::plain(Side::Core.peer()));
    let reserve = || api::reserve("core", vec![stream()]);
    let bare = pb::Stream { remote: None, ..stream() };
    let calls = api::call(vec![stream()], vec![stream()]);
    let gates = api::gates(context, 1, pb::StreamMode::Inactive);
    let change = pb::StreamChange { stream_id: 1, ..pb::StreamChange::default() };
    let key = Key::random(SUITE);
    let relation = api::associated(1, 2, pb::Relation::Isolate);
    let word = pb::TerminationConfirmation { context_id: context, termination_id: 1, known: false };
    let forced = pb::ServiceChangeMethod::Forced;
    let set = pb::SetGroup { context_id: context, group_id: 1, ..pb::SetGroup::default() };
    let remove = pb::RemoveGroup { context_id: context, group_id: 1, ..Default::default() };
    vec![
        (
            "ReserveConnectionPoint",
            gateway.wait(by.reserve(api::reserve("core", vec![bare]))).err(),
        ),
        (
            "ReserveAndConfigureConnectionPoint",
            gateway.wait(by.reserve_and_configure(reserve())).err(),
        ),
        (
            "ConfigureConnectionPoint",
            gateway.wait(by.configure(api::configure(context, 1, change))).err(),
        ),
        ("ChangeThroughConnection", gateway.wait(by.change_through_connection(gates)).err()),
        ("SetTopology", {
            gateway.wait(by.set_topology(api::topology(context, vec![relation]))).err()
        }),
        ("StageKey", gateway.wait(by.stage_key(api::stage_ingress(context, &key))).err()),
        ("ActivateKey", {
            gateway.wait(by.activate_key(api::activate(context, pb::Direction::Ingress))).err()
        }),
        ("CancelKey", {
            gateway.wait(by.cancel_key(api::cancel(context, pb::Direction::Ingress))).err()
        }),
        ("SetGroup", gateway.wait(by.set_group(set)).err()),
        ("RemoveGroup", gateway.wait(by.remove_group(remove)).err()),
        ("Transact", gateway.wait(by.transact(calls)).err()),
        ("ConfirmTerminations", gateway.wait(by.confirm(vec![word])).err()),
        ("AdoptContexts", gateway.wait(by.adopt(vec![context])).err()),
        ("CompareContexts", gateway.wait(by.compare(Vec::new())).err()),
        ("ServiceChange", gateway.wait(by.service_change(forced, "split")).err()),
        ("Release", gateway.wait(by.release(api::release(context))).err()),
    ]
}

#[test]
fn an_instance_that_is_over_changes_nothing_by_no_procedure() {
    let Some(mut scene) = Scene::new("C9", TITLE) else { return };
    let instance = |epoch| scene.gateway.iq.clone().with_epoch(epoch);
    let (old, new) = (instance(4), instance(5));
    let mut of_old = Pipeline::of(&scene, "4");
    assert_eq!(scene.gateway.wait(old.contexts(false)).expect("an audit").len(), 1);
    // The newer instance is heard of by the first thing that it does.
    scene.gateway.wait(new.compare(Vec::new())).expect("a comparison");
    let before = scene.gateway.wait(new.contexts(false)).expect("an audit");

    let (mut tried, mut procedures) = (0, procedures());
    // Silence is no way around, nor is any lower number.
    for by in [&old, &scene.gateway.iq, &instance(0)] {
        for (procedure, refused) in changes(&scene, by) {
            let reason = refused.and_then(|refused| refused.reason);
            assert_eq!(reason.as_deref(), Some(STALE), "{procedure}");
            procedures.remove(procedure);
            tried += 1;
        }
    }
    // A stream that was opened in time ends being heard in the middle.
    assert_eq!(of_old.close(&scene, "late").as_deref(), Some(STALE));
    procedures.remove("TransactStream");
    assert!(procedures.is_empty(), "not tried: {procedures:?}");

    let after = scene.gateway.wait(new.contexts(false)).expect("an audit");
    assert_eq!(after, before);
    scene.row.tried(tried + 1);
    scene.goes_on();
    let release = api::release(scene.call.context);
    scene.gateway.wait(new.release(release)).expect("the newer instance is heard");
}

#[test]
fn what_is_no_number_neither_passes_nor_fences_anybody_off() {
    let Some(mut scene) = Scene::new("C9", TITLE) else { return };
    let new = scene.gateway.iq.clone().with_epoch(5);
    scene.gateway.wait(new.compare(Vec::new())).expect("a comparison");
    let values = ["", "-1", "+6", "0x10", "6 ", "5.5", "18446744073709551616", "six"];
    for value in values {
        let release = pb::ReleaseRequest {
            transaction_id: String::new(),
            release: Some(api::release(scene.call.context)),
        };
        let mut request = Request::new(release);
        request.metadata_mut().insert(EPOCH, value.parse().expect("a value"));
        let mut service = scene.gateway.iq.service();
        let status = scene.gateway.wait(service.release(request)).expect_err("no number");
        let refused = CallError::from(status);
        assert_eq!(refused.code, tonic::Code::InvalidArgument, "{value:?}: {refused:?}");
    }
    scene.row.tried(values.len() as u64);
    scene.goes_on();
    let release = api::release(scene.call.context);
    scene.gateway.wait(new.release(release)).expect("it was not fenced off");
}
