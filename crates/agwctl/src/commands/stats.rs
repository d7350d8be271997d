//! `agwctl stats`.

use std::time::{Duration, Instant};

use crate::cli::{Reach, Stats};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::{StatsRow, StatsView};

pub(crate) async fn run(stats: &Stats, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    if !stats.watch {
        return output.show(&take(stats.id, &gateway).await?, StatsView::tables);
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(stats.interval));
    let mut before: Option<(StatsView, Instant)> = None;
    let mut shown = 0;
    while stats.count.is_none_or(|count| shown < count) {
        ticks.tick().await;
        let mut now = take(stats.id, &gateway).await?;
        let at = Instant::now();
        if let Some((before, then)) = &before {
            now.compare(before, at - *then);
        }
        output.show_newest(&now, StatsView::tables)?;
        before = Some((now, at));
        shown += 1;
    }
    Ok(())
}

async fn take(id: Option<u32>, gateway: &Connection) -> Result<StatsView, Failure> {
    let rows = match id {
        Some(id) => StatsRow::of_legs(&super::contexts::one("stats", id, gateway).await?),
        None => of_workers(gateway).await?,
    };
    Ok(StatsView { context_id: id, interval_ms: None, rows })
}

async fn of_workers(gateway: &Connection) -> Result<Vec<StatsRow>, Failure> {
    let status = gateway.ask("stats", |client| client.status()).await?;
    let workers = status.workers.into_iter().map(|worker| {
        StatsRow::of_totals(worker.worker.to_string(), worker.totals.unwrap_or_default())
    });
    let all = StatsRow::of_totals("all".to_owned(), status.totals.unwrap_or_default());
    Ok(workers.chain([all]).collect())
}
