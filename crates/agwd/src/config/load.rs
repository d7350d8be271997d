//! From file, environment and command line to one [`Config`].

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use toml::{Table, Value};

use super::Config;
use super::check::{Host, Invalid};
use super::place::{Placed, line_of};

/// The prefix of environment variables that set keys: `AGWD__IQ__LISTEN` sets `iq.listen`.
const PREFIX: &str = "AGWD__";

/// Where the configuration comes from, lowest precedence first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not start with `AGWD__` are passed over.
    pub environment: Vec<(String, String)>,
    /// Dotted keys with their values in TOML; what is not TOML is taken as a string.
    pub settings: Vec<(String, String)>,
}

/// Why there is no configuration to work by.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of the wrong kind.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// An environment variable or `--set` names an unknown key or has a value of the wrong kind.
    #[error("{origin}: {message}")]
    Override {
        /// The variable or option.
        origin: String,
        /// What is wrong with it.
        message: String,
    },
    /// Values break rules.
    #[error("{}", Lines(.0))]
    Invalid(Vec<Placed>),
}

impl Config {
    /// Reads the configuration and holds it against its rules and this host.
    ///
    /// # Errors
    /// [`ConfigError`] names the file with line and column, the variable or option, or the keys
    /// with the rules they break.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let config = Self::read(sources)?;
        let broken = match config.check(&Host::this()) {
            Ok(()) => return Ok(config),
            Err(broken) => broken,
        };
        let text = sources.file.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let placed = |invalid: Invalid| {
            let place = sources.file.clone().zip(line_of(&text, &invalid.key));
            Placed { place, invalid }
        };
        Err(ConfigError::Invalid(broken.into_iter().map(placed).collect()))
    }

    /// Reads the configuration without holding it against its rules.
    pub(crate) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let text = sources.file.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let path = sources.file.as_deref().unwrap_or(Path::new(""));
        let from_file: Self =
            //= tests/spec/iq.md#daemon
            //# An unknown configuration key MUST be refused with its line and column.
            toml::from_str(&text).map_err(|error| at_position(path, &text, &error))?;
        let overrides = overrides(sources)?;
        if overrides.is_empty() {
            return Ok(from_file);
        }
        let base: Table =
            toml::from_str(&text).map_err(|error| at_position(path, &text, &error))?;
        let mut all = base.clone();
        for change in &overrides {
            change.apply(&mut all)?;
        }
        Self::deserialize(Value::Table(all)).map_err(|error| blame(&base, &overrides, &error))
    }

    /// The configuration as TOML, with every key that has a value.
    ///
    /// # Errors
    /// None that a loaded configuration can cause.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// One key that the environment or the command line sets.
struct Override {
    origin: String,
    path: Vec<String>,
    value: Value,
}

impl Override {
    fn new(origin: String, path: Vec<String>, text: &str) -> Result<Self, ConfigError> {
        if path.iter().any(String::is_empty) {
            let message = "the key has an empty part".to_owned();
            return Err(ConfigError::Override { origin, message });
        }
        Ok(Self { origin, path, value: value(text) })
    }

    fn apply(&self, table: &mut Table) -> Result<(), ConfigError> {
        let Some((last, sections)) = self.path.split_last() else {
            return Ok(());
        };
        let mut table = table;
        for section in sections {
            let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            let Some(inner) = entry.as_table_mut() else {
                let message = format!("`{section}` is not a section");
                return Err(ConfigError::Override { origin: self.origin.clone(), message });
            };
            table = inner;
        }
        table.insert(last.clone(), self.value.clone());
        Ok(())
    }
}

/// A value in TOML; what cannot be read as TOML is a string.
fn value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn overrides(sources: &Sources) -> Result<Vec<Override>, ConfigError> {
    let environment = sources.environment.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(PREFIX)?;
        let path = key.split("__").map(str::to_ascii_lowercase).collect();
        Some(Override::new(format!("environment variable {name}"), path, value))
    });
    let settings = sources.settings.iter().map(|(key, value)| {
        let path = key.split('.').map(str::to_owned).collect();
        Override::new(format!("--set {key}"), path, value)
    });
    environment.chain(settings).collect()
}

/// Finds the override that is wrong by itself; if none is, they do not fit together.
fn blame(base: &Table, overrides: &[Override], error: &toml::de::Error) -> ConfigError {
    let alone = overrides.iter().find(|change| {
        let mut table = base.clone();
        change.apply(&mut table).is_err()
            || Config::deserialize(Value::Table(table))
                .is_err_and(|alone| alone.message() == error.message())
    });
    let origin = alone.map_or("environment and --set together", |change| &change.origin);
    ConfigError::Override { origin: origin.to_owned(), message: error.message().to_owned() }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn at_position(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ConfigError::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        message: error.message().to_owned(),
    }
}

/// Rules that are broken, one a line.
struct Lines<'a>(&'a [Placed]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, invalid) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{invalid}")?;
        }
        Ok(())
    }
}
