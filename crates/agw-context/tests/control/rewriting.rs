//! Legs whose sources leave as one stream: the SSRC, and what the packet path is told.

use agw_context::{
    Change, Command, CommandError, Configure, ContextChoice, ContextId, Media, Policy, Reason,
    Reserve, RewriteSources, StreamChange, StreamExtras, StreamExtrasChange, TerminationId,
};
use agw_relay::{RewriteSpec, Transport};

use crate::streams::{specs, unchanged};
use crate::support::{World, core, reserve, stream};

fn rewritten(context: ContextChoice, ssrc: Option<u32>) -> Reserve {
    let mut reserve = core(context);
    reserve.streams[0].extras.rewrite_sources = Some(RewriteSources { ssrc });
    reserve
}

fn refused(world: &mut World, reserve: Reserve) -> (Reason, String) {
    let error: CommandError = world.transact(vec![Command::Reserve(reserve)]).unwrap_err().error;
    (error.reason(), error.field().unwrap_or_default().to_owned())
}

/// The SSRC of stream 1 of a termination, as audited.
fn audited(world: &World, context: ContextId, termination: usize) -> Option<u32> {
    let view = world.gateway.context(&world.controller, context).unwrap();
    let extras: &StreamExtras = &view.terminations[termination].streams[0].extras;
    extras.rewrite_sources.map(|rewrite| rewrite.ssrc.unwrap())
}

/// What the packet path is told of leg 0's sending half.
fn told(work: &[agw_context::Work]) -> Option<RewriteSpec> {
    specs(work)[&0].1.as_ref().unwrap().extras.as_ref()?.rewrite
}

//= tests/spec/relay.md#rewriting
//= type=test
//# The SSRC of a rewritten stream MUST differ from those of the other ones of a call.
#[test]
fn an_ssrc_is_chosen_unless_it_is_given_and_never_twice_in_a_call() {
    let mut world = World::new(Policy::default());
    let context = world.reserve(rewritten(ContextChoice::New, Some(7))).context;
    let existing = ContextChoice::Existing(context);
    world.reserve(rewritten(existing, None));
    assert_eq!(audited(&world, context, 0), Some(7));
    let chosen = audited(&world, context, 1).unwrap();
    assert!(chosen != 0 && chosen != 7);

    let field = "streams[0].rewrite_sources.ssrc".to_owned();
    for ssrc in [0, 7, chosen] {
        let expected = (Reason::FieldValue, field.clone());
        assert_eq!(refused(&mut world, rewritten(existing, Some(ssrc))), expected, "{ssrc}");
    }
    let mut twice = rewritten(existing, Some(9));
    let mut second = stream(2, Transport::Plain);
    second.extras = twice.streams[0].extras.clone();
    twice.streams.push(second);
    let expected = (Reason::FieldValue, "streams[1].rewrite_sources.ssrc".to_owned());
    assert_eq!(refused(&mut world, twice), expected);
    // Another call is another matter.
    world.reserve(rewritten(ContextChoice::New, Some(7)));
}

#[test]
fn a_transparent_stream_cannot_be_rewritten() {
    let mut world = World::new(Policy::default());
    let mut transparent = reserve(ContextChoice::New, "access", Transport::Transparent);
    transparent.streams[0].extras.rewrite_sources = Some(RewriteSources { ssrc: None });
    let expected = (Reason::FieldValue, "streams[0].rewrite_sources".to_owned());
    assert_eq!(refused(&mut world, transparent), expected);
}

#[test]
fn rewriting_begins_and_ends_by_configuration_and_keeps_its_ssrc() {
    let mut world = World::new(Policy::default());
    let mut reserve = core(ContextChoice::New);
    reserve.streams[0].media = Media::Video;
    let context = world.reserve(reserve).context;
    let mut change = |rewrite_sources| {
        let extras = StreamExtrasChange { rewrite_sources, ..StreamExtrasChange::default() };
        let streams = vec![StreamChange { extras, ..unchanged(1) }];
        let termination = TerminationId(1);
        let configure = Configure {
            context,
            termination,
            priority: None,
            streams,
            added: Vec::new(),
            removed: Vec::new(),
        };
        let work = world.transact(vec![Command::Configure(configure)]).unwrap().work;
        (audited(&world, context, 0), work)
    };

    let (ssrc, work) = change(Change::Set(RewriteSources { ssrc: None }));
    let spec = told(&work).unwrap();
    assert_eq!(Some(spec.ssrc.0), ssrc);
    assert!(!spec.marks, "the marker bit ends a picture of a video");
    let (again, work) = change(Change::Set(RewriteSources { ssrc: None }));
    assert_eq!(again, ssrc);
    assert!(specs(&work).is_empty(), "nothing has changed");
    let (none, work) = change(Change::Clear);
    assert_eq!((none, told(&work)), (None, None));
}
