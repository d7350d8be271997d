//! What is refused names the option.

use clap::Parser;

use super::job;
use crate::calls::{Calls, Peers};
use crate::cli::Cli;
use crate::plan::Traffic;
use crate::run::{self, Job};

#[test]
fn values_that_cannot_be_are_refused_with_the_name_of_the_option() {
    let table = [
        ("run --suite AES_512", "--suite"),
        ("run --suite none=0", "--suite"),
        ("run --seconds 0", "--seconds"),
        ("run --seconds forever", "--seconds"),
        ("run --rtcp=-1", "--rtcp"),
        ("run --workers 0", "--workers"),
        ("run --coalesce-us 501", "--coalesce-us"),
        ("run --pid 1", "--attach"),
        ("run --attach unix:/x", "--pid"),
        ("run --verify-one-in 20000", "--verify-one-in"),
        ("find-max --resolution 0", "--resolution"),
        ("churn --outstanding 0", "--outstanding"),
    ];
    for (line, option) in table {
        let words = ["agw-load"].into_iter().chain(line.split_whitespace());
        let refusal = Cli::try_parse_from(words).unwrap_err().to_string();
        assert!(refusal.contains(option), "{line}: {refusal}");
    }
}

#[test]
fn options_that_exclude_each_other_are_refused_by_name() {
    let table = [
        ("run --generator xdp", "--netns"),
        ("run --backend xdp", "--netns"),
        ("run --target forwarder", "--suite"),
        ("run --calls 0", "--calls"),
        ("run --rate max --churn-rekeys 1", "--churn-rekeys"),
        ("run --calls 10 --churn-rekeys 4", "--churn-rekeys"),
        ("run --calls 10 --churn-holds 6", "--churn-holds"),
        ("run --calls 1000 --seconds 600 --memory 64", "--memory"),
    ];
    for (line, option) in table {
        let refusal = refused(&job(line)).unwrap_err().to_string();
        assert!(refusal.contains(option), "{line}: {refusal}");
    }
    refused(&job("churn --calls 0")).unwrap();
}

fn refused(job: &Job) -> anyhow::Result<()> {
    run::check(job)?;
    let traffic = Traffic::new(job.traffic(), job.traffic().calls)?;
    let nowhere = vec![([127, 0, 0, 1], 1).into()];
    let peers = Peers { access: nowhere.clone(), core: nowhere };
    Calls::new(&traffic, &peers).map(drop)
}
