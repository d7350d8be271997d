//! Calls whose end nobody tells.

use agw_tests::{Gateway, Side};

use super::proxy::{Form, Proxy};
use super::{ON, delete, parties, set_up};
use crate::alg::party::talk;

//= tests/spec/iq.md#supervision
//= type=test
//# A context whose controller cannot be asked about it MUST be released when neither its controller
//# nor anything authentic has been heard for the configured time, and not before.
#[test]
fn a_call_whose_end_was_lost_ends_when_nobody_talks_and_its_name_is_free() {
    let gateway = Gateway::with(&[ON, &["supervision.ng_silence_ms=1000"]].concat());
    let capabilities = gateway.wait(gateway.iq.capabilities()).expect("capabilities");
    assert_eq!(capabilities.supervision.expect("the times").ng_silence_ms, 1_000);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    for round in 1..=2 {
        let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
            return;
        };
        set_up(&mut proxy, "lost", &mut phone, &mut core);
        talk(&mut phone, &mut core);

        gateway
            .ledger()
            .await_line(&format!("agw_released_by_gateway_total{{cause=\"silent\"}} {round}"));
        gateway.ledger().await_line("agw_contexts 0");
        gateway.ledger().await_line("agw_alg_calls 0");
    }
    let late = proxy.ask(&delete("lost"));
    assert_eq!(late["result"], "ok", "{late}");
    assert!(late["warning"].is_string(), "{late}");
}
