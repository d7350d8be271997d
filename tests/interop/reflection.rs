//! A controller that knows the API only through reflection.

use crate::rig;

#[test]
fn a_sip_server_without_generated_code_has_a_call_set_up() {
    let modules = ["grpc", "grpc_reflection", "grpc_health"];
    rig::python("alg.py", &modules, |gateway| vec![gateway.daemon.iq.to_string()]);
}

#[test]
fn a_controller_without_generated_code_finds_its_way() {
    let modules = ["grpc", "grpc_reflection", "grpc_health"];
    rig::python("control.py", &modules, |gateway| vec![gateway.daemon.iq.to_string()]);
}
