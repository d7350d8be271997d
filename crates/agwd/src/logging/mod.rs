//! Log lines to standard error, and their filter, which can be changed while the daemon runs.

mod sink;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

pub(crate) use sink::{last_words, lines_dropped};

use sink::Sink;

/// The filter in force; clones change the same one.
#[derive(Clone)]
pub struct LogFilter {
    handle: Arc<reload::Handle<EnvFilter, Registry>>,
}

/// Why logging was not set up or not changed.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("{0}")]
    Filter(#[from] ParseError),
    /// There is a logger already.
    #[error("{0}")]
    Twice(#[from] TryInitError),
    /// There is no thread to write.
    #[error("the log's thread: {0}")]
    Thread(#[from] io::Error),
    /// The logger is gone.
    #[error("{0}")]
    Gone(#[from] reload::Error),
}

impl LogFilter {
    /// Sets logging up for the whole process.
    ///
    /// # Errors
    /// [`LogError`] if the filter cannot be read, or logging has been set up already.
    pub fn install(log: &Log) -> Result<Self, LogError> {
        let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log.filter)?);
        Registry::default().with(filter).with(lines(log.format, Sink::to_stderr()?)).try_init()?;
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Changes the filter.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be read; the one in force stays so.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        Ok(self.handle.reload(EnvFilter::try_new(filter)?)?)
    }

    /// The filter in force.
    #[must_use]
    pub fn current(&self) -> String {
        self.handle.with_current(ToString::to_string).unwrap_or_default()
    }
}

fn lines<S>(format: LogFormat, sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(sink);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
