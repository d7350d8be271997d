//! Who may not, and what a refusal says.

use super::*;

//= tests/spec/iq.md#service-change
//= type=test
//# Only the operator at the gateway's machine MUST be able to change its service.
#[tokio::test]
async fn only_the_operator_takes_the_gateway_out_of_service_and_back() {
    let rig = rig().await;
    let mut service = rig.client.service();
    for (method, state) in [
        (pb::ServiceChangeMethod::Graceful, ServiceState::Draining),
        (pb::ServiceChangeMethod::Forced, ServiceState::Locked),
        (pb::ServiceChangeMethod::Restart, ServiceState::InService),
    ] {
        let before = rig.fake.state().service;
        let reason = "works at 22:00".to_owned();
        let request =
            pb::ServiceChangeRequest { method: method.into(), reason, ..Default::default() };
        let refused = service.service_change(from("pcscf-2", request.clone())).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert_eq!(rig.fake.state().service, before);
        service.service_change(request).await.expect("the operator may");
        assert_eq!(rig.fake.state().service, state);
        assert_eq!(rig.fake.state().reason.as_deref(), Some("works at 22:00"));
    }
    for reason in ["r".repeat(129), "a\nb".to_owned()] {
        let refused =
            rig.client.service_change(pb::ServiceChangeMethod::Forced, &reason).await.unwrap_err();
        assert_eq!(refused.field.as_deref(), Some("reason"));
    }
}

//= tests/spec/iq.md#access
//= type=test
//# A procedure that the role of the peer does not include MUST be refused.
#[tokio::test]
async fn an_observer_sees_what_all_controllers_have_and_changes_nothing() {
    let rig = rig().await;
    let mut service = rig.client.service();
    let reserve = sent::reserve_request("");
    let reserve = service.reserve_connection_point(from("observer-1", reserve));
    let refused = reserve.await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let info = refused.get_details_error_info().expect("a reason");
    assert_eq!(info.reason, "NOT_PERMITTED");
    assert!(info.metadata.contains_key("overload_percent"));
    assert!(rig.fake.state().transactions.is_empty());

    let audit = pb::AuditValueRequest::default();
    service.audit_value(from("observer-1", audit)).await.expect("an audit");
    let (asks, _) = rig.fake.state().queries.pop().expect("a query");
    assert_eq!(asks, Controller::local(), "all contexts");
    let capabilities = pb::AuditCapabilitiesRequest {};
    service.audit_capabilities(from("observer-1", capabilities)).await.expect("capabilities");
}

//= tests/spec/iq.md#acknowledgement
//= type=test
//# A refusal MUST carry an H.248 error code, a machine-readable reason and the path of the field.
#[tokio::test]
async fn what_the_gateway_refuses_is_told_with_the_path_in_the_whole_request() {
    let rig = rig().await;
    let error = CommandError::Key {
        field: "streams[0].ingress_crypto.keys[0].key".to_owned(),
        error: KeyError::KeyLength { expected: 16, found: 15 },
    };
    rig.fake.state().errors.push_back(Refused { command: 1, error }.into());
    let commands = vec![
        sent::command(pb::command::Command::ChangeThroughConnection(sent::gates())),
        sent::command(pb::command::Command::Reserve(sent::reserve())),
    ];
    let request = pb::TransactRequest { commands, ..Default::default() };

    let status = rig.client.service().transact(request).await.unwrap_err();

    let field = "commands[1].reserve.streams[0].ingress_crypto.keys[0].key";
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field, field);
    let error = CallError::from(status);
    check(&error, Code::InvalidArgument, "KEY_LENGTH", 449, field);
    assert_eq!(error.command, Some(1));
}

#[tokio::test]
async fn refusals_say_by_their_code_who_must_act() {
    let rig = rig().await;
    let invalid = |reason| CommandError::Invalid { field: "f".to_owned(), rule: "rule", reason };
    let realm = || "core".to_owned();
    let suite = Suite::NullHmacSha1_80;
    let what = Resource::Ports;
    let cases = [
        (Code::NotFound, 411, CommandError::UnknownContext(ContextId(1))),
        (Code::InvalidArgument, 449, CommandError::UnknownRealm(realm())),
        (Code::FailedPrecondition, 441, invalid(Reason::KeyRequired)),
        (Code::AlreadyExists, 449, invalid(Reason::StreamExists)),
        (Code::FailedPrecondition, 449, CommandError::SuiteRefused { field: "f".into(), suite }),
        (
            Code::InvalidArgument,
            449,
            CommandError::KeyReuse { field: "f".into(), direction: Direction::Ingress },
        ),
        (Code::InvalidArgument, 449, CommandError::KeyReturns { field: "f".into() }),
        (Code::ResourceExhausted, 510, CommandError::Exhausted { what, realm: Some(realm()) }),
        (Code::Unavailable, 503, CommandError::Draining),
        (Code::Unavailable, 503, CommandError::Locked),
        (Code::Unavailable, 510, CommandError::RealmUnavailable(realm())),
        (Code::Internal, 500, CommandError::PortRefused { realm: realm(), cause: "e".into() }),
    ];
    for (code, h248_code, error) in cases {
        let reason = error.reason().name();
        rig.fake.state().errors.push_back(Refused { command: 0, error }.into());
        let error = rig.client.reserve(sent::reserve()).await.unwrap_err();
        assert_eq!((error.code, error.h248_code), (code, Some(h248_code)), "{error}");
        assert_eq!(error.reason.as_deref(), Some(reason));
        assert!(!error.is_of_connection());
    }
    rig.fake.state().errors.push_back(TransactError::Unavailable(Unavailable));
    let error = rig.client.reserve(sent::reserve()).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_deref()), (Code::Unavailable, Some("UNAVAILABLE")));
}

#[tokio::test]
async fn a_request_of_more_than_64_kib_is_refused_unread() {
    let rig = rig().await;
    let mut request = sent::reserve_request("");
    request.reserve.as_mut().unwrap().realm = "r".repeat(64 << 10);
    let status = rig.client.service().reserve_connection_point(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(rig.fake.transactions(), 0);
}

#[tokio::test]
async fn an_association_that_breaks_a_rule_is_refused_with_its_path() {
    let rig = rig().await;
    let good = (1, 2, pb::Relation::BothWay, 0);
    let cases = [
        ((0, 2, pb::Relation::BothWay, 0), "FIELD_MISSING", "from_termination_id", 441),
        ((1, 0, pb::Relation::BothWay, 0), "FIELD_MISSING", "to_termination_id", 441),
        ((2, 2, pb::Relation::BothWay, 0), "FIELD_VALUE", "to_termination_id", 449),
        ((1, 2, pb::Relation::Unspecified, 0), "FIELD_MISSING", "relation", 441),
        ((1, 2, pb::Relation::OneWay, 65_536), "FIELD_VALUE", "stream_id", 449),
    ];
    for (association, reason, field, h248_code) in cases {
        let topology = sent::associations(&[good, association]);
        let error = rig.client.set_topology(topology).await.unwrap_err();
        let field = format!("set_topology.associations[1].{field}");
        check(&error, Code::InvalidArgument, reason, h248_code, &field);
    }
    let mut unknown = sent::associations(&[good]);
    unknown.associations[0].relation = 9;
    let error = rig.client.set_topology(unknown).await.unwrap_err();
    let field = "set_topology.associations[0].relation";
    check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, field);
    let both = pb::SetTopology { from_termination_id: 1, ..sent::associations(&[good]) };
    let error = rig.client.set_topology(both).await.unwrap_err();
    check(&error, Code::InvalidArgument, "FIELD_VALUE", 449, "set_topology.associations");
}
