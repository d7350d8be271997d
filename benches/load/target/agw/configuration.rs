//! The configuration of an agwd that is started for a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::{Backend, TargetArgs};
use crate::site::{Side, Site};

/// How to start agwd.
#[derive(Debug, Clone)]
pub(crate) struct AgwOptions {
    /// The program; the one beside agw-load if not given.
    pub(crate) program: Option<PathBuf>,
    /// Where it runs.
    pub(crate) site: Site,
    /// The only core of all its threads.
    pub(crate) core: Option<usize>,
    /// How it receives and sends.
    pub(crate) backend: Backend,
    /// Worker threads.
    pub(crate) workers: usize,
    /// Whether workers are pinned to cores.
    pub(crate) pin: bool,
    /// How long workers gather packets, in microseconds.
    pub(crate) coalesce_us: u64,
    /// The crypto engine; its own choice if not given.
    pub(crate) engine: Option<String>,
    /// The most contexts.
    pub(crate) contexts: usize,
    /// Settings beyond these, `KEY=VALUE`.
    pub(crate) settings: Vec<String>,
}

impl AgwOptions {
    /// What the command line asks for, with room for so many calls.
    pub(crate) fn new(args: &TargetArgs, site: &Site, contexts: usize) -> Self {
        Self {
            program: args.program.clone(),
            site: site.clone(),
            core: args.gateway_core,
            backend: args.backend,
            workers: args.workers,
            pin: args.pin_workers,
            coalesce_us: args.coalesce_us,
            engine: args.engine.clone(),
            contexts,
            settings: args.settings.clone(),
        }
    }

    /// The settings that matter for figures.
    pub(super) fn told(&self) -> BTreeMap<String, String> {
        let mut told = BTreeMap::from([
            ("backend".to_owned(), self.backend.name().to_owned()),
            ("workers".to_owned(), self.workers.to_string()),
            ("coalesce_us".to_owned(), self.coalesce_us.to_string()),
            ("engine".to_owned(), self.engine.clone().unwrap_or_else(|| "default".to_owned())),
            ("pin".to_owned(), self.pin.to_string()),
        ]);
        if let Some(core) = self.core {
            told.insert("core".to_owned(), core.to_string());
        }
        for setting in &self.settings {
            if let Some((key, value)) = setting.split_once('=') {
                told.insert(key.to_owned(), value.to_owned());
            }
        }
        told
    }

    /// The configuration file; sockets of its own are in `directory`.
    pub(super) fn toml(&self, directory: &Path) -> String {
        let mut toml = String::new();
        // In another network namespace only a unix socket can be reached.
        let listen = match self.site.namespace {
            Some(_) => {
                format!("listen = \"\"\nunix_socket = {:?}", directory.join("iq.sock"))
            }
            None => "listen = \"127.0.0.1:0\"".to_owned(),
        };
        let engine = self.engine.as_ref().map(|name| format!("engine = {name:?}\n"));
        // Writing to a string cannot fail.
        let _ = write!(
            toml,
            "[iq]\n{listen}\nreflection = false\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [media]\nworkers = {}\npin = {}\ncoalesce_us = {}\n{}\
             [limits]\ncontexts = {}\n\
             [policy]\nallow_null = true\nallow_f8 = true\nport_rest_ms = 500\n\
             [log]\nfilter = \"warn\"\n",
            self.workers,
            self.pin,
            self.coalesce_us,
            engine.unwrap_or_default(),
            self.contexts,
        );
        for (name, side) in [("access", &self.site.access), ("core", &self.site.core)] {
            toml.push_str(&self.realm(name, side));
        }
        toml
    }

    fn realm(&self, name: &str, side: &Side) -> String {
        let Side { gateway, ports, gateway_device, .. } = side;
        let backend = match (self.backend, gateway_device) {
            (Backend::Xdp, Some(device)) => format!("device = {device:?}\nbackend = \"xdp\"\n"),
            (Backend::Xdp | Backend::Sockets, _) => "receive_buffer_octets = 1048576\n".to_owned(),
        };
        format!(
            "[[realm]]\nname = {name:?}\naddresses = [\"{gateway}\"]\nports = \"{}-{}\"\n{backend}",
            ports.start(),
            ports.end()
        )
    }
}
