//! A controller that was away compares its list of calls with the gateway's.

use std::fs;

use agw_iq::pb;
use agw_iq::pb::DifferenceKind;
use agw_tests::{Call, Gateway, Leg, Side, api};

/// A call that its controller knows by a name of its own.
fn named(gateway: &Gateway, name: &str) -> Call {
    let (access, core) = (Leg::plain(Side::Access.peer()), Leg::plain(Side::Core.peer()));
    let mut commands = api::call(vec![access.stream], vec![core.stream]);
    if let Some(pb::command::Command::Reserve(reserve)) = commands.first_mut() {
        reserve.correlation_id = name.to_owned();
    }
    Call::set_up(gateway, commands, access.endpoint, core.endpoint)
}

fn name(context_id: u32, correlation: &str) -> pb::ContextName {
    pb::ContextName { context_id, correlation_id: correlation.to_owned() }
}

//= tests/spec/iq.md#audit
//= type=test
//# A comparison with a controller's list MUST name every context that only one of both knows.
#[test]
fn a_comparison_names_what_only_one_of_both_knows() {
    let gateway = Gateway::start();
    let mut calls = ["a", "b", "c", "d"].map(|one| named(&gateway, one));
    let [a, b, c, d] = calls.each_ref().map(|call| call.context);
    gateway.wait(gateway.iq.release(api::release(a))).expect("the end of a call");
    let never = u32::MAX;
    let list = vec![name(never, "x"), name(a, "a"), name(b, "b"), name(c, "other")];

    let (differences, compared) = gateway.wait(gateway.iq.compare(list)).expect("a comparison");

    let told: Vec<_> = differences
        .iter()
        .map(|one| (one.context_id, one.kind(), one.correlation_id.as_str(), one.created.is_some()))
        .collect();
    let expected = [
        (a, DifferenceKind::UnknownHere, "", false),
        (c, DifferenceKind::Correlation, "c", true),
        (d, DifferenceKind::UnknownThere, "d", true),
        (never, DifferenceKind::UnknownHere, "", false),
    ];
    assert_eq!((told, compared), (sorted(expected), 3));

    // Both agree after each has done its part.
    gateway.wait(gateway.iq.release(api::release(d))).expect("the end of a call");
    let list = vec![name(b, "b"), name(c, "c")];
    let outcome = gateway.wait(gateway.iq.compare(list)).expect("a comparison");
    assert_eq!(outcome, (Vec::new(), 2));
    calls[1].talk();
    calls[2].talk();
}

/// In the order of context ids, which are drawn.
fn sorted(
    mut expected: [(u32, DifferenceKind, &str, bool); 4],
) -> Vec<(u32, DifferenceKind, &str, bool)> {
    expected.sort_by_key(|one| one.0);
    expected.into()
}

#[test]
fn a_list_in_many_parts_and_one_out_of_order_are_told_apart() {
    let gateway = Gateway::start();
    let call = named(&gateway, "only");
    let list =
        (1..=2_500).map(|id| name(id * 1_000_003, "")).filter(|one| one.context_id != call.context);
    let (differences, compared) =
        gateway.wait(gateway.iq.compare(list.collect())).expect("a comparison");
    assert_eq!((differences.len(), compared), (2_501, 1));

    let twice = pb::CompareContextsRequest { contexts: vec![name(7, ""), name(7, "")] };
    let refused = gateway.wait(async {
        let answers = gateway.iq.service().compare_contexts(tokio_stream::iter([twice])).await?;
        answers.into_inner().message().await
    });
    let refused = agw_iq::client::CallError::from(refused.expect_err("out of order"));
    assert_eq!(refused.field.as_deref(), Some("contexts[1].context_id"));
}

#[test]
fn agwctl_tells_the_differences_by_its_exit_code_and_as_json() {
    let gateway = Gateway::start();
    let (here, gone) = (named(&gateway, "here"), named(&gateway, "gone"));
    gateway.wait(gateway.iq.release(api::release(gone.context))).expect("the end of a call");
    let list = gateway.daemon.directory.path().join("mine");
    fs::write(&list, format!("{} gone\n", gone.context)).expect("a list");
    let diff = |list| gateway.agwctl(&["--output", "json", "contexts", "diff", list]);
    let list_path = list.display().to_string();

    let (code, told) = diff(&list_path);

    assert_eq!(code, Some(8), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let kinds: Vec<_> = told["differences"]
        .as_array()
        .expect("differences")
        .iter()
        .map(|one| {
            (one["context_id"].as_u64().expect("an id"), one["kind"].as_str().expect("a kind"))
        })
        .collect();
    let mut expected =
        [(u64::from(gone.context), "unknown_here"), (u64::from(here.context), "unknown_there")];
    expected.sort_unstable();
    assert_eq!(kinds, expected);

    fs::write(&list, format!("# mine\n{} here\n", here.context)).expect("a list");
    let (code, told) = diff(&list_path);
    assert_eq!(code, Some(0), "{told}");
}
